import assert from "node:assert/strict";
import {
  dataTrackHandle,
  type DataTrackPacket,
  participantSidExtension,
  participantSidOf,
  readDataTrackPacket,
  withDataTrackHandle,
  writeDataTrackPacket,
} from "../../../lib/wire/data_track_packet.ts";

const PACKET: DataTrackPacket = {
  version: 0,
  startOfFrame: true,
  finalOfFrame: false,
  handle: 0x0d05,
  sequence: 0x1a0a,
  frameNumber: 0x270f,
  timestamp: 0xdeadbeef,
  extensions: [],
  payload: Uint8Array.of(0xff, 0xfe, 0xfd),
};
const HEADER = [0, 0x0d, 0x05, 0x1a, 0x0a, 0x27, 0x0f, 0xde, 0xad, 0xbe, 0xef];
const ascii = (text: string) => [...new TextEncoder().encode(text)];
/** A packet that says it has extensions, with these bytes after the header. */
const extended = (...rest: number[]) => Uint8Array.of(0x04, ...HEADER, ...rest);

Deno.test("writeDataTrackPacket writes the header big endian, with both frame bits", () => {
  const bytes = writeDataTrackPacket({ ...PACKET, finalOfFrame: true });
  assert.deepEqual([...bytes!], [0x18, ...HEADER, 0xff, 0xfe, 0xfd]);
  const middle = writeDataTrackPacket({ ...PACKET, startOfFrame: false, version: 5 });
  assert.equal(middle![0], 0xa0);
});

Deno.test("writeDataTrackPacket pads extensions to words and counts them less one", () => {
  const even = participantSidExtension("test_participant")!;
  assert.deepEqual([...writeDataTrackPacket({ ...PACKET, extensions: [even] })!], [
    ...[0x14, ...HEADER, 0, 4, 1, 16],
    ...ascii("test_participant"),
    ...[0xff, 0xfe, 0xfd],
  ]);
  const odd = participantSidExtension("participant")!;
  assert.deepEqual([...writeDataTrackPacket({ ...PACKET, extensions: [odd] })!], [
    ...[0x14, ...HEADER, 0, 3, 1, 11],
    ...ascii("participant"),
    0,
    ...[0xff, 0xfe, 0xfd],
  ]);
});

Deno.test("writeDataTrackPacket refuses extensions that cannot be written", () => {
  const data = new Uint8Array(256);
  assert.equal(writeDataTrackPacket({ ...PACKET, extensions: [{ id: 7, data }] }), undefined);
  const padding = { id: 0, data: new Uint8Array(1) };
  assert.equal(writeDataTrackPacket({ ...PACKET, extensions: [padding] }), undefined);
});

Deno.test("readDataTrackPacket reads back what was written", () => {
  const extensions = [participantSidExtension("PA_x")!, { id: 9, data: new Uint8Array(0) }];
  for (const packet of [PACKET, { ...PACKET, extensions, payload: new Uint8Array(0) }]) {
    assert.deepEqual(readDataTrackPacket(writeDataTrackPacket(packet)!), packet);
  }
});

Deno.test("readDataTrackPacket refuses what is cut off or overruns", () => {
  assert.equal(readDataTrackPacket(new Uint8Array(11)), undefined, "short header");
  assert.equal(readDataTrackPacket(extended(0)), undefined, "half a count");
  assert.equal(readDataTrackPacket(extended(0, 0, 0)), undefined, "less than counted");
  assert.equal(readDataTrackPacket(extended(0xff, 0xff, 0)), undefined, "far less than counted");
  assert.equal(readDataTrackPacket(extended(0, 0, 1, 1)), undefined, "data beyond the count");
  assert.equal(readDataTrackPacket(extended(0, 1, 1, 3, 9, 9, 9, 5)), undefined, "half a header");
  assert.notEqual(readDataTrackPacket(extended(0, 0, 1, 0)), undefined, "empty extension");
});

Deno.test("participantSidOf finds the participant among other extensions", () => {
  const other = { id: 2, data: Uint8Array.of(1) };
  const extensions = [other, participantSidExtension("PA_abc")!];
  assert.equal(participantSidOf({ extensions }), "PA_abc");
  assert.equal(participantSidOf({ extensions: [other] }), undefined);
  assert.equal(participantSidOf({ extensions: [{ id: 1, data: new Uint8Array(0) }] }), undefined);
});

Deno.test("participantSidExtension takes 1 to 255 bytes", () => {
  assert.equal(participantSidExtension(""), undefined);
  assert.equal(participantSidExtension("x".repeat(256)), undefined);
  assert.equal(participantSidExtension("x".repeat(255))!.data.length, 255);
});

Deno.test("withDataTrackHandle changes the handle and nothing else, in a copy", () => {
  const bytes = writeDataTrackPacket(PACKET)!;
  const before = bytes.slice();
  const other = withDataTrackHandle(bytes, 0xabcd);
  assert.deepEqual(bytes, before);
  assert.deepEqual(readDataTrackPacket(other), { ...PACKET, handle: 0xabcd });
});

Deno.test("dataTrackHandle is 0 for what is no packet", () => {
  assert.equal(dataTrackHandle(writeDataTrackPacket(PACKET)!), 0x0d05);
  assert.equal(dataTrackHandle(extended(0, 9, 1)), 0);
  assert.equal(dataTrackHandle(new Uint8Array(0)), 0);
});
