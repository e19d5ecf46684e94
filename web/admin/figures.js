/**
 * Figures in words, and what several of them are together.
 *
 * @module
 */

/** Of what is not known. */
export const UNKNOWN = "–";

/**
 * @param {number | undefined} bps bits per second
 * @returns {string} three digits or so
 */
export function bitrate(bps) {
  if (bps === undefined) return UNKNOWN;
  if (bps < 999_500) return `${Math.round(bps / 1000)} kbit/s`;
  const [value, unit] = bps < 999_500_000 ? [bps / 1e6, "Mbit/s"] : [bps / 1e9, "Gbit/s"];
  return `${value < 100 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

/** @param {number | undefined} share 0 to 1 */
export function percent(share) {
  if (share === undefined) return UNKNOWN;
  const value = share * 100;
  return `${value > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} %`;
}

/** @param {number | undefined} ms */
export function milliseconds(ms) {
  return ms === undefined ? UNKNOWN : `${ms} ms`;
}

/** @param {number | undefined} bytes */
export function megabytes(bytes) {
  return bytes === undefined ? UNKNOWN : `${Math.round(bytes / 1e6)} MB`;
}

/** @param {number} bytes of a file */
export function fileSize(bytes) {
  if (bytes < 1e6) return `${Math.ceil(bytes / 1e3)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

/** @param {number} ms how long something lasts */
export function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} days`;
}

/**
 * @param {number} count
 * @param {string} noun
 */
export function counted(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

/**
 * The sum of what is known.
 *
 * @param {Iterable<number | undefined>} values
 * @returns {number | undefined} nothing if nothing is known
 */
export function sum(values) {
  let total;
  for (const value of values) if (value !== undefined) total = (total ?? 0) + value;
  return total;
}

const QUALITIES = ["lost", "poor", "good", "excellent"];

/** From 0, the worst; unknown ones come last. */
export function qualityRank(quality) {
  const rank = QUALITIES.indexOf(quality);
  return rank < 0 ? QUALITIES.length : rank;
}

/** `screen_share_audio` in words. */
export function sourceWords(source) {
  const words = source.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** How somebody is called, and what tells it from others of the name. */
export function calledOf({ identity, name }) {
  return name === "" || name === identity ? identity : `${name} (${identity})`;
}
