/** Packets of one track: order, losses, key frames and times. */
import assert from "node:assert/strict";
import type { EncodedFrame } from "../../../lib/recording/frames/encoded_frame.ts";
import { MediaTimeline, PublisherClock } from "../../../lib/recording/media_timeline.ts";
import { GAP_WAIT_MS, PacketOrder } from "../../../lib/recording/packet_order.ts";
import { RecordedStream } from "../../../lib/recording/recorded_stream.ts";
import { bundle } from "../../support/media/packet_bundles.ts";
import { vp8Frame, vp8Payloads } from "../../support/media/recorded_payloads.ts";
import { rtpPacket } from "../../support/media/rtp_packets.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";

const VP8 = 96;
const OPUS = 111;

function order() {
  const heard: (number | "gap")[] = [];
  const packets = new PacketOrder({
    packet: (view) => heard.push(view.sequenceNumber),
    gap: () => heard.push("gap"),
  });
  const push = (sequenceNumber: number, now: number) =>
    packets.push(
      rtpPacket({ ssrc: 1, payloadType: VP8, sequenceNumber, payload: Uint8Array.of(1) }),
      now,
    );
  return { heard, packets, push };
}

Deno.test("PacketOrder gives each packet once and in order, over the wrap", () => {
  const { heard, push } = order();
  for (const seq of [65_534, 0, 65_535, 0, 2, 1, 65_535]) push(seq, 0);
  assert.deepEqual(heard, [65_534, 65_535, 0, 1, 2]);
});

Deno.test("PacketOrder waits for what is missing, and then says that it is", () => {
  const { heard, packets, push } = order();
  push(10, 0);
  push(12, 5);
  packets.expire(5 + GAP_WAIT_MS - 1);
  assert.deepEqual(heard, [10]);
  packets.expire(5 + GAP_WAIT_MS);
  assert.deepEqual(heard, [10, "gap", 12]);
  assert.equal(packets.lost, 1);
  push(11, 5 + GAP_WAIT_MS);
  push(13, 5 + GAP_WAIT_MS);
  assert.deepEqual(heard, [10, "gap", 12, 13], "too late is too late");
});

Deno.test("PacketOrder, with random losses and delays, is in order and misses what was lost", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new SeededRandom(seed);
    const { heard, packets, push } = order();
    const arrivals: { readonly at: number; readonly seq: number }[] = [];
    let lost = 0;
    for (let n = 0; n < 2_000; n++) {
      const isLast = n === 1_999;
      if (n > 0 && !isLast && random.chance(0.05)) lost++;
      else {arrivals.push({
          at: n * 3 + (random.chance(0.1) && n > 0 ? random.below(300) : 0),
          seq: n,
        });}
    }
    arrivals.sort((a, b) => a.at - b.at);
    for (const { at, seq } of arrivals) {
      push((65_000 + seq) & 0xffff, at);
      packets.expire(at);
    }
    packets.expire(1e6);
    packets.expire(2e6);
    const numbers = heard.filter((entry) => entry !== "gap").map((seq) => (seq - 65_000) & 0xffff);
    assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b), `seed ${seed}`);
    assert.equal(new Set(numbers).size, numbers.length);
    assert.equal(numbers.length, 2_000 - lost, `seed ${seed}: all that came`);
    assert.equal(packets.lost, lost);
  }
});

Deno.test("RecordedStream asks for key frames, at the start and after a loss, and gives nothing before", () => {
  const frames: EncodedFrame[] = [];
  const asked: number[] = [];
  let now = 0;
  const stream = new RecordedStream(new PublisherClock(), {
    frame: (frame) => frames.push(frame),
    keyFrameWanted: () => asked.push(now),
  });
  let sequenceNumber = 100;
  const send = (isKey: boolean, isLost = false) => {
    const [payload] = vp8Payloads(vp8Frame(isKey, 320, 240, new Uint8Array(30)), 1_000);
    const fields = { ssrc: 1, payloadType: VP8, marker: true, timestamp: sequenceNumber * 3_000 };
    const packet = rtpPacket({ ...fields, sequenceNumber: sequenceNumber++, payload: payload! });
    if (!isLost) stream.push({ packets: bundle(packet), ageMs: 0 }, now);
    now += 33;
  };
  send(false);
  send(false);
  assert.deepEqual([frames.length, asked], [0, [0]]);
  send(true);
  send(false);
  assert.equal(frames.length, 2);
  send(false, true);
  for (let i = 0; i < 40; i++) send(false);
  assert.equal(frames.length, 2, "what refers to the lost one is of no use");
  assert.equal(asked.length, 2, "asked for once a second at most");
  send(true);
  assert.equal(frames.length, 3);
  assert.equal(stream.lost, 1);
});

