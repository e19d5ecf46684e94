import assert from "node:assert/strict";
import { type Load, runTogether } from "../../support/process/runs_together.ts";

interface Named extends Load {
  readonly name: string;
}

/** Runs that end when the test says so. */
class Runs {
  readonly begun: string[] = [];
  readonly #ends = new Map<string, { ok: () => void; fail: (error: Error) => void }>();

  readonly run = ({ name }: Named): Promise<string> => {
    this.begun.push(name);
    return new Promise((resolve, reject) => {
      this.#ends.set(name, { ok: () => resolve(name), fail: reject });
    });
  };

  async end(name: string): Promise<void> {
    this.#ends.get(name)!.ok();
    await settled();
  }

  async fail(name: string): Promise<void> {
    this.#ends.get(name)!.fail(new Error(name));
    await settled();
  }
}

/** Until everything has been done that waits for nothing else. */
const settled = () => new Promise((resolve) => setTimeout(resolve));

const busy = (name: string, seconds: number): Named => ({ name, seconds, waits: false });
const idle = (name: string, seconds: number): Named => ({ name, seconds, waits: true });

Deno.test("runTogether() begins the longest first, and no more at once than there is room for", async () => {
  const runs = new Runs();
  const loads = [busy("a", 1), busy("b", 3), busy("c", 2), busy("d", 2)];
  const ended = runTogether(loads, { any: 2, waiting: 1 }, runs.run);
  await settled();
  assert.deepEqual(runs.begun, ["b", "c"]);
  await runs.end("c");
  assert.deepEqual(runs.begun, ["b", "c", "d"]);
  await runs.end("b");
  assert.deepEqual(runs.begun, ["b", "c", "d", "a"]);
  await runs.end("a");
  await runs.end("d");
  assert.deepEqual(await ended, ["c", "b", "a", "d"]);
});

Deno.test("runTogether() has more room for those that wait, who take that of others last", async () => {
  const runs = new Runs();
  const loads = [idle("w", 9), idle("x", 8), busy("a", 3), busy("b", 2), idle("y", 1)];
  const ended = runTogether(loads, { any: 1, waiting: 1 }, runs.run);
  await settled();
  assert.deepEqual(runs.begun, ["a", "w"]);
  await runs.end("a");
  assert.deepEqual(runs.begun, ["a", "w", "b"]);
  await runs.end("w");
  assert.deepEqual(runs.begun, ["a", "w", "b", "x"]);
  await runs.end("b");
  assert.deepEqual(runs.begun, ["a", "w", "b", "x", "y"]);
  await runs.end("x");
  await runs.end("y");
  assert.deepEqual(await ended, ["a", "w", "b", "x", "y"]);
});

Deno.test("runTogether() begins nothing after a failure, and waits for what runs", async () => {
  const runs = new Runs();
  const loads = [busy("a", 3), busy("b", 2), busy("c", 1)];
  let isOver = false;
  const ended = runTogether(loads, { any: 2, waiting: 0 }, runs.run)
    .finally(() => isOver = true);
  const refused = assert.rejects(ended, /^Error: b$/);
  await settled();
  await runs.fail("b");
  assert.equal(isOver, false);
  await runs.end("a");
  await refused;
  assert.deepEqual(runs.begun, ["a", "b"]);
});

Deno.test("runTogether() has nothing to give where there is nothing to run", async () => {
  const none = await runTogether([], { any: 2, waiting: 1 }, () => Promise.resolve(1));
  assert.deepEqual(none, []);
});
