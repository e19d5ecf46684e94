// @ts-check
/**
 * What becomes of a call that has ended: over for good, or tried again and when. Pure.
 *
 * @module
 */

/** Waits before the first tries, ms. */
const WAITS_MS = [1000, 2000, 4000, 8000];
/** Before all that follow. */
const LONGEST_WAIT_MS = 15_000;

/** Endings that somebody meant; whoever comes back by itself after them does wrong. */
const MEANT = new Set([
  "CLIENT_INITIATED",
  "DUPLICATE_IDENTITY",
  "PARTICIPANT_REMOVED",
  "ROOM_DELETED",
  "ROOM_CLOSED",
  "USER_REJECTED",
  "USER_UNAVAILABLE",
]);

/**
 * Whether to come back by oneself.
 *
 * @param {string | undefined} reason name of a `DisconnectReason` of the LiveKit protocol
 * @returns {boolean}
 */
export function comesBack(reason) {
  return reason === undefined || !MEANT.has(reason);
}

/**
 * @param {number} tries that have failed already
 * @returns {number} ms until the next one
 */
export function waitBeforeTry(tries) {
  return WAITS_MS[tries] ?? LONGEST_WAIT_MS;
}

/**
 * Whether another try can change anything.
 *
 * @param {{ status?: number | undefined }} failure HTTP status of the refusal, if there was one
 * @returns {boolean}
 */
export function isWorthAnotherTry({ status }) {
  return status === undefined || status === 429 || status >= 500 || status === 200;
}
