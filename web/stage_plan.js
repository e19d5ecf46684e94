// @ts-check
/**
 * Who stands in the spotlight, who beside it, and who is left out where there is no room for all.
 * Pure.
 *
 * @module
 */

/**
 * @typedef {object} StageMember a tile that somebody could see
 * @property {string} key
 * @property {"person" | "screen"} kind
 * @property {boolean} isOwn
 * @property {number} spokeAt when it was last heard, ms; 0 if never
 */

/** A new speaker is shown only after the last one has had so long, ms: coughs change nothing. */
const SPEAKER_HOLDS_MS = 1500;

/**
 * Tiles of the spotlight and of the strip, as keys. In a grid the spotlight is empty.
 *
 * @param {readonly StageMember[]} members in the order in which they came
 * @param {{ view: "grid" | "speaker", pinned?: string | undefined, speaker?: string | undefined }}
 *   wishes `speaker` is whom {@linkcode chooseSpeaker} says
 * @returns {{ main: string[], strip: string[] }}
 */
export function planStage(members, { view, pinned, speaker }) {
  const main = chooseMain(members, { view, pinned, speaker });
  const keys = members.map(({ key }) => key);
  return { main, strip: keys.filter((key) => !main.includes(key)) };
}

/**
 * @param {readonly StageMember[]} members
 * @param {{ view: "grid" | "speaker", pinned?: string | undefined, speaker?: string | undefined }}
 *   wishes
 * @returns {string[]}
 */
function chooseMain(members, { view, pinned, speaker }) {
  if (members.some(({ key }) => key === pinned)) return [/** @type {string} */ (pinned)];
  // Whoever shares a screen looks at it already.
  const screens = members.filter(({ kind, isOwn }) => kind === "screen" && !isOwn);
  if (screens.length > 0) return screens.map(({ key }) => key);
  if (view === "grid" || members.length < 2) return [];
  return members.some(({ key }) => key === speaker) ? [/** @type {string} */ (speaker)] : [];
}

/**
 * Whom to show large when nobody chose: who spoke last of the others, the first of them at first.
 *
 * @param {readonly StageMember[]} members
 * @param {{ key: string | undefined, since: number }} current whom it shows now
 * @param {number} now ms, of the clock of `spokeAt`
 * @returns {string | undefined}
 */
export function chooseSpeaker(members, current, now) {
  const people = members.filter(({ kind }) => kind === "person");
  const others = people.filter(({ isOwn }) => !isOwn);
  const shown = others.find(({ key }) => key === current.key);
  if (shown !== undefined && now - current.since < SPEAKER_HOLDS_MS) return shown.key;
  const latest = others.reduce(
    (best, member) => member.spokeAt > (best?.spokeAt ?? 0) ? member : best,
    shown,
  );
  return (latest ?? others[0] ?? people[0])?.key;
}

/**
 * Which tiles are shown where there is room for some only: one's own, those heard last, those who
 * came first. They keep their order.
 *
 * @param {readonly string[]} keys
 * @param {readonly StageMember[]} members
 * @param {number} room
 * @returns {string[]}
 */
export function chooseShown(keys, members, room) {
  if (keys.length <= room) return [...keys];
  const byKey = new Map(members.map((member) => [member.key, member]));
  const weight = (/** @type {string} */ key) => {
    const member = byKey.get(key);
    if (member === undefined) return 0;
    if (member.isOwn && member.kind === "person") return Infinity;
    return member.spokeAt;
  };
  const ranked = keys.map((key, index) => ({ key, index }))
    .sort((a, b) => {
      const difference = weight(b.key) - weight(a.key);
      return Number.isNaN(difference) || difference === 0 ? a.index - b.index : difference;
    });
  const shown = new Set(ranked.slice(0, room).map(({ key }) => key));
  return keys.filter((key) => shown.has(key));
}
