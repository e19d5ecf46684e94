/**
 * What the browser remembers of a person's choices. Where it may not, every choice lasts as long as
 * the page.
 *
 * @module
 */

const PREFIX = "roomwire.";
/** @type {Map<string, string>} */
const ofThisPage = new Map();

/**
 * @param {"name" | "theme" | "shortcuts" | "view" | "layout" | "camera" | "microphone" | "speaker"} key
 * @returns {string} empty if nothing was chosen
 */
export function preference(key) {
  try {
    return localStorage.getItem(PREFIX + key) ?? ofThisPage.get(key) ?? "";
  } catch {
    return ofThisPage.get(key) ?? "";
  }
}

/**
 * @param {Parameters<typeof preference>[0]} key
 * @param {string} value
 */
export function prefer(key, value) {
  ofThisPage.set(key, value);
  try {
    localStorage.setItem(PREFIX + key, value);
  } catch {
    // Blocked or full: the page remembers it.
  }
}

/**
 * The token with which this tab is in a room: a reload is the same person and not a second one.
 *
 * @param {string} room
 * @returns {string} empty if there is none
 */
export function tokenOfTab(room) {
  try {
    return sessionStorage.getItem(`${PREFIX}token.${room}`) ?? "";
  } catch {
    return "";
  }
}

/**
 * @param {string} room
 * @param {string} token empty to forget it
 */
export function keepTokenOfTab(room, token) {
  try {
    if (token === "") sessionStorage.removeItem(`${PREFIX}token.${room}`);
    else sessionStorage.setItem(`${PREFIX}token.${room}`, token);
  } catch {
    // A reload asks for another one.
  }
}
