/**
 * Which page is shown, by the fragment of the address: `#/room/standup/ann`.
 *
 * @module
 */

const PAGES = ["rooms", "nodes", "recordings", "configuration"];

/**
 * @param {string} fragment
 * @returns {{ page: string, room?: string, participant?: string, token?: string }}
 */
export function readRoute(fragment) {
  const token = /^#token=([^&]+)/.exec(fragment)?.[1];
  if (token !== undefined) return { page: "rooms", token };
  const [, page = "", room, participant] = fragment.replace(/^#/, "").split("/").map(decoded);
  if (page === "room" && room !== undefined && room !== "") {
    return participant === undefined || participant === ""
      ? { page, room }
      : { page, room, participant };
  }
  return { page: PAGES.includes(page) ? page : "rooms" };
}

/** @param {string} room */
export function roomPath(room) {
  return `#/room/${encodeURIComponent(room)}`;
}

/**
 * @param {string} room
 * @param {string} identity
 */
export function participantPath(room, identity) {
  return `${roomPath(room)}/${encodeURIComponent(identity)}`;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}
