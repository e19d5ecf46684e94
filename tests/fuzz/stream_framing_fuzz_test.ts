import assert from "node:assert/strict";
import { FrameSplitter } from "../../lib/wire/stream_framing.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";

const MAX = 64;

/** The same job with a growing array and no chunks: what the splitter must agree with. */
function naiveFrames(stream: Uint8Array): { frames: number[][]; isWhole: boolean } {
  const frames: number[][] = [];
  for (let at = 0; at + 2 <= stream.length;) {
    const length = stream[at]! * 256 + stream[at + 1]!;
    if (length > MAX) return { frames, isWhole: false };
    if (at + 2 + length > stream.length) break;
    if (length > 0) frames.push([...stream.slice(at + 2, at + 2 + length)]);
    at += 2 + length;
  }
  return { frames, isWhole: true };
}

Deno.test("FrameSplitter.push() agrees with a naive splitter on random streams and cuts", () => {
  for (const seed of [1, 4571, 0xdeadbeef]) {
    const random = new SeededRandom(seed);
    let broken = 0;
    for (let round = 0; round < 2000; round++) {
      // Mostly small lengths, so that streams go on for a while before they break.
      const stream = random.bytes(random.below(600)).map((b) => random.chance(0.9) ? b % 3 : b);
      const splitter = new FrameSplitter(MAX);
      const frames: number[][] = [];
      let isWhole = true;
      for (let at = 0; at < stream.length;) {
        const chunk = stream.slice(at, at + 1 + random.below(90));
        isWhole = splitter.push(chunk, chunk.length, (bytes, n) => {
          assert.ok(n <= MAX && bytes.length === MAX);
          frames.push([...bytes.subarray(0, n)]);
        });
        at += chunk.length;
      }
      if (!isWhole) broken++;
      assert.deepEqual({ frames, isWhole }, naiveFrames(stream), `seed ${seed} round ${round}`);
    }
    assert.ok(broken > 0 && broken < 2000);
  }
});
