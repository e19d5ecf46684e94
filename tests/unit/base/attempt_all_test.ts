import assert from "node:assert/strict";
import { attemptAll } from "../../../lib/base/attempt_all.ts";

Deno.test("attemptAll() takes every step in order and tells each throw", () => {
  const done: string[] = [];
  const failed: unknown[] = [];
  const broken = new Error("broken");
  const steps = [
    () => void done.push("first"),
    () => {
      throw broken;
    },
    () => void done.push("last"),
  ];
  attemptAll(steps, (error) => failed.push(error));
  assert.deepEqual(done, ["first", "last"]);
  assert.deepEqual(failed, [broken]);
});
