// @ts-check
/**
 * Where the page is: the room of its address, and what a link brings along. Pure.
 *
 * @module
 */

/**
 * @typedef {object} Place
 * @property {string} room empty if the link names none
 * @property {string} token empty if the link brings none
 * @property {string} name empty if the link brings none
 */

/**
 * @typedef {object} Claims what a page has to know of a token
 * @property {string} room
 * @property {string} name what the others will read; empty if the token says nothing
 * @property {string} identity
 * @property {boolean} isAdmin may mute and remove others
 * @property {boolean} mayPublish anything at all
 * @property {boolean} mayRename itself
 * @property {number} expiresAt Unix ms, `Infinity` if it does not say
 */

/**
 * The token stands in the fragment, which no server sees; links of others may have it in the query.
 *
 * @param {{ pathname: string, hash: string, search: string }} location
 * @returns {Place}
 */
export function readPlace({ pathname, hash, search }) {
  const fragment = new URLSearchParams(hash.slice(1));
  const query = new URLSearchParams(search);
  const read = (/** @type {string} */ key) => fragment.get(key) ?? query.get(key) ?? "";
  const token = read("token").trim();
  const room = readClaims(token)?.room || roomOfPath(pathname);
  return { room, token, name: read("name").trim() };
}

/** @param {string} pathname @returns {string} */
function roomOfPath(pathname) {
  const [, name = ""] = /^\/demo\/([^/]+)$/.exec(pathname) ?? [];
  try {
    return decodeURIComponent(name);
  } catch {
    return "";
  }
}

/**
 * What is in the address bar while somebody is in a room, and what an invitation says: no token.
 *
 * @param {string} room
 * @returns {string} a path
 */
export function pathOfRoom(room) {
  return room === "" ? "/demo" : `/demo/${encodeURIComponent(room)}`;
}

/**
 * Reads a token without checking it: the server does that.
 *
 * @param {string} token
 * @returns {Claims | undefined} nothing if it is no token
 */
export function readClaims(token) {
  try {
    const [, payload = ""] = token.split(".");
    const body = payload.replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(body), (sign) => sign.charCodeAt(0));
    const { sub, name, exp, video } = JSON.parse(new TextDecoder().decode(bytes));
    return {
      room: text(video?.room),
      name: text(name),
      identity: text(sub),
      isAdmin: video?.roomAdmin === true,
      mayPublish: video?.canPublish !== false,
      mayRename: video?.canUpdateOwnMetadata === true,
      expiresAt: typeof exp === "number" ? exp * 1000 : Infinity,
    };
  } catch {
    return undefined;
  }
}

/** @param {unknown} value @returns {string} */
function text(value) {
  return typeof value === "string" ? value : "";
}

/**
 * The letters that stand for a person without a picture.
 *
 * @param {string} name
 * @returns {string} at most two signs
 */
export function initials(name) {
  const words = name.trim().split(/[\s_-]+/u).filter((word) => word !== "");
  return words.slice(0, 2).map((word) => [...word][0]).join("").toUpperCase();
}
