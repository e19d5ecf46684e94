/** Bursts of video on their way to one subscriber, over a pacer and without one. */
import assert from "node:assert/strict";
import { EXTENSION_URI } from "../../../../lib/base/media_vocabulary.ts";
import { DownTrack } from "../../../../lib/media/down/down_track.ts";
import { Pacer } from "../../../../lib/media/down/pacer.ts";
import { DROP } from "../../../../lib/media/layer/drop_reason.ts";
import { UpTrack } from "../../../../lib/media/up/up_track.ts";
import {
  codec,
  layerListener,
  RecordingSink,
  viewOf,
  vp8Payload,
} from "../../../support/media/forwarding_fixtures.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const BODY = 1_000;
/** 250 bytes/ms, 375 as bursts leave: about 3.7 packets in 10 ms. */
const BPS = 2_000_000;

/** Notes when each packet left. */
class TimedSink extends RecordingSink {
  readonly at: number[] = [];
  hasRoom = true;

  override reserve(): Uint8Array {
    return (this.hasRoom ? super.reserve() : undefined)!;
  }

  override send(packet: Parameters<RecordingSink["send"]>[0], now = 0): void {
    super.send(packet);
    this.at.push(now);
  }
}

/** A publisher of one video layer or of audio, and subscribers over pacers or without. */
class World {
  readonly up: UpTrack;
  readonly #isVideo: boolean;
  #number = 100;
  #frame = 0;

