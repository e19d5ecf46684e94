import assert from "node:assert/strict";
import type { ConnectionId, UpTrackId } from "../../../../lib/base/ids.ts";
import type { ReceiveSection } from "../../../../lib/base/media_vocabulary.ts";
import {
  AUDIO_BYTES,
  PacketCapture,
  VIDEO_BYTES,
} from "../../../../lib/engine/local/packet_capture.ts";
import type { CaptureEvent } from "../../../../lib/engine/messages/capture_messages.ts";
import { capturedPackets } from "../../../../lib/wire/captured_packets.ts";
import { codec, viewOf } from "../../../support/media/forwarding_fixtures.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

const VIDEO: ReceiveSection = {
  mid: "0",
  kind: "video",
  upTrack: "UT_1" as UpTrackId,
  codecs: [codec("video/VP8", 96, 97)],
  extensions: [],
  rids: [],
  ssrcs: [],
};
const AUDIO: ReceiveSection = {
  ...VIDEO,
  mid: "1",
  kind: "audio",
  codecs: [codec("audio/opus", 111)],
};

function world(limits = { maxBytes: 1_000_000, maxMs: 60_000 }) {
  const { clock } = new VirtualPlatform();
  let nowUs = 5_000_000;
  const events: CaptureEvent[] = [];
  let ended = 0;
  const capture = new PacketCapture({
    connection: "CN_1" as ConnectionId,
    clock: { ...clock, now: () => Math.trunc(nowUs / 1000), nowUs: () => nowUs },
    emit: (event) => events.push(event),
    timed: () => {},
    ended: () => ended++,
  }, limits);
  capture.describe([VIDEO, AUDIO], []);
  const send = (payloadType: number, bytes: number, padding = 0) => {
    const payload = new Uint8Array(bytes).fill(0x5a);
    capture.received(viewOf(rtpPacket({ ssrc: 1, payloadType, payload, padding })), nowUs);
  };
  const packets = () =>
    events.flatMap((event) => event.type === "captured" ? [...capturedPackets(event.packets)] : []);
  const pass = (ms: number) => {
    nowUs += ms * 1000;
    capture.tick(Math.trunc(nowUs / 1000));
  };
  return { capture, events, send, packets, pass, ended: () => ended };
}

Deno.test("PacketCapture keeps headers, and of payloads what says how they are forwarded", () => {
  const { capture, send, packets } = world();
  send(96, 1_000);
  send(97, 1_000);
  send(111, 60);
  send(50, 200);
  send(96, 0, 200);
  capture.flush();
  const kept = packets().map(({ bytes, length }) => [bytes.length, length]);
  assert.deepEqual(kept, [
    [12 + VIDEO_BYTES, 1_012],
    [12 + VIDEO_BYTES, 1_012],
    [12 + AUDIO_BYTES, 72],
    // Nobody has described it, so it may be sound.
    [12 + AUDIO_BYTES, 212],
    // Padding says at its end how much it is.
    [212, 212],
  ]);
  assert.equal(packets()[0]!.timeUs, 1_767_225_600_000_000, "our start is that instant");
});

Deno.test("PacketCapture tells within a tenth of a second, and describes each section once", () => {
  const { capture, events, send, pass } = world();
  send(96, 10);
  pass(99);
  assert.deepEqual(events.map(({ type }) => type), ["capture_described"]);
  pass(1);
  assert.deepEqual(events.map(({ type }) => type), ["capture_described", "captured"]);
  capture.describe([VIDEO, AUDIO], []);
  assert.equal(events.length, 2);
  const again = { ...AUDIO, mid: "2" };
  send(96, 10);
  capture.describe([VIDEO, AUDIO, again], []);
  const last = events.at(-1)!;
  assert.deepEqual(last.type === "capture_described" && last.receives, [again]);
  assert.equal(events.at(-2)!.type, "captured", "what came before is told before");
});

Deno.test("PacketCapture ends after its bytes or its time, once, and takes no more memory than a bundle", () => {
  const small = world({ maxBytes: 1_000, maxMs: 60_000 });
  for (let i = 0; i < 100; i++) small.send(96, 500);
  const size = small.packets().reduce((sum, { bytes }) => sum + bytes.length, 0);
  assert.ok(size > 500 && size <= 1_000);
  assert.equal(small.ended(), 1);
  const last = small.events.at(-1)!;
  assert.deepEqual([last.type, "reason" in last && last.reason], ["capture_ended", "bytes"]);
  assert.equal(small.capture.nextWakeAt(), Infinity);

  const short = world({ maxBytes: 1e9, maxMs: 1_000 });
  for (let i = 0; i < 20_000; i++) short.send(96, 500);
  for (const event of short.events) {
    if (event.type === "captured") assert.ok(event.packets.length <= 32 * 1024);
  }
  assert.ok(short.packets().length > 19_000);
  short.pass(1_000);
  short.send(96, 500);
  const end = short.events.at(-1)!;
  assert.deepEqual([end.type, "reason" in end && end.reason], ["capture_ended", "time"]);
  assert.equal(short.ended(), 1);
});
