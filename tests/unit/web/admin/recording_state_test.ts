/** What operators can do with recordings. */
import assert from "node:assert/strict";
import { isRunning, isWatchable } from "../../../../web/admin/recording_state.js";

const OF_ROOM = { room_composite: {}, file_results: [{}] };

Deno.test("recordings of rooms that have ended are watched, also those that failed", () => {
  for (const status of ["EGRESS_COMPLETE", "EGRESS_LIMIT_REACHED", "EGRESS_FAILED"]) {
    assert.equal(isWatchable({ status, ...OF_ROOM }), true, status);
    assert.equal(isWatchable({ status, file_results: [{}] }), false, `${status}, of no room`);
    assert.equal(isWatchable({ status, room_composite: {} }), false, `${status}, of nothing`);
    assert.equal(isRunning({ status }), false, status);
  }
  for (const status of ["EGRESS_STARTING", "EGRESS_ACTIVE"]) {
    assert.deepEqual([isWatchable({ status, ...OF_ROOM }), isRunning({ status })], [false, true]);
  }
  for (const status of ["EGRESS_ENDING", "EGRESS_ABORTED"]) {
    assert.deepEqual([isWatchable({ status, ...OF_ROOM }), isRunning({ status })], [false, false]);
  }
});
