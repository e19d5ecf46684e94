import assert from "node:assert/strict";
import { guardedTimers, WakeTimer } from "../../../lib/base/wake_timer.ts";
import { VirtualPlatform } from "../../support/virtual/virtual_platform.ts";

Deno.test("WakeTimer runs once at the time it was given last", () => {
  const platform = new VirtualPlatform();
  const runs: number[] = [];
  const timer = new WakeTimer(platform, (now) => runs.push(now));
  timer.set(100);
  timer.set(50);
  timer.set(80); // later: the earlier timer asks again
  platform.advance(79);
  assert.deepEqual(runs, []);
  platform.advance(100);
  assert.deepEqual(runs, [80]);
  assert.equal(timer.isSet, false);
  assert.equal(platform.pendingTimers, 0);
});

Deno.test("WakeTimer.atMost() only brings the time forward", () => {
  const platform = new VirtualPlatform();
  const runs: number[] = [];
  const timer = new WakeTimer(platform, (now) => runs.push(now));
  timer.atMost(40);
  timer.atMost(90);
  platform.advance(100);
  assert.deepEqual(runs, [40]);
});

Deno.test("WakeTimer puts times off to its grain, and plans anew from within a run", () => {
  const platform = new VirtualPlatform();
  const runs: number[] = [];
  const timer: WakeTimer = new WakeTimer(platform, (now) => {
    runs.push(now);
    if (runs.length < 3) timer.set(now + 1);
  }, 10);
  timer.set(3);
  platform.advance(100);
  assert.deepEqual(runs, [10, 20, 30]);
});

Deno.test("WakeTimer takes a finer grain for one time alone", () => {
  const platform = new VirtualPlatform();
  const runs: number[] = [];
  const timer = new WakeTimer(platform, (now) => runs.push(now), 10);
  timer.set(3, 5);
  platform.advance(7);
  timer.set(13);
  platform.advance(100);
  assert.deepEqual(runs, [5, 20]);
});

Deno.test("WakeTimer.atMost() takes another grain for one time alone", () => {
  const platform = new VirtualPlatform();
  const runs: number[] = [];
  const from = platform.clock.now();
  const timer = new WakeTimer(platform, (now) => void runs.push(now), 10);
  const gridAt = Math.ceil((from + 120) / 50) * 50;
  timer.atMost(gridAt - 43, 50);
  timer.atMost(gridAt - 1, 50);
  platform.advance(gridAt - 1 - from);
  assert.deepEqual(runs, []);
  platform.advance(1);
  assert.deepEqual(runs, [gridAt]);
  timer.atMost(gridAt + 43, 50);
  timer.atMost(gridAt + 13);
  platform.advance(100);
  assert.deepEqual(runs, [gridAt, gridAt + 20]);
});

Deno.test("WakeTimer.stop() and a time of Infinity leave no timer behind", () => {
  const platform = new VirtualPlatform();
  const timer = new WakeTimer(platform, () => assert.fail("ran"));
  timer.set(10);
  timer.stop();
  timer.set(10);
  timer.set(Infinity);
  timer.set(10);
  timer.set(undefined);
  assert.equal(platform.pendingTimers, 0);
  platform.advance(100);
});

Deno.test("WakeTimer is not planned again for a time that is not sooner", () => {
  const platform = new VirtualPlatform();
  let set = 0;
  const { clock, timers } = platform;
  const counting = {
    clock,
    timers: {
      after(delayMs: number, callback: () => void) {
        set++;
        return timers.after(delayMs, callback);
      },
    },
  };
  const timer = new WakeTimer(counting, () => {});
  for (let at = 100; at < 200; at++) timer.set(at);
  assert.equal(set, 1);
});

Deno.test("guardedTimers() gives a throw to its owner, and only that", () => {
  const platform = new VirtualPlatform();
  const failures: unknown[] = [];
  const timers = guardedTimers(platform.timers, (error) => failures.push(error));
  const broken = new Error("broken");
  const done: string[] = [];
  timers.after(10, () => {
    throw broken;
  });
  timers.after(10, () => void done.push("other"));
  timers.after(20, () => void done.push("cancelled"))();
  platform.advance(30);
  assert.deepEqual(failures, [broken]);
  assert.deepEqual(done, ["other"]);
});
