/**
 * What the page tells: how the connection is, what went wrong, and what happens in the room. All of
 * it is seen and heard; the live regions are there from the start.
 *
 * @module
 */
import { button, element, make } from "./elements.js";

/** Long enough to read a line twice, ms. */
const TOAST_MS = 5000;
const MOST_TOASTS = 2;

/**
 * @param {string} id of a live region
 * @param {string} className
 * @param {string | undefined} words nothing to take the banner away
 * @param {{ words: string, act: () => void }} [action]
 */
function show(id, className, words, action) {
  const region = element(id);
  if (words === undefined) return region.replaceChildren();
  // Said again, the same words are news only if they come anew.
  const banner = make("div", className, make("p", "", words));
  if (action !== undefined) banner.append(button("quiet", action.words, action.act));
  region.replaceChildren(banner);
}

/**
 * How the connection is.
 *
 * @param {string | undefined} words nothing if it is well
 * @param {{ words: string, act: () => void }} [action]
 */
export function tellConnection(words, action) {
  show("connection-banner", "banner", words, action);
}

/**
 * What went wrong, until somebody has read it.
 *
 * @param {string | undefined} words nothing to take it back
 */
export function tellProblem(words) {
  show("problem-banner", "banner banner-problem", words, {
    words: "Dismiss",
    act: () => tellProblem(undefined),
  });
}

/**
 * That the browser plays no sound yet.
 *
 * @param {(() => void) | undefined} allow nothing if it plays
 */
export function tellSilence(allow) {
  const words = "Your browser holds the sound back until you allow it.";
  if (allow === undefined) show("sound-banner", "banner", undefined);
  else show("sound-banner", "banner", words, { words: "Turn sound on", act: allow });
}

/**
 * Something that passes: it is said politely and shown for a moment.
 *
 * @param {string} words
 * @param {string} [about] by which {@linkcode endMentions} finds it
 */
export function mention(words, about = "") {
  say(words);
  const toasts = element("toasts");
  const toast = make("p", "toast", words);
  toast.dataset.about = about;
  toasts.append(toast);
  while (toasts.childElementCount > MOST_TOASTS) toasts.firstElementChild.remove();
  setTimeout(() => toast.remove(), TOAST_MS);
}

/**
 * Shows no longer what is seen elsewhere now.
 *
 * @param {string} about
 */
export function endMentions(about) {
  for (const toast of element("toasts").querySelectorAll(`[data-about="${about}"]`)) toast.remove();
}

/**
 * For those who hear the page alone.
 *
 * @param {string} words
 */
export function say(words) {
  const line = make("span", "", `${words}. `);
  const region = element("spoken-status");
  region.append(line);
  setTimeout(() => line.remove(), TOAST_MS);
}
