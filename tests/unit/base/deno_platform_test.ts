import assert from "node:assert/strict";
import { denoPlatform } from "../../../lib/base/deno_platform.ts";

const RUNTIME_LIMIT_MS = 2 ** 31 - 1;

/** The runtime's timers as a list: nothing fires but by `fire`. */
function withRecordedTimers(test: (timers: RecordedTimers) => void): void {
  const { setTimeout, clearTimeout } = globalThis;
  const timers = new RecordedTimers();
  const set = (callback: () => void, delayMs: number) => timers.set(callback, delayMs);
  Object.assign(globalThis, { setTimeout: set, clearTimeout: (id: number) => timers.clear(id) });
  try {
    test(timers);
  } finally {
    Object.assign(globalThis, { setTimeout, clearTimeout });
  }
}

class RecordedTimers {
  readonly delays: number[] = [];
  #pending = new Map<number, () => void>();

  get pending(): number {
    return this.#pending.size;
  }

  set(callback: () => void, delayMs: number): number {
    this.delays.push(delayMs);
    this.#pending.set(this.delays.length, callback);
    return this.delays.length;
  }

  clear(id: number): void {
    this.#pending.delete(id);
  }

  fire(): void {
    const due = [...this.#pending.values()];
    this.#pending.clear();
    for (const callback of due) callback();
  }
}

Deno.test("denoPlatform() waits longer than one timer of the runtime can, without firing early", () => {
  withRecordedTimers((timers) => {
    const delayMs = 2 * RUNTIME_LIMIT_MS + 5;
    let fired = 0;
    denoPlatform().timers.after(delayMs, () => fired++);
    for (let rounds = 0; fired === 0 && rounds < 10; rounds++) timers.fire();
    assert.equal(fired, 1);
    assert.equal(timers.delays.reduce((sum, delay) => sum + delay), delayMs);
    assert.ok(timers.delays.every((delay) => delay <= RUNTIME_LIMIT_MS));
    assert.equal(timers.pending, 0);
  });
});

Deno.test("denoPlatform() cancels a long timer in any part of its wait", () => {
  withRecordedTimers((timers) => {
    let fired = 0;
    const cancel = denoPlatform().timers.after(RUNTIME_LIMIT_MS + 1, () => fired++);
    timers.fire();
    assert.equal(timers.pending, 1);
    cancel();
    timers.fire();
    assert.equal(fired, 0);
  });
});
