// @ts-check
/**
 * Who is seen at a time of a recording, and in which layout. Pure.
 *
 * @module
 */
import { isIn, isMuted, latest } from "./journal.js";

/**
 * @typedef {"grid" | "speaker" | "screen"} Layout
 * @typedef {object} Seen
 * @property {string} key
 * @property {"person" | "screen"} kind
 * @property {string} identity
 * @property {string} name
 * @property {import("./journal.js").MediaFile | undefined} file of the picture, if there is
 *   one now
 * @property {boolean} isMuted
 * @property {boolean} isSpeaking
 * @property {boolean} isPinned
 */

/** A speaker stays large so long after the last word, ms. */
const LAST_SPOKE_MS = 60_000;

/**
 * Everybody who is there, and the screens that are shared.
 *
 * @param {import("./journal.js").Journal} journal
 * @param {number} at ms
 * @param {string | undefined} pinned
 * @param {(file: import("./journal.js").MediaFile) => boolean} isDue
 * @returns {Seen[]}
 */
export function seenAt(journal, at, pinned, isDue) {
  const speaking = new Set(latest(journal.speakers, at)?.identities);
  /** @type {Seen[]} */
  const seen = [];
  for (const { identity, name, here } of journal.people.values()) {
    if (!isIn(here, at)) continue;
    const own = journal.files.filter((file) => file.identity === identity);
    const shown = (/** @type {string} */ source) =>
      own.findLast((file) =>
        file.kind === "video" && file.source === source && isDue(file) &&
        isIn(journal.published.get(file.place), at) && !isMuted(journal, file.place, at)
      );
    const person = { identity, name: name || identity };
    const isSpeaking = speaking.has(identity);
    const microphone = `${identity}/microphone/audio`;
    const isOff = !isIn(journal.published.get(microphone), at) || isMuted(journal, microphone, at);
    const screen = shown("screen_share");
    if (screen !== undefined) {
      const key = `screen:${identity}`;
      const facts = { isMuted: false, isSpeaking: false, isPinned: key === pinned };
      seen.push({ key, kind: "screen", ...person, file: screen, ...facts });
    }
    const key = `person:${identity}`;
    const facts = { isMuted: isOff, isSpeaking, isPinned: key === pinned };
    const file = shown("camera") ?? shown("unknown");
    seen.push({ key, kind: "person", ...person, file, ...facts });
  }
  return seen;
}

/**
 * Keys of what stands large and of what stands in the strip; in a grid nothing stands large.
 *
 * @param {readonly Seen[]} seen
 * @param {Layout} layout
 * @param {import("./journal.js").Journal} journal
 * @param {number} at ms
 * @returns {{ main: string[], strip: string[] }}
 */
export function planReplay(seen, layout, journal, at) {
  const main = chooseMain(seen, layout, journal, at);
  return { main, strip: seen.map(({ key }) => key).filter((key) => !main.includes(key)) };
}

/**
 * @param {readonly Seen[]} seen
 * @param {Layout} layout
 * @param {import("./journal.js").Journal} journal
 * @param {number} at
 * @returns {string[]}
 */
function chooseMain(seen, layout, journal, at) {
  const pinned = seen.filter(({ isPinned }) => isPinned);
  if (pinned.length > 0) return pinned.map(({ key }) => key);
  if (layout === "grid" || seen.length < 2) return [];
  const screens = seen.filter(({ kind }) => kind === "screen");
  if (layout === "screen" && screens.length > 0) return screens.map(({ key }) => key);
  const people = seen.filter(({ kind }) => kind === "person");
  const speaker = lastSpeaker(journal, at, new Set(people.map(({ identity }) => identity)));
  const large = people.find(({ identity }) => identity === speaker) ?? people[0];
  return large === undefined ? [] : [large.key];
}

/**
 * @param {import("./journal.js").Journal} journal
 * @param {number} at
 * @param {ReadonlySet<string>} here
 * @returns {string | undefined}
 */
function lastSpeaker({ speakers }, at, here) {
  const index = speakers.findLastIndex((change) => change.at <= at);
  for (let i = index; i >= 0; i--) {
    const change = /** @type {typeof speakers[number]} */ (speakers[i]);
    if (at - change.at > LAST_SPOKE_MS && i < index) return undefined;
    const speaker = change.identities.find((identity) => here.has(identity));
    if (speaker !== undefined) return speaker;
  }
  return undefined;
}
