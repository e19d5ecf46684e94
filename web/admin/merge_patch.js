/**
 * Makes a state of a snapshot and merge patches (RFC 7396).
 *
 * @module
 */

/**
 * @param {unknown} target not changed
 * @param {unknown} patch `null` for members that are gone
 * @returns {unknown}
 */
export function applyMergePatch(target, patch) {
  if (!isObject(patch)) return patch;
  const made = new Map(Object.entries(isObject(target) ? target : {}));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) made.delete(name);
    else made.set(name, applyMergePatch(made.get(name), value));
  }
  return Object.fromEntries(made);
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
