import assert from "node:assert/strict";
import { FrameSplitter, writeFrameHeader } from "../../../lib/wire/stream_framing.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";

function framed(frames: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(frames.reduce((sum, frame) => sum + 2 + frame.length, 0));
  let at = 0;
  for (const frame of frames) {
    writeFrameHeader(out, at, frame.length);
    out.set(frame, at + 2);
    at += 2 + frame.length;
  }
  return out;
}

function collect(splitter: FrameSplitter, chunks: readonly Uint8Array[]) {
  const frames: Uint8Array[] = [];
  let isWhole = true;
  for (const chunk of chunks) {
    isWhole = splitter.push(chunk, chunk.length, (bytes, n) => frames.push(bytes.slice(0, n)));
  }
  return { frames, isWhole };
}

Deno.test("writeFrameHeader() writes the length in network order", () => {
  const out = new Uint8Array(4);
  writeFrameHeader(out, 1, 0x1234);
  assert.deepEqual(out, Uint8Array.of(0, 0x12, 0x34, 0));
});

Deno.test("FrameSplitter.push() finds the same frames however the stream is cut", () => {
  const random = new SeededRandom(4571);
  const frames = Array.from({ length: 40 }, () => random.bytes(1 + random.below(300)));
  const stream = framed(frames);
  for (let round = 0; round < 200; round++) {
    const chunks: Uint8Array[] = [];
    const largest = round === 0 ? 1 : 1 + random.below(800);
    for (let at = 0; at < stream.length;) {
      const size = 1 + random.below(largest);
      chunks.push(stream.slice(at, at + size));
      at += size;
    }
    const found = collect(new FrameSplitter(300), chunks);
    assert.equal(found.isWhole, true);
    assert.deepEqual(found.frames, frames);
  }
});

Deno.test("FrameSplitter.push() skips empty frames", () => {
  const one = Uint8Array.of(7);
  const { frames } = collect(new FrameSplitter(8), [
    framed([new Uint8Array(), one, new Uint8Array()]),
    framed([one]),
  ]);
  assert.deepEqual(frames, [one, one]);
});

Deno.test("FrameSplitter.push() takes the largest frame and gives up on one byte more", () => {
  const largest = new Uint8Array(64).fill(1);
  assert.deepEqual(collect(new FrameSplitter(64), [framed([largest])]).frames, [largest]);
  const splitter = new FrameSplitter(64);
  const over = collect(splitter, [framed([largest, new Uint8Array(65)])]);
  assert.equal(over.isWhole, false);
  assert.deepEqual(over.frames, [largest]);
  assert.deepEqual(collect(splitter, [framed([largest])]), { frames: [], isWhole: false });
});

Deno.test("FrameSplitter.push() reads no further than the length it is given", () => {
  const splitter = new FrameSplitter(8);
  const chunk = framed([Uint8Array.of(1), Uint8Array.of(2)]);
  const seen: number[] = [];
  splitter.push(chunk, 3, (bytes) => seen.push(bytes[0]!));
  assert.deepEqual(seen, [1]);
});