Deno.test("RecordedStream keeps sound after a loss, and passes over what it cannot read", () => {
  const times: number[] = [];
  const stream = new RecordedStream(new PublisherClock(), {
    frame: (_, timeMs) => times.push(timeMs),
    keyFrameWanted: () => assert.fail("sound has no key frames"),
  });
  const packet = (n: number) =>
    rtpPacket({
      ssrc: 1,
      payloadType: OPUS,
      sequenceNumber: n,
      timestamp: n * 960,
      payload: Uint8Array.of(0xfc, 1),
    });
  stream.push({ packets: bundle(packet(0), packet(1)), ageMs: 40 }, 1_040);
  stream.push({ packets: bundle(Uint8Array.of(1, 2, 3), packet(3)), ageMs: 0 }, 1_060);
  stream.push({ packets: Uint8Array.of(0, 50, 1), ageMs: 0 }, 1_070);
  stream.tick(1_060 + GAP_WAIT_MS);
  assert.deepEqual(times, [1_000, 1_020, 1_060]);
});

Deno.test("Two tracks of one publisher are as far apart as its reports say, not as they came", () => {
  const clock = new PublisherClock();
  const sound = new MediaTimeline(48_000, clock);
  const picture = new MediaTimeline(90_000, clock);
  // Taken at the same instant, ntp 7,000; the picture took 180 ms longer to come.
  sound.place(480_000, 1_000);
  picture.place(900_000, 1_180);
  sound.synchronise(7_050, 482_400, false, 1_050);
  picture.synchronise(7_230, 920_700, false, 1_230);
  assert.equal(sound.again(480_000), 1_000);
  assert.equal(picture.again(900_000), 1_000);
});

Deno.test("MediaTimeline follows a clock that runs differently within 40 ms for an hour", () => {
  const clock = new PublisherClock();
  const sound = new MediaTimeline(48_000, clock);
  let worst = 0;
  let last = -Infinity;
  // Its sampling clock is 200 ppm fast, by the clock that its reports are of.
  for (let ms = 0; ms <= 3_600_000; ms += 20) {
    const timestamp = Math.round(ms * 48 * 1.0002) >>> 0;
    const at = sound.place(timestamp, ms + 30);
    assert.ok(at >= last, "never back");
    last = at;
    if (ms % 5_000 === 0) sound.synchronise(90_000 + ms, timestamp, ms > 0, ms + 30);
    worst = Math.max(worst, Math.abs(at - (ms + 30)));
  }
  assert.ok(worst <= 40, `${worst} ms apart`);
});

Deno.test("MediaTimeline believes no timestamp and no report that is far from when it came", () => {
  const random = new SeededRandom(3);
  const timeline = new MediaTimeline(48_000, new PublisherClock());
  let last = -Infinity;
  for (let now = 1_000; now < 200_000; now += 20) {
    const timestamp = random.chance(0.05) ? random.uint32() : (now * 48) >>> 0;
    const at = timeline.place(timestamp, now);
    assert.ok(at >= last && Math.abs(at - now) <= 10_020, `${at} at ${now}`);
    last = at;
    if (random.chance(0.02)) timeline.synchronise(random.uint32(), timestamp, true, now);
  }
});

Deno.test("MediaTimeline goes on at once after a leap, and over a timestamp's wrap", () => {
  const timeline = new MediaTimeline(90_000, new PublisherClock());
  const start = 0xffff_ff00;
  assert.equal(timeline.place(start, 500), 500);
  assert.ok(Math.abs(timeline.place((start + 9_000) >>> 0, 600) - 600) < 1e-6);
  timeline.synchronise(1_000, (start + 9_000) >>> 0, true, 600);
  timeline.synchronise(3_100, (start + 18_000) >>> 0, true, 2_700);
  assert.ok(Math.abs(timeline.place((start + 18_000) >>> 0, 2_700) - 2_700) < 1e-6);
});
