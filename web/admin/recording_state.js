/**
 * What can be done with a recording, by what the server says of it.
 *
 * @module
 */

const RUNNING = ["EGRESS_STARTING", "EGRESS_ACTIVE"];
/** Those that failed are there up to where they failed; those that were aborted have nothing. */
const ENDED = ["EGRESS_COMPLETE", "EGRESS_LIMIT_REACHED", "EGRESS_FAILED"];

/** @param {{ status: string }} recording as `ListEgress` has it in JSON */
export function isRunning({ status }) {
  return RUNNING.includes(status);
}

/**
 * Whether `/replay` shows it: recordings of rooms, of which there is something.
 *
 * @param {{ status: string, room_composite?: object, file_results?: readonly object[] }} recording
 */
export function isWatchable({ status, room_composite: ofRoom, file_results: files = [] }) {
  return ofRoom !== undefined && ENDED.includes(status) && files.length > 0;
}
