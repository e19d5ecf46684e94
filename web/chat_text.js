// @ts-check
/**
 * Words of the chat: links found in a text, and what the chat button says. Pure.
 *
 * @module
 */

/**
 * @typedef {{ readonly text: string, readonly href?: string }} TextPart with `href` for a link
 */

/** What may be a link: only these two schemes, up to the next white space or angle bracket. */
const LINK = /https?:\/\/[^\s<>"]+/giu;
/** Signs that end a sentence and not a link. */
const TRAILING = ".,;:!?'’…";
/** Of a message so much is kept, characters: more is a file, and not said to anybody. */
export const MOST_CHARACTERS = 10_000;
/** What the badge shows at most. */
const MOST_SHOWN = 99;

/**
 * Cuts a text where links begin and end. A link is one only if it can be read as an address; all
 * else stays text.
 *
 * @param {string} text of anybody
 * @returns {TextPart[]}
 */
export function splitLinks(text) {
  /** @type {TextPart[]} */
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(LINK)) {
    const found = withoutTail(match[0]);
    const href = safeAddress(found);
    if (href === undefined) continue;
    if (match.index > at) parts.push({ text: text.slice(at, match.index) });
    parts.push({ text: found, href });
    at = match.index + found.length;
  }
  if (at < text.length) parts.push({ text: text.slice(at) });
  return parts;
}

/**
 * In one pass, however long it is: what others write must not hold this page up.
 *
 * @param {string} found
 * @returns {string}
 */
function withoutTail(found) {
  let unopened = count(found, ")") - count(found, "(");
  let end = found.length;
  for (; end > 0; end--) {
    const sign = found.charAt(end - 1);
    if (TRAILING.includes(sign)) continue;
    // A bracket closes the sentence's own unless the link has opened one.
    if (sign !== ")" || unopened-- <= 0) break;
  }
  return found.slice(0, end);
}

/** @param {string} text @param {string} sign @returns {number} */
function count(text, sign) {
  return text.split(sign).length - 1;
}

/**
 * @param {string} link
 * @returns {string | undefined} an address of the web that names nobody's password
 */
function safeAddress(link) {
  if (!URL.canParse(link)) return undefined;
  const { protocol, username, password, href } = new URL(link);
  const isWeb = protocol === "http:" || protocol === "https:";
  return isWeb && username === "" && password === "" ? href : undefined;
}

/**
 * Reads a message to its end and keeps its beginning: whoever writes without end holds no memory.
 *
 * @param {AsyncIterable<string>} pieces as they come
 * @param {number} most characters that are kept
 * @returns {Promise<{ text: string, isCut: boolean }>}
 */
export async function readMessage(pieces, most = MOST_CHARACTERS) {
  let text = "";
  let isCut = false;
  for await (const piece of pieces) {
    const room = most - text.length;
    text += piece.slice(0, room);
    isCut ||= piece.length > room;
  }
  return { text, isCut };
}

/**
 * @param {number} unread
 * @returns {{ badge: string, name: string }} what the badge shows, and the button's whole name
 */
export function unreadWords(unread) {
  if (unread === 0) return { badge: "", name: "Chat" };
  const messages = unread === 1 ? "1 unread message" : `${unread} unread messages`;
  const badge = unread > MOST_SHOWN ? `${MOST_SHOWN}+` : String(unread);
  return { badge, name: `Chat, ${messages}` };
}
