/**
 * What the replay page asks of the server, and what it says where it is refused.
 *
 * @module
 */

/**
 * @typedef {{ token?: string, link?: string }} Key opens recordings; empty where the server may let
 *   anybody in
 * @typedef {{ egressId: string, roomName: string, beganAt: string }} Recording
 */

/**
 * @param {Key} key
 * @returns {Promise<{ recordings: Recording[] } | { status?: number }>} what the server answered if
 *   it refused; nothing if it did not answer
 */
export function listRecordings(key) {
  return ask("/replay/api/recordings", key);
}

/**
 * @param {string} egressId
 * @param {Key} key
 * @returns {Promise<(Recording & { link: string }) | { status?: number }>}
 */
export function describeRecording(egressId, key) {
  return ask(`/replay/api/recordings/${encodeURIComponent(egressId)}`, key);
}

/**
 * @param {string} egressId
 * @param {number | "journal"} file
 * @param {string} link
 * @returns {string}
 */
export function addressOf(egressId, file, link) {
  return `/replay/files/${encodeURIComponent(egressId)}/${file}?link=${encodeURIComponent(link)}`;
}

/**
 * @param {string} egressId
 * @param {string} link
 * @returns {Promise<string | { status?: number }>}
 */
export async function readJournalText(egressId, link) {
  try {
    const response = await fetch(addressOf(egressId, "journal", link));
    return response.ok ? await response.text() : { status: response.status };
  } catch {
    return {};
  }
}

async function ask(path, { token = "", link = "" }) {
  try {
    const headers = token === "" ? {} : { "Authorization": `Bearer ${token}` };
    const query = link === "" ? "" : `?link=${encodeURIComponent(link)}`;
    const response = await fetch(path + query, { headers });
    return response.ok ? await response.json() : { status: response.status };
  } catch {
    return {};
  }
}

/**
 * @param {number | undefined} status nothing if the server did not answer
 * @param {Key} key with which it was asked
 * @returns {string}
 */
export function replayWords(status, { token = "", link = "" }) {
  if (status === undefined) {
    return "The server does not answer. Check that it is running and that you are online, then try again.";
  }
  if (status === 404) return "There is no such recording, or it is of another room than yours.";
  if (status === 401 && link !== "") return "This link has expired. Ask for a new one.";
  if (status === 401 && token !== "") {
    return "The server did not accept this access token. It may have expired, or belong to another server.";
  }
  if (status === 401) {
    return "Recordings are for hosts of their room. Paste the access token you were given.";
  }
  if (status === 403) return "This access token does not let you watch recordings.";
  return "The recording cannot be shown right now. Try again in a moment.";
}
