/**
 * What people are called on the page.
 *
 * @module
 */

let ownName = "";

/**
 * What is shown for oneself where the token carries no name.
 *
 * @param {string} name
 */
export function setOwnName(name) {
  ownName = name;
}

/** @param {import("livekit-client").Participant} participant */
export function nameOf({ name, isLocal, identity }) {
  return name || (isLocal && ownName) || identity;
}
