/**
 * What somebody wrote, with its links, as nodes of a page.
 *
 * @module
 */
import { splitLinks } from "./chat_text.js";
import { make } from "./elements.js";

/** @param {string} text @returns {Node[]} links open in a tab of their own that learns nothing */
export function linkedText(text) {
  return splitLinks(text).map(partOf);
}

/** @param {import("./chat_text.js").TextPart} part @returns {Node} */
function partOf({ text, href }) {
  if (href === undefined) return document.createTextNode(text);
  const link = make("a", "", text);
  link.href = href;
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  return link;
}
