import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { TransportWideCC } from "werift";
import {
  MAX_FEEDBACK_BYTES,
  MAX_FEEDBACK_STATUSES,
  NOT_RECEIVED,
  parseTransportFeedback,
  TransportFeedback,
  writeTransportFeedback,
} from "../../../lib/wire/transport_cc.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";

function feedbackOf(deltas: readonly number[], baseSequence = 65_530): TransportFeedback {
  const feedback = new TransportFeedback();
  feedback.baseSequence = baseSequence;
  feedback.referenceTime = 0x123456;
  feedback.feedbackCount = 200;
  feedback.statusCount = deltas.length;
  feedback.deltas.set(deltas);
  return feedback;
}

function written(feedback: TransportFeedback): Uint8Array {
  const out = new Uint8Array(MAX_FEEDBACK_BYTES + 3).fill(0xaa);
  const length = writeTransportFeedback(out, 3, feedback);
  assert.equal(length % 4, 0);
  return out.slice(3, 3 + length);
}

function randomDeltas(random: SeededRandom, count: number): number[] {
  const deltas: number[] = [];
  while (deltas.length < count) {
    const run = random.below(4) === 0 ? 1 + random.below(40) : 1;
    const kind = random.below(4);
    for (let i = 0; i < run && deltas.length < count; i++) {
      if (kind === 0) deltas.push(NOT_RECEIVED);
      else if (kind < 3) deltas.push(random.below(256));
      else deltas.push(random.below(0x10000) - 0x8000);
    }
  }
  return deltas;
}

Deno.test("writeTransportFeedback() gives the bytes of the draft for a small example", () => {
  // Received after 1 ms, lost, received 2 ms later: one run cannot hold it, one vector can.
  const bytes = written(feedbackOf([4, NOT_RECEIVED, 8], 10));
  assert.deepEqual([...bytes], [
    ...[0, 10, 0, 3, 0x12, 0x34, 0x56, 200],
    ...[0x80 | 0x28, 0x00], // one-bit vector 101…
    ...[4, 8],
  ]);
});

Deno.test("writeTransportFeedback() uses a run for many equal statuses", () => {
  const bytes = written(feedbackOf([1, ...new Array(100).fill(NOT_RECEIVED), 2], 0));
  assert.ok(bytes.length <= 8 + 3 * 2 + 2, `${bytes.length} bytes`);
});

Deno.test("parseTransportFeedback() reads back what was written, for random messages", () => {
  const random = new SeededRandom(77);
  for (let round = 0; round < 300; round++) {
    const deltas = randomDeltas(
      random,
      1 + random.below(round < 290 ? 120 : MAX_FEEDBACK_STATUSES),
    );
    const source = feedbackOf(deltas, random.below(0x10000));
    source.referenceTime = random.below(2 ** 24) - 2 ** 23;
    const bytes = written(source);
    const read = new TransportFeedback();
    assert.ok(parseTransportFeedback(bytes, 0, bytes.length, read));
    assert.equal(read.baseSequence, source.baseSequence);
    assert.equal(read.referenceTime, source.referenceTime);
    assert.equal(read.feedbackCount, 200);
    assert.deepEqual([...read.deltas.subarray(0, read.statusCount)], deltas);
  }
});

Deno.test("werift's TransportWideCC reads the same statuses and arrival times", () => {
  const random = new SeededRandom(78);
  for (let round = 0; round < 100; round++) {
    const deltas = randomDeltas(random, 1 + random.below(60));
    const fci = written(feedbackOf(deltas, 65_500));
    const data = Buffer.concat([Buffer.alloc(8), fci]);
    const parsed = TransportWideCC.deSerialize(
      data,
      // The parser takes only the length from the header.
      { length: data.length / 4, padding: false, count: 15, type: 205, version: 2 } as never,
    );
    assert.equal(parsed.baseSequenceNumber, 65_500);
    assert.equal(parsed.packetStatusCount, deltas.length);
    assert.equal(parsed.referenceTime, 0x123456);
    const arrived = deltas.filter((delta) => delta !== NOT_RECEIVED);
    assert.deepEqual(parsed.recvDeltas.map((d) => d.delta), arrived.map((delta) => delta * 250));
    // Its `packetResults` skip vectors, so the chunks are expanded here.
    const statuses = parsed.packetChunks.flatMap((chunk) =>
      "runLength" in chunk
        ? new Array<number>(chunk.runLength).fill(chunk.packetStatus)
        : [...chunk.symbolList]
    );
    assert.deepEqual(
      statuses.slice(0, deltas.length).map((status) => status !== 0),
      deltas.map((delta) => delta !== NOT_RECEIVED),
    );
  }
});

Deno.test("parseTransportFeedback() refuses what is cut short, reserved or too large", () => {
  const read = new TransportFeedback();
  const bytes = written(feedbackOf([4, 300, NOT_RECEIVED, 8, -5], 10));
  const needed = 8 + 2 + 1 + 2 + 1 + 2;
  for (let length = 0; length < needed; length++) {
    assert.equal(parseTransportFeedback(bytes, 0, length, read), false, `${length} bytes`);
  }
  const reserved = Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 0, 0x60, 0x01, 0, 0);
  assert.equal(parseTransportFeedback(reserved, 0, 12, read), false, "reserved status, as a run");
  const vector = Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 0, 0xf0, 0x00, 0, 0);
  assert.equal(parseTransportFeedback(vector, 0, 12, read), false, "reserved status in a vector");
  const large = Uint8Array.of(0, 0, 0xff, 0xff, 0, 0, 0, 0, 0x1f, 0xff, 0, 0);
  assert.equal(parseTransportFeedback(large, 0, 12, read), false, "65,535 statuses");
  const zeroRun = Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 0, 0x20, 0x00, 0, 0);
  assert.equal(parseTransportFeedback(zeroRun, 0, 12, read), false, "a run of nothing");
});
