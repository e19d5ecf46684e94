import assert from "node:assert/strict";
import { type Amf0Value, decodeAmf0, encodeAmf0 } from "../../../lib/wire/amf0.ts";
import { avcUnits, readAvcConfig } from "../../../lib/wire/avc_config.ts";
import { readAudioTag, readVideoTag } from "../../../lib/wire/flv_tags.ts";
import {
  RtmpChunkReader,
  type RtmpMessage,
  writeRtmpMessage,
} from "../../../lib/wire/rtmp_chunks.ts";
import {
  avcFrame,
  avcStart,
  opusFrame,
  opusStart,
  PPS,
  SPS,
} from "../../support/wire/rtmp_encoder.ts";

/** Messages of these bytes, and the fault that ended them. */
function read(...pieces: Uint8Array[]): { messages: RtmpMessage[]; fault: string | undefined } {
  const reader = new RtmpChunkReader();
  const messages: RtmpMessage[] = [];
  for (const piece of pieces) reader.push(piece, (message) => messages.push(message));
  return { messages, fault: reader.fault };
}

Deno.test("AMF0 reads what encoders write, and no more parts or depth than are sensible", () => {
  // §2.2 to §2.13: number, boolean, string, object, null, undefined, array, date.
  const bytes = Uint8Array.from([
    ...[0, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0],
    ...[1, 1],
    ...[2, 0, 2, 0x68, 0x69],
    ...[3, 0, 1, 0x61, 5, 0, 0, 9],
    ...[8, 0, 0, 0, 9, 0, 1, 0x62, 6, 0, 0, 9],
    ...[10, 0, 0, 0, 1, 1, 0],
    ...[11, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ...[12, 0, 0, 0, 1, 0x7a],
  ]);
  assert.deepEqual(decodeAmf0(bytes), [
    1,
    true,
    "hi",
    new Map([["a", null]]),
    new Map([["b", null]]),
    [false],
    2,
    "z",
  ]);
  let deep: Amf0Value = 1;
  for (let i = 0; i < 12; i++) deep = new Map([["x", deep]]);
  assert.equal(decodeAmf0(encodeAmf0([deep])), undefined);
  assert.equal(decodeAmf0(encodeAmf0(new Array(600).fill(1))), undefined);
  assert.equal(decodeAmf0(Uint8Array.of(10, 0xff, 0xff, 0xff, 0xff)), undefined);
  assert.equal(decodeAmf0(Uint8Array.of(12, 0xff, 0xff, 0xff, 0xff, 1)), undefined);
  for (let end = 1; end < bytes.length; end++) decodeAmf0(bytes.subarray(0, end));
});

Deno.test("RTMP's four forms of chunk headers continue each other", () => {
  const chunk = (...bytes: number[]) => Uint8Array.from(bytes);
  const { messages, fault } = read(
    // Whole header: time 1000, 2 bytes, audio, stream 1 (little-endian).
    chunk(0x04, 0, 0x03, 0xe8, 0, 0, 2, 8, 1, 0, 0, 0, 1, 2),
    // Without the stream: 20 later, 1 byte.
    chunk(0x44, 0, 0, 20, 0, 0, 1, 8, 3),
    // Time alone: 10 later.
    chunk(0x84, 0, 0, 10, 4),
    // Nothing: as much later again.
    chunk(0xc4, 5),
  );
  assert.equal(fault, undefined);
  assert.deepEqual(
    messages.map(({ timestamp, streamId, payload }) => [timestamp, streamId, ...payload]),
    [
      [1000, 1, 1, 2],
      [1020, 1, 3],
      [1030, 1, 4],
      [1040, 1, 5],
    ],
  );
});

Deno.test("RTMP's chunks take turns, in two- and three-byte numbers, and after another size", () => {
  const long = new Uint8Array(300).map((_, i) => i);
  const first = writeRtmpMessage(5, { type: 9, streamId: 1, timestamp: 7, payload: long });
  const other = Uint8Array.of(0x00, 6, 0, 0, 1, 0, 0, 1, 8, 1, 0, 0, 0, 99);
  const far = Uint8Array.of(0x01, 0, 1, 0, 0, 1, 0, 0, 1, 8, 1, 0, 0, 0, 98);
  const cut = 12 + 128;
  const size = writeRtmpMessage(2, {
    type: 1,
    streamId: 0,
    timestamp: 0,
    payload: Uint8Array.of(0, 0, 1, 0),
  });
  const larger = writeRtmpMessage(
    5,
    { type: 9, streamId: 1, timestamp: 0x1000000, payload: long },
    256,
  );
  const { messages, fault } = read(
    first.subarray(0, cut),
    other,
    far,
    first.subarray(cut),
    size,
    larger,
  );
  assert.equal(fault, undefined);
  assert.deepEqual(messages.map(({ payload }) => payload.length), [1, 1, 300, 300]);
  assert.deepEqual(messages[3]!.payload, long);
  assert.equal(messages[3]!.timestamp, 0x1000000, "an extended time");
});

Deno.test("RTMP's faults: what breaks the rules, or would take too much", () => {
  const header = (stream: number, length: number, type: number) =>
    Uint8Array.of(
      stream,
      0,
      0,
      0,
      length >> 16,
      (length >> 8) & 0xff,
      length & 0xff,
      type,
      0,
      0,
      0,
      0,
    );
  assert.match(read(Uint8Array.of(0xc4)).fault!, /continues nothing/);
  assert.match(read(header(4, 0x500000, 9)).fault!, /too long/);
  assert.match(read(header(4, 0x20000, 20)).fault!, /too long/);
  assert.match(read(header(4, 1000, 9), new Uint8Array(128), header(4, 5, 9)).fault!, /within/);
  const zero = writeRtmpMessage(2, {
    type: 1,
    streamId: 0,
    timestamp: 0,
    payload: new Uint8Array(4),
  });
  assert.match(read(zero).fault!, /chunk size/);
  const many = Array.from({ length: 17 }, (_, i) => [header(4 + i, 1000, 9), new Uint8Array(128)]);
  assert.match(read(...many.flat()).fault!, /too many chunk streams/);
  // Three pictures of 4 MB at a time.
  const big = Array.from({ length: 3 }, (_, i) => header(10 + i, 4_000_000, 9));
  const reader = new RtmpChunkReader();
  const size = Uint8Array.of(0x02, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0x3d, 0, 0);
  reader.push(size, () => {});
  for (const one of big) {
    // Chunks of 3,997,696 bytes: none is whole.
    reader.push(one, () => {});
    reader.push(new Uint8Array(3_997_696), () => {});
  }
  assert.match(reader.fault!, /under way/);
});

Deno.test("FLV's tags, those of enhanced RTMP among them", () => {
  const start = readVideoTag(avcStart())!;
  assert.deepEqual([start.codec, start.part, start.isKey], ["avc1", "config", true]);
  const frame = readVideoTag(avcFrame(false, 10, -40))!;
  assert.deepEqual([frame.codec, frame.part, frame.isKey, frame.compositionMs], [
    "avc1",
    "frame",
    false,
    -40,
  ]);
  const letters = (words: string) => [...new TextEncoder().encode(words)];
  const av1 = readVideoTag(Uint8Array.from([0x91, ...letters("av01"), 9]))!;
  assert.deepEqual([av1.codec, av1.part, av1.isKey, ...av1.data], ["av01", "frame", true, 9]);
  const hevc = readVideoTag(Uint8Array.from([0xa1, ...letters("hvc1"), 0, 0, 33, 9]))!;
  assert.deepEqual([hevc.codec, hevc.compositionMs, hevc.isKey], ["hvc1", 33, false]);
  assert.equal(readVideoTag(Uint8Array.of(0x12))!.codec, "video 2");
  assert.equal(readVideoTag(Uint8Array.of(0x17, 1)), undefined);
  const opus = readAudioTag(opusFrame(3))!;
  assert.deepEqual([opus.codec, opus.part, opus.data.length], ["opus", "frame", 3]);
  assert.equal(readAudioTag(opusStart())!.data[9], 2);
  assert.deepEqual(readAudioTag(Uint8Array.of(0xaf, 1, 5))!.codec, "mp4a");
  assert.equal(readAudioTag(Uint8Array.of(0x2f, 1))!.codec, "mp3");
  assert.equal(readAudioTag(new Uint8Array(0)), undefined);
});

Deno.test("H.264's configuration and units as files have them", () => {
  const config = readAvcConfig(avcStart().subarray(5))!;
  assert.deepEqual([config.lengthBytes, config.profileLevelId], [4, "42c01e"]);
  assert.deepEqual(config.sets.map((set) => [...set]), [[...SPS], [...PPS]]);
  for (let end = 0; end < avcStart().length - 5; end++) {
    assert.equal(readAvcConfig(avcStart().subarray(5, 5 + end)), undefined);
  }
  const two = Uint8Array.of(0, 2, 1, 2, 0, 0, 0, 1, 3);
  assert.deepEqual(avcUnits(two, 2, 9)!.map((unit) => [...unit]), [[1, 2], [3]]);
  assert.equal(avcUnits(two, 2, 1), undefined);
  assert.equal(avcUnits(two.subarray(0, 3), 2, 9), undefined);
});