  constructor(kind: "video" | "audio" = "video") {
    this.#isVideo = kind === "video";
    this.up = new UpTrack({
      kind,
      extensions: [],
      listener: { onNack() {}, onKeyFrameNeeded() {} },
    });
    this.up.bindLayer(0, 1000, this.#isVideo ? codec("video/VP8", 96) : codec("audio/opus", 96), 0);
  }

  subscribe(pacer?: Pacer): { readonly down: DownTrack; readonly sink: TimedSink } {
    const kind = this.#isVideo ? "video" : "audio";
    const codecs = [this.#isVideo ? codec("video/VP8", 101, 102) : codec("audio/opus", 101)];
    const sink = new TimedSink();
    const extensions = [{ id: 5, uri: EXTENSION_URI.transportCc }];
    const down = new DownTrack({
      section: { mid: "1", kind, ssrc: 5, rtxSsrc: 6, codecs, extensions },
      publisherExtensions: [],
      sink,
      place: undefined,
      listener: layerListener(),
      target: { enabled: true, maxSpatial: 0, maxTemporal: 3 },
      ...(pacer === undefined ? {} : { pacer }),
    });
    this.up.addDownTrack(down, 0);
    return { down, sink };
  }

  /** A whole frame at once, but for packet `late`, which comes after the others. */
  send(packets: number, now: number, late = -1): void {
    const isKey = this.#frame === 0;
    this.#frame++;
    const first = this.#number;
    this.#number += packets;
    const order = Array.from({ length: packets }, (_, i) => i).filter((i) => i !== late);
    if (late >= 0) order.push(late);
    for (const i of order) {
      const payload = vp8Payload({
        pictureId: this.#frame,
        tl0: this.#frame & 0xff,
        key: isKey,
        start: i === 0,
        body: [0, i & 0xff, ...new Array(BODY).fill(this.#frame)],
      });
      const fields = { ssrc: 1000, payloadType: 96, timestamp: this.#frame * 3_000 };
      const sequenceNumber = (first + i) & 0xffff;
      const marker = i === packets - 1;
      this.up.receive(0, viewOf(rtpPacket({ ...fields, sequenceNumber, marker, payload })), now);
    }
  }
}

/** A pacer whose turns are noted. */
function paced(bps: number, isNarrow = false) {
  const wakes: number[] = [];
  const pacer = new Pacer((at) => void wakes.push(at));
  pacer.setRate(bps, isNarrow);
  return { pacer, wakes };
}

/** Turns as the engine has them, until nothing waits; fails if that takes long. */
function run(pacer: Pacer, from: number, mostMs = 200): number {
  let now = from;
  for (; pacer.nextWakeAt() !== Infinity; now += 10) {
    assert.ok(now <= from + mostMs, "it ends");
    if (now >= pacer.nextWakeAt()) pacer.tick(now);
  }
  return now;
}

Deno.test("Pacer lets ten packets of a burst leave, and the rest over time, as they would have left", () => {
  const world = new World();
  const { pacer, wakes } = paced(BPS);
  const slow = world.subscribe(pacer);
  const fast = world.subscribe();
  world.send(40, 1_000);
  assert.equal(fast.sink.packets.length, 40);
  assert.equal(slow.sink.packets.length, 10);
  assert.deepEqual(wakes, [1_010]);
  run(pacer, 1_000);
  assert.deepEqual(slow.sink.packets, fast.sink.packets);
  const most = Math.max(...slow.sink.at.slice(10)) - 1_000;
  assert.ok(most >= 70 && most <= 100, `${most} ms`);
  for (let at = 1_010; at <= 1_080; at += 10) {
    const left = slow.sink.at.filter((when) => when === at).length;
    assert.ok(left >= 3 && left <= 5, `${left} at ${at}`);
  }
  assert.deepEqual([slow.down.stats().packets, slow.down.stats().bytes], [
    fast.down.stats().packets,
    fast.down.stats().bytes,
  ]);
});

Deno.test("Pacer lets everything leave at once where it has no rate, or the path carries it soon", () => {
  for (const bps of [Infinity, 100_000_000]) {
    const world = new World();
    const { pacer, wakes } = paced(bps);
    const { sink } = world.subscribe(pacer);
    world.send(40, 1_000);
    assert.equal(sink.packets.length, 40, `${bps}`);
    assert.equal(wakes.length, 0);
    assert.equal(pacer.nextWakeAt(), Infinity);
  }
});

for (const [isNarrow, mostMs] of [[false, 100], [true, 400]] as const) {
  Deno.test(`Pacer holds nothing longer than ${mostMs} ms on a path that is ${isNarrow ? "" : "not known to be "}narrow`, () => {
    const world = new World();
    const { pacer } = paced(50_000, isNarrow);
    const { sink } = world.subscribe(pacer);
    world.send(60, 1_000);
    run(pacer, 1_000, mostMs + 10);
    assert.equal(sink.packets.length, 60);
    assert.ok(Math.max(...sink.at) <= 1_000 + mostMs, `${Math.max(...sink.at)}`);
  });
}

Deno.test("Pacer spreads a key frame for a slow path, also of a publisher that spreads it less", () => {
  for (const publisherMs of [0, 8]) {
    const world = new World();
    const { pacer } = paced(400_000, true); // a packet in some 21 ms
    const { sink } = world.subscribe(pacer);
    for (let ms = 0; ms < 600; ms++) {
      const now = 1_000 + ms;
      if (publisherMs === 0 ? ms === 0 : ms % publisherMs === 0 && ms < 12 * publisherMs) {
        world.send(publisherMs === 0 ? 12 : 1, now);
      }
      if (ms % 10 === 0 && now >= pacer.nextWakeAt()) pacer.tick(now);
    }
    assert.equal(sink.packets.length, 12);
    // More than a jitter buffer of sound bears is never on its way at once.
    for (const [i, at] of sink.at.entries()) {
      const since = sink.at.filter((other, n) => n <= i && other > at - 100).length;
      assert.ok(since * 21 <= 100 + 60, `${publisherMs}: ${sink.at}`);
    }
  }
});

Deno.test("Pacer lets through at once what a slow path carries all the time", () => {
  const world = new World();
  const { pacer } = paced(400_000, true);
  const { sink } = world.subscribe(pacer);
  const sent: number[] = [];
  for (let now = 1_000; now < 5_000; now += 66) {
    world.send(2, now);
    sent.push(now, now);
    if (now >= pacer.nextWakeAt()) pacer.tick(now);
  }
  assert.deepEqual(sink.at, sent);
});

/** Waits, ms, by second, of 25 frames a second that take so much of the rate, one a key frame. */
function waitsBySecond(share: number, keyBytes: number): number[][] {
  const { pacer } = paced(500_000, true);
  const random = new SeededRandom(1);
  const seconds: number[][] = Array.from({ length: 10 }, () => []);
  const since: number[] = [];
  const left = (sequence: number, now: number) => {
    seconds[Math.floor(since[sequence]! / 1_000)]!.push(now - since[sequence]!);
  };
  for (let now = 0; now < 10_000; now += 5) {
    let bytes = now % 40 === 0 ? 2_500 * share * (0.8 + random.below(401) / 1_000) : 0;
    if (now === 2_000) bytes = Math.max(bytes, keyBytes);
    for (; bytes > 0; bytes -= 1_100) {
      const sequence = since.push(now) - 1;
      const size = Math.ceil(Math.min(1_100, bytes));
      if (pacer.holds(size, now)) pacer.hold({ release: left }, sequence, size, now);
      else left(sequence, now);
    }
    if (now % 10 === 0) pacer.tick(now);
  }
  return seconds;
}

const mean = (waits: number[]) => waits.reduce((sum, ms) => sum + ms, 0) / waits.length;

Deno.test("Pacer makes nothing wait that takes no more of a narrow path than what may be sent", () => {
  for (const share of [0.88, 0.94, 1]) {
    const waits = waitsBySecond(share, 0).flat();
    assert.ok(mean(waits) < 20, `${share}: ${mean(waits)} ms`);
  }
});

Deno.test("Pacer makes up for a key frame on a narrow path, however much of it videos take", () => {
  for (const share of [0.88, 0.94, 1]) {
    const seconds = waitsBySecond(share, 20_000);
    assert.ok(Math.max(...seconds[2]!) > 200, "the key frame waits");
    const later = seconds.slice(5).flat();
    assert.ok(mean(later) < 20, `${share}: ${seconds.map(mean).map(Math.round)} ms`);
  }
});

Deno.test("Pacer counts what left after waiting as what the path has to carry", () => {
  const world = new World();
  const { pacer } = paced(400_000, true);
  const { sink } = world.subscribe(pacer);
  world.send(8, 1_000);
  const until = run(pacer, 1_000, 410);
  const before = sink.packets.length;
  world.send(8, until);
  // 65 ms are three packets, of which the last that left is still on its way.
  assert.ok(sink.packets.length - before < 3, `${sink.packets.length - before}`);
  run(pacer, until, 410);
  assert.equal(sink.packets.length, 16);
});

Deno.test("Pacer keeps the order of a stream: what follows a burst waits behind it", () => {
  const world = new World();
  const { pacer } = paced(BPS);
  const { sink } = world.subscribe(pacer);
  world.send(30, 1_000);
  world.send(2, 1_005);
  pacer.tick(1_010);
  world.send(2, 1_015);
  run(pacer, 1_020);
  const numbers = sink.views.map(({ sequenceNumber }) => sequenceNumber);
  assert.deepEqual(numbers, Array.from({ length: 34 }, (_, i) => 100 + i));
});

Deno.test("Pacer never holds audio, also while video waits", () => {
  const { pacer } = paced(BPS);
  const video = new World();
  const audio = new World("audio");
  video.subscribe(pacer);
  const { sink } = audio.subscribe(pacer);
  video.send(30, 1_000);
  audio.send(20, 1_000);
  assert.equal(sink.packets.length, 20);
});

Deno.test("Pacer sends tracks of a connection in the order of their packets, each its own", () => {
  const { pacer } = paced(BPS);
  const [one, two] = [new World(), new World()];
  const [first, second] = [one.subscribe(pacer), two.subscribe(pacer)];
  one.send(8, 1_000);
  two.send(8, 1_000);
  one.send(8, 1_000);
  assert.deepEqual([first.sink.packets.length, second.sink.packets.length], [8, 2]);
  run(pacer, 1_000);
  assert.deepEqual([first.sink.packets.length, second.sink.packets.length], [16, 8]);
  assert.ok(Math.max(...second.sink.at) <= Math.min(...first.sink.at.slice(8)));
});

Deno.test("Pacer sends nothing of a down-track that was removed, and all of the others", () => {
  const { pacer } = paced(BPS);
  const [one, two] = [new World(), new World()];
  const [first, second] = [one.subscribe(pacer), two.subscribe(pacer)];
  one.send(20, 1_000);
  two.send(20, 1_000);
  one.up.removeDownTrack(first.down);
  run(pacer, 1_000);
  assert.deepEqual([first.sink.packets.length, second.sink.packets.length], [10, 20]);
});

Deno.test("Pacer lets all that waits leave when bursts do no harm any more, in the same moment, too", () => {
  for (const after of [0, 3]) {
    const world = new World();
    const { pacer } = paced(BPS);
    const { sink } = world.subscribe(pacer);
    world.send(20, 1_000);
    assert.equal(sink.packets.length, 10);
    pacer.setRate(Infinity);
    pacer.tick(1_000 + after);
    assert.equal(sink.packets.length, 20, `${after} ms later`);
    assert.equal(pacer.nextWakeAt(), Infinity);
    world.send(1, 1_020);
    assert.equal(sink.packets.length, 21, "nothing is held any more");
  }
});

Deno.test("Pacer leaves retransmission as it is: once sent, a packet is sent again by RTX", () => {
  const world = new World();
  const { pacer } = paced(BPS);
  const { down, sink } = world.subscribe(pacer);
  world.send(20, 1_000);
  const until = run(pacer, 1_000);
  down.receiveNack(Uint16Array.of(100, 115), 2, until + 100);
  const again = sink.views.slice(20);
  assert.deepEqual(again.map(({ ssrc, payloadType }) => [ssrc, payloadType]), [[6, 102], [6, 102]]);
  assert.deepEqual(
    again.map(({ bytes, payloadOffset: at }) => (bytes[at]! << 8) | bytes[at + 1]!),
    [100, 115],
  );
});

Deno.test("What waits in a pacer is neither sent as a probe nor as a repair before its turn", () => {
  const world = new World();
  const { pacer } = paced(BPS);
  const { down, sink } = world.subscribe(pacer);
  world.send(20, 1_000);
  assert.equal(sink.packets.length, 10);
  for (let i = 0; i < 16; i++) down.pad(true, 1_005);
  down.receiveNack(Uint16Array.of(110, 119), 2, 1_005);
  assert.equal(down.drops.get(DROP.nackUnknown), 2);
  const resent = sink.views.slice(10)
    .map(({ bytes, payloadOffset: at }) => (bytes[at]! << 8) | bytes[at + 1]!);
  assert.ok(resent.length > 0, "of those that left any may be a probe");
  assert.ok(resent.every((number) => number >= 100 && number < 110), `${resent}`);
  const until = run(pacer, 1_005);
  const media = sink.views.filter(({ ssrc }) => ssrc === 5);
  assert.deepEqual(
    media.map(({ sequenceNumber }) => sequenceNumber),
    Array.from({ length: 20 }, (_, i) => 100 + i),
    "each comes once",
  );
  const before = sink.packets.length;
  down.receiveNack(Uint16Array.of(119), 1, until + 100);
  assert.equal(sink.packets.length, before + 1, "and is sent again from then on");
});

Deno.test("What waited of a source that is left leaves no gap in front of the next one", () => {
  const [one, two] = [new World(), new World()];
  const { pacer } = paced(BPS);
  const { down, sink } = one.subscribe(pacer);
  one.send(30, 1_000);
  assert.equal(sink.packets.length, 10);
  one.up.removeDownTrack(down);
  two.up.addDownTrack(down, 1_005);
  run(pacer, 1_010);
  two.send(3, 1_200);
  run(pacer, 1_200);
  const numbers = sink.views.map(({ sequenceNumber }) => sequenceNumber);
  assert.deepEqual(numbers, Array.from({ length: 13 }, (_, i) => 100 + i));
});

Deno.test("No number is used twice when a source is left while a late packet waits", () => {
  for (const late of [1, 5, 9, 12]) {
    const [one, two] = [new World(), new World()];
    const { pacer } = paced(BPS);
    const { down, sink } = one.subscribe(pacer);
    one.send(20, 1_000, late);
    pacer.tick(1_010);
    one.up.removeDownTrack(down);
    two.up.addDownTrack(down, 1_015);
    run(pacer, 1_020);
    two.send(8, 1_200);
    run(pacer, 1_200);
    const numbers = sink.views.map(({ sequenceNumber }) => sequenceNumber);
    // An SRTP stream that has two packets of a number has told its keystream (RFC 3711 §9.1).
    assert.equal(new Set(numbers).size, numbers.length, `${late}: ${numbers}`);
  }
});

Deno.test("Pacer's memory ends: beyond 256 packets the oldest leave, and nothing is lost", () => {
  const world = new World();
  const { pacer } = paced(BPS);
  const { sink } = world.subscribe(pacer);
  world.send(400, 1_000);
  assert.equal(sink.packets.length, 400 - 256);
  run(pacer, 1_000);
  assert.equal(sink.packets.length, 400);
});

Deno.test("Pacer counts what had no room when it could leave, which can be asked for", () => {
  const world = new World();
  const { pacer } = paced(BPS);
  const { down, sink } = world.subscribe(pacer);
  world.send(14, 1_000);
  sink.hasRoom = false;
  const until = run(pacer, 1_000);
  assert.equal(sink.packets.length, 10);
  assert.equal(down.drops.get(DROP.pacedExpired), 4);
  sink.hasRoom = true;
  down.receiveNack(Uint16Array.of(110, 111, 112, 113), 4, until);
  assert.equal(sink.packets.length, 14);
});

Deno.test("Pacer loses and turns round nothing in random bursts, rates and turns", () => {
  for (let seed = 0; seed < 20; seed++) {
    const random = new SeededRandom(seed);
    const world = new World();
    const { pacer } = paced(BPS);
    const slow = world.subscribe(pacer);
    const fast = world.subscribe();
    let now = 1_000;
    for (let i = 0; i < 200; i++) {
      now += random.below(40);
      if (random.chance(0.1)) {
        const bps = random.chance(0.3) ? Infinity : random.below(5e6);
        pacer.setRate(bps, random.chance(0.5));
      }
      if (random.chance(0.7)) world.send(1 + random.below(random.chance(0.2) ? 60 : 4), now);
      if (now >= pacer.nextWakeAt()) pacer.tick(now);
    }
    run(pacer, now, 500);
    assert.deepEqual(slow.sink.packets, fast.sink.packets, `seed ${seed}`);
  }
});
