/** Packets of audio that are sent again with those behind them. */
import assert from "node:assert/strict";
import { EXTENSION_URI } from "../../../../lib/base/media_vocabulary.ts";
import { PACKET_KIND } from "../../../../lib/base/packet_sink.ts";
import { DownTrack } from "../../../../lib/media/down/down_track.ts";
import {
  codec,
  layerListener,
  publishedTrack,
  RecordingSink,
  viewOf,
} from "../../../support/media/forwarding_fixtures.ts";
import { redundantPayload } from "../../../support/media/redundant_payload.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";

const OPUS = codec("audio/opus", 111);
const RED = codec("audio/red", 63, undefined, "111/111");
const TARGET = { enabled: true, maxSpatial: 0, maxTemporal: 3 } as const;

/** A publisher whose frames are their own numbers, and one subscriber whose sound goes again. */
function setup(count: number, { published = OPUS, accepted = [OPUS] } = {}) {
  const sink = new RecordingSink();
  const up = publishedTrack("audio");
  up.bindLayer(0, 1000, published, 0);
  const extensions = [
    { id: 3, uri: EXTENSION_URI.transportCc },
    { id: 4, uri: EXTENSION_URI.mid },
  ];
  const down = new DownTrack({
    section: { mid: "1", kind: "audio", ssrc: 5, codecs: accepted, extensions },
    publisherExtensions: [],
    sink,
    place: undefined,
    listener: layerListener(),
    target: TARGET,
  });
  up.addDownTrack(down, 0);
  down.setDuplicates(count);
  const send = (n: number, now = n * 20) => {
    const frame = [n & 0xff, 1, 2, 3];
    const copies = [1, 2].map((back) => ({ age: 960 * back, frame: [(n - back) & 0xff, 1, 2, 3] }));
    const payload = published === RED ? redundantPayload(frame, copies) : Uint8Array.from(frame);
    const { payloadType } = published;
    const fields = { ssrc: 1000, payloadType, sequenceNumber: n & 0xffff, timestamp: n * 960 };
    up.receive(0, viewOf(rtpPacket({ ...fields, payload })), now);
  };
  /** Numbers that left, in order. */
  const numbers = () => sink.views.map(({ sequenceNumber }) => sequenceNumber);
  return { up, down, sink, send, numbers };
}

Deno.test("AudioDuplicates sends each packet again in front of the next one, byte by byte", () => {
  const { sink, send, numbers } = setup(1);
  for (const n of [65_534, 65_535, 65_536, 65_537]) send(n);
  assert.deepEqual(numbers(), [65_534, 65_534, 65_535, 65_535, 0, 0, 1]);
  const [media, again] = [PACKET_KIND.audio, PACKET_KIND.again];
  assert.deepEqual(sink.kinds, [media, again, media, again, media, again, media]);
  for (const i of [0, 2, 4]) assert.deepEqual(sink.packets[i], sink.packets[i + 1]);
});

Deno.test("AudioDuplicates sends it twice where that is wanted, older ones first", () => {
  const { sink, send, numbers } = setup(2);
  for (const n of [10, 11, 12, 13]) send(n);
  assert.deepEqual(numbers(), [10, 10, 11, 10, 11, 12, 11, 12, 13]);
  assert.deepEqual(sink.packets[0], sink.packets[3]);
});

Deno.test("AudioDuplicates sends packets that came at once again with the next that comes later", () => {
  const { send, numbers } = setup(2);
  send(10, 200);
  send(11, 200);
  send(12, 240);
  send(13, 260);
  assert.deepEqual(numbers(), [10, 11, 10, 11, 12, 10, 11, 12, 13]);
});

Deno.test("AudioDuplicates sends nothing again that is too old to be heard", () => {
  const { send, numbers } = setup(2);
  send(10, 200);
  send(11, 300);
  send(12, 701);
  send(13, 721);
  assert.deepEqual(numbers(), [10, 10, 11, 12, 12, 13]);
});

Deno.test("AudioDuplicates knows late packets and frames out of later packets' copies", () => {
  const late = setup(1);
  for (const n of [10, 12]) late.send(n);
  late.send(11, 245);
  late.send(13);
  assert.deepEqual(late.numbers(), [10, 10, 12, 12, 11, 11, 13]);
  const unwrapped = setup(1, { published: RED });
  for (const n of [10, 12, 13]) unwrapped.send(n);
  assert.deepEqual(unwrapped.numbers(), [10, 10, 11, 12, 11, 12, 13]);
  const { packets } = unwrapped.sink;
  assert.deepEqual([packets[2], packets[3]], [packets[4], packets[5]]);
});

Deno.test("AudioDuplicates leaves packets alone that have copies inside", () => {
  for (const published of [OPUS, RED]) {
    const { send, numbers } = setup(2, { published, accepted: [RED, OPUS] });
    for (const n of [10, 11, 12]) send(n);
    assert.deepEqual(numbers(), [10, 11, 12]);
  }
});

Deno.test("AudioDuplicates repeats the end of a word that was cut off, with the silence behind it", () => {
  const { up, down, sink, send, numbers } = setup(1);
  for (const n of [10, 11]) send(n);
  up.setMuted(true, 225);
  for (let now = 225; now < 500; now += 5) if (now >= down.nextWakeAt()) down.tick(now);
  const silent = [12, 13, 14, 15, 16, 17, 18, 19, 20];
  assert.deepEqual(numbers(), [10, 10, 11, 11, ...silent.flatMap((n) => [n, n]), 21]);
  assert.deepEqual(sink.packets[4], sink.packets[5]);
  up.setMuted(false, 2_000);
  send(100, 2_000);
  assert.equal(numbers().at(-2), 21, "that is long ago");
});

Deno.test("AudioDuplicates counts as sent again, and reports of the sender count each packet once", () => {
  const { down, sink, send } = setup(1);
  for (const n of [10, 11, 12]) send(n);
  const { packets, retransmitted } = down.stats();
  assert.deepEqual([packets, retransmitted], [3, 2]);
  down.setDuplicates(0);
  send(13);
  down.setDuplicates(1);
  send(14);
  assert.equal(sink.packets.length, 7);
  assert.equal(down.stats().retransmitted, 2);
});

Deno.test("AudioDuplicates tries again later where there is no room now, and never numbers anew", () => {
  const { sink, send, numbers } = setup(1);
  send(10);
  sink.isFull = true;
  send(11);
  sink.isFull = false;
  sink.skips = true;
  send(12);
  send(13);
  assert.deepEqual(numbers(), [10, 10, 12, 12, 13]);
  assert.deepEqual(sink.packets[0], sink.packets[1], "its number is its own");
  assert.deepEqual(sink.packets[2], sink.packets[3]);
});
