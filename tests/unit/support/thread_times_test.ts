import assert from "node:assert/strict";
import {
  busySince,
  ownTime,
  readThreadTime,
  threadTimes,
  waitedSince,
} from "../../support/process/thread_times.ts";

Deno.test("readThreadTime() reads the time on a processor and the time without one", () => {
  assert.deepEqual(readThreadTime("2071297076 7979884792 5998\n"), {
    ranMs: 2_071.297076,
    waitedMs: 7_979.884792,
  });
});

Deno.test({
  name: "threadTimes() counts the work of this thread, and none of processes that have ended",
  ignore: Deno.build.os !== "linux",
  fn: () => {
    const before = threadTimes(Deno.pid);
    assert.ok(before.has(Deno.pid), "the main thread");
    const own = ownTime();
    let sum = 0;
    for (let i = 0; i < 3e7; i++) sum += Math.sqrt(i);
    assert.ok(sum > 0 && busySince(own) > 1, `${busySince(own)} ms`);
    assert.ok(waitedSince(before, Deno.pid) >= 0);
    const noProcess = 2 ** 22 + 1;
    assert.deepEqual(threadTimes(noProcess), new Map());
    assert.equal(waitedSince(before, noProcess), 0);
  },
});
