/** LiveKit's tests of redundant audio, taken apart for subscribers that know only opus, and made. */
import assert from "node:assert/strict";
import type { CodecParameters } from "../../lib/base/media_vocabulary.ts";
import { RedPayload } from "../../lib/wire/red_payload.ts";
import {
  audioPair,
  codec,
  type RecordingSink,
  viewOf,
} from "../support/media/forwarding_fixtures.ts";
import { redundantPayload } from "../support/media/redundant_payload.ts";
import { rtpPacket } from "../support/media/rtp_packets.ts";
import { unitScenario } from "./support.ts";

const OPUS = codec("audio/opus", 111);
const RED = codec("audio/red", 63, undefined, "111/111");
const FRAME_TICKS = 960;

/** A packet that comes: its number is its frame. */
interface Arrival {
  readonly number: number;
  readonly timestamp: number;
  readonly payload: Uint8Array;
}

/** Sends packets of one codec to a subscriber of some, and says what came out. */
function forwarded(
  published: CodecParameters,
  accepted: readonly CodecParameters[],
  arrivals: readonly Arrival[],
): RecordingSink {
  const { up, sink } = audioPair(published, accepted);
  for (const { number, timestamp, payload } of arrivals) {
    const { payloadType } = published;
    const fields = { ssrc: 1000, payloadType, sequenceNumber: number, timestamp, payload };
    up.receive(0, viewOf(rtpPacket(fields)), number * 20);
  }
  return sink;
}

/**
 * Sends the packets `arrivals` names, each with copies of the two frames before it, to a subscriber
 * that knows only opus; frames are their own numbers.
 *
 * @returns What came out: number and frame.
 */
function unwrapped(arrivals: readonly number[]): readonly (readonly [number, number])[] {
  const packets = arrivals.map((n) => {
    const copies = [1, 2].map((back) => ({ age: back * FRAME_TICKS, frame: [(n - back) & 0xff] }));
    const payload = redundantPayload([n & 0xff], copies);
    return { number: n, timestamp: n * FRAME_TICKS, payload };
  });
  return forwarded(RED, [OPUS], packets).packets.map((bytes) => {
    const view = viewOf(bytes);
    assert.equal(view.payloadType, 111);
    assert.equal(view.payloadLength, 1);
    assert.equal(view.timestamp, view.sequenceNumber * FRAME_TICKS);
    return [view.sequenceNumber, bytes[view.payloadOffset]!] as const;
  });
}

/** Payloads that a subscriber of RED gets for bare frames. */
function wrapped(arrivals: readonly Arrival[]): readonly Uint8Array[] {
  return forwarded(OPUS, [RED, OPUS], arrivals).views.map((view) => {
    assert.equal(view.payloadType, 63);
    return view.bytes.slice(view.payloadOffset);
  });
}

const bare = (number: number, bytes = 1, timestamp = number * FRAME_TICKS): Arrival => ({
  number,
  timestamp,
  payload: new Uint8Array(bytes).fill(number),
});

/** What a frame of some bytes with copies of frames before it is. */
function expected(number: number, back: readonly number[], bytes = 1): Uint8Array {
  const frame = (n: number) => Array<number>(bytes).fill(n);
  const copies = back.map((n) => ({ age: n * FRAME_TICKS, frame: frame(number - n) }));
  return redundantPayload(frame(number), copies);
}

unitScenario("TestRedReceiver", async (t) => {
  await t.step("two redundant blocks, as soon as there are two", () => {
    assert.deepEqual(wrapped([bare(10), bare(11), bare(12), bare(13)]), [
      expected(10, []),
      expected(11, [1]),
      expected(12, [1, 2]),
      expected(13, [1, 2]),
    ]);
  });
  await t.step("after a loss nothing from before it", () => {
    assert.deepEqual(wrapped([bare(10), bare(11), bare(13), bare(14)]).slice(2), [
      expected(13, []),
      expected(14, [1]),
    ]);
  });
  await t.step("out of order each with what was before it", () => {
    assert.deepEqual(wrapped([bare(10), bare(12), bare(11), bare(13)]), [
      expected(10, []),
      expected(12, []),
      expected(11, [1]),
      expected(13, [1, 2]),
    ]);
  });
  await t.step("no more than fits into a packet", () => {
    const payloads = wrapped([10, 11, 12].map((n) => bare(n, 400)));
    assert.deepEqual(payloads[2], expected(12, [1], 400));
    assert.deepEqual(wrapped([bare(10, 1_024), bare(11)])[1], expected(11, []));
  });
  await t.step("nothing that is too old to say so", () => {
    const payloads = wrapped([bare(10, 1, 0), bare(11, 1, 1 << 14)]);
    assert.deepEqual(payloads[1], expected(11, []));
  });
});

unitScenario("TestRedPrimaryReceiver", async (t) => {
  const frames = (numbers: readonly number[]) => numbers.map((n) => [n, n & 0xff]);
  await t.step("every packet comes", () => {
    assert.deepEqual(unwrapped([10, 11, 12, 13]), frames([10, 11, 12, 13]));
  });
  await t.step("one and two lost in a row are recovered, of three one is not", () => {
    assert.deepEqual(unwrapped([10, 12]), frames([10, 11, 12]));
    assert.deepEqual(unwrapped([10, 13]), frames([10, 11, 12, 13]));
    assert.deepEqual(unwrapped([10, 14]), frames([10, 12, 13, 14]));
  });
  await t.step("out of order, and twice, each frame comes once", () => {
    assert.deepEqual(unwrapped([10, 12, 11, 11, 13]), frames([10, 11, 12, 13]));
  });
});

unitScenario("TestExtractPrimaryEncodingForRED", () => {
  const red = new RedPayload();
  const bytes = redundantPayload([7, 8, 9], [{ age: 960, frame: [5, 6] }]);
  assert.ok(red.parse(bytes, 0, bytes.length));
  const { primaryOffset, primaryLength } = red;
  assert.deepEqual([...bytes.subarray(primaryOffset, primaryOffset + primaryLength)], [7, 8, 9]);
  assert.equal(red.parse(bytes, 0, 3), false, "a header that is cut off");
  assert.equal(red.parse(bytes, 0, 6), false, "a copy that is cut off");
});
