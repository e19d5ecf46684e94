/**
 * An operator's way in, and what is asked of the server by it. The token is kept for as long as the
 * tab is there, and never in an address.
 *
 * @module
 */

const KEPT = "roomwire-operator";

/** @type {string} */
let token = sessionStorage.getItem(KEPT) ?? "";

/** The token there is; empty without. */
export function operatorToken() {
  return token;
}

/** @param {string} wanted empty to forget it */
export function keepToken(wanted) {
  token = wanted;
  if (wanted === "") sessionStorage.removeItem(KEPT);
  else sessionStorage.setItem(KEPT, wanted);
}

/** @returns {Promise<"open" | "password" | "token" | undefined>} nothing if nobody answers */
export async function entry() {
  try {
    return (await (await fetch("/admin/api/session")).json()).entry;
  } catch {
    return undefined;
  }
}

/**
 * @param {string} password empty where none is needed
 * @returns {Promise<number | undefined>} HTTP status, nothing if the server does not answer
 */
export async function signIn(password) {
  const answer = await post("/admin/api/session", { password });
  if (answer?.status === 200) keepToken((await answer.json()).token);
  return answer?.status;
}

/**
 * The configuration in effect.
 *
 * @returns {Promise<{ version: string, hasReplay: boolean, keys: object[] } | undefined>}
 */
export async function configuration() {
  try {
    const answer = await fetch("/admin/api/configuration", { headers: authorization(token) });
    return answer.ok ? await answer.json() : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Calls LiveKit's server API.
 *
 * @param {string} method `RoomService/MutePublishedTrack`
 * @param {Record<string, unknown>} message JSON of its request
 * @param {{ room?: string, destinationRoom?: string }} [about] which room it is about
 * @returns {Promise<{ status?: number, body?: any }>} no status if the server does not answer
 */
export async function call(method, message, { room = "", destinationRoom = "" } = {}) {
  const given = await post("/admin/api/token", { room, destinationRoom }, token);
  if (given?.status !== 200) return { status: given?.status };
  const { token: roomToken } = await given.json();
  const answer = await post(`/twirp/livekit.${method}`, message, roomToken);
  if (answer === undefined) return {};
  return { status: answer.status, body: await answer.json().catch(() => undefined) };
}

/**
 * A link that shows one recording to whoever has it, for an hour.
 *
 * @param {string} egressId
 * @returns {Promise<{ status?: number, path?: string }>} no status if the server does not answer
 */
export async function replayLink(egressId) {
  const answer = await post("/replay/api/links", { egressId, validForS: 3_600 }, token);
  if (answer?.status !== 200) return { status: answer?.status };
  return { status: 200, path: (await answer.json()).path };
}

async function post(path, body, bearer = "") {
  try {
    return await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...authorization(bearer) },
      body: JSON.stringify(body),
    });
  } catch {
    return undefined;
  }
}

function authorization(bearer) {
  return bearer === "" ? {} : { "Authorization": `Bearer ${bearer}` };
}
