import assert from "node:assert/strict";
import { figuresBetween, readCollections } from "../../../bench/collections.ts";

const TRACE = [
  "[17:0x55d994c96000]      100 ms: Scavenge 10.0 (20.0) -> 4.0 (20.0) MB, pooled: 1.0 MB, 1.50 / 0.00 ms (average mu = 1.000, current mu = 1.000) allocation failure; ",
  "not a trace line",
  "[17:0x55d994c97000]      150 ms: Scavenge 90.0 (99.0) -> 1.0 (99.0) MB, pooled: 1.0 MB, 99.00 / 0.00 ms (average mu = 1.000, current mu = 1.000) task; ",
  "[17:0x55d994c96000]      300 ms: Scavenge 12.0 (20.0) -> 5.0 (20.0) MB, 2.25 / 0.00 ms (average mu = 1.000, current mu = 1.000) allocation failure; ",
  "[17:0x55d994c96000]      500 ms: Mark-Compact (reduce) 9.0 (20.0) -> 3.5 (20.0) MB, pooled: 0.0 MB, 4.00 / 0.50 ms (+ 1.0 ms in 3 steps since start of marking) finalize incremental marking; ",
  "",
].join("\n");

Deno.test("readCollections() reads scavenges and mark-compacts and passes over the rest", () => {
  assert.deepEqual(
    readCollections(TRACE).map(({ atMs, beforeMb, afterMb, pauseMs }) => [
      atMs,
      beforeMb,
      afterMb,
      pauseMs,
    ]),
    [[100, 10, 4, 1.5], [150, 90, 1, 99], [300, 12, 5, 2.25], [500, 9, 3.5, 4]],
  );
});

Deno.test("readCollections() reads what this V8 writes", async () => {
  const source = "let kept = []; for (let i = 0; i < 3e5; i++) { kept.push({ i }); " +
    "if (i % 1e4 === 0) kept = []; } gc();";
  const flags = "--v8-flags=--trace-gc,--expose-gc,--max-semi-space-size=1";
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["eval", flags, source] })
    .output();
  const collections = readCollections(new TextDecoder().decode(stdout));
  assert.ok(collections.length > 0);
  for (const { atMs, beforeMb, afterMb, pauseMs } of collections) {
    assert.ok(atMs > 0 && beforeMb > 0 && afterMb > 0 && pauseMs >= 0 && pauseMs < 10_000);
  }
});

Deno.test("figuresBetween() takes the main isolate's collections inside the window only", () => {
  const figures = figuresBetween(readCollections(TRACE), 50, 550);
  assert.equal(figures.count, 3);
  assert.equal(figures.longestPauseMs, 4);
  assert.equal(figures.pausedShare, (1.5 + 2.25 + 4) / 500);
  // 8 MB up to the second collection and 4 up to the third, in 400 ms.
  assert.equal(figures.allocatedBytesPerMs, 12 * 2 ** 20 / 400);
  assert.equal(figuresBetween(readCollections(TRACE), 200, 400).count, 1);
  assert.equal(figuresBetween(readCollections(TRACE), 200, 400).allocatedBytesPerMs, undefined);
  assert.deepEqual(figuresBetween([], 0, 100), { count: 0, longestPauseMs: 0, pausedShare: 0 });
});
