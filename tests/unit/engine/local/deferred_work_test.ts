import assert from "node:assert/strict";
import { DeferredWork } from "../../../../lib/engine/local/deferred_work.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

/** Deferred work whose steps say how long they take, on a clock that only they move. */
function world() {
  const platform = new VirtualPlatform();
  let nowUs = 0;
  const failures: unknown[] = [];
  const work = new DeferredWork(
    { nowUs: () => nowUs },
    platform.timers,
    (error) => failures.push(error),
  );
  const done: string[] = [];
  const step = (name: string, stepUs: number) => () => {
    nowUs += stepUs;
    done.push(name);
  };
  return { work, done, step, failures, platform };
}

Deno.test("DeferredWork.run() stops when its time is over, and goes on in the next turn", () => {
  const { work, done, step, platform } = world();
  for (const name of ["a", "b", "c", "d"]) work.defer(step(name, 900));
  assert.deepEqual(done, [], "nothing runs within the call that defers it");
  work.run();
  assert.deepEqual(done, ["a", "b", "c"], "the step during which the time is over is finished");
  assert.equal(work.length, 1);
  platform.advance(1);
  assert.deepEqual(done, ["a", "b", "c", "d"]);
  assert.equal(work.length, 0);
});

Deno.test("DeferredWork runs by itself while nothing is received", () => {
  const { work, done, step, platform } = world();
  for (const name of ["a", "b"]) work.defer(step(name, 5_000));
  platform.advance(1);
  assert.deepEqual(done, ["a", "b"], "turn after turn");
  assert.equal(platform.pendingTimers, 0);
});

Deno.test("DeferredWork runs what a step defers behind everything before it", () => {
  const { work, done, step } = world();
  work.defer(() => work.defer(step("late", 1)));
  work.defer(step("early", 1));
  work.run();
  assert.deepEqual(done, ["early", "late"]);
});

Deno.test("DeferredWork tells of a step that throws, and runs the others", () => {
  const { work, done, step, failures } = world();
  const error = new Error("a bug");
  work.defer(() => {
    throw error;
  });
  work.defer(step("b", 1));
  work.run();
  assert.deepEqual(failures, [error]);
  assert.deepEqual(done, ["b"]);
});

Deno.test("DeferredWork.close() drops what waits and leaves no timer", () => {
  const { work, done, step, platform } = world();
  work.defer(step("a", 1));
  work.close();
  assert.equal(platform.pendingTimers, 0);
  work.run();
  assert.deepEqual(done, []);
});
