/**
 * Seeded worlds: however often bandwidth allows something else, what a subscriber is sent can be
 * decoded, and is what was allowed soon afterwards.
 *
 * @module
 */
import assert from "node:assert/strict";
import { CODEC, codecFamily } from "../../lib/wire/key_frame.ts";
import { DownTrack } from "../../lib/media/down/down_track.ts";
import { UpTrack } from "../../lib/media/up/up_track.ts";
import {
  codec,
  layerListener,
  RecordingSink,
  viewOf,
} from "../support/media/forwarding_fixtures.ts";
import { rtpPacket } from "../support/media/rtp_packets.ts";
import { type Received, SimulcastWorld } from "../support/media/simulcast_world.ts";
import { SvcWorld, type SvcWorldOptions } from "../support/media/svc_world.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";

const EVERYTHING = { enabled: true, maxSpatial: 2, maxTemporal: 3 } as const;
const PAUSED = -1;

/** Allows something else again and again, for as long as it takes. */
function shake(
  world: { readonly now: number; run(ms: number): void },
  down: DownTrack,
  random: SeededRandom,
  times: number,
): void {
  for (let i = 0; i < times; i++) {
    world.run(20 + random.below(random.chance(0.5) ? 200 : 2_000));
    down.setAllowance(random.below(4) - 1, random.below(4), world.now);
  }
}

/** Frames of VP8's L1T3: each needs the newest of the lowest temporal layer before it. */
function assertVp8Decodable(packets: readonly Received[]): void {
  const frames = new Map<string, Received>();
  const keys = new Map<number, number>();
  const name = (spatial: number, frame: number) => `${spatial}/${frame}`;
  let current = -1;
  for (const packet of packets) {
    if (packet.empty) continue;
    const { spatial, frame } = packet;
    if (packet.keyFrameStart) keys.set(spatial, frame);
    if (spatial !== current) assert.ok(packet.keyFrameStart, `layer ${spatial} begins with a key`);
    current = spatial;
    frames.set(name(spatial, frame), packet);
    const step = frame - keys.get(spatial)!;
    if (step === 0) continue;
    const base = step % 4 === 0 ? frame - 4 : frame - step % 4;
    assert.ok(frames.has(name(spatial, base)), `frame ${frame} of ${spatial} needs ${base}`);
  }
}

for (let seed = 1; seed <= 20; seed++) {
  Deno.test(`DownTrack sends what can be decoded of VP8 simulcast under random allowances (seed ${seed})`, () => {
    const world = new SimulcastWorld({ seed, layers: 3, firstSequence: 65_000 });
    const { down, sink } = world.subscribe(EVERYTHING);
    shake(world, down, new SeededRandom(seed), 60);
    assert.ok(sink.received.length > 300, `${sink.received.length} packets`);
    assertVp8Decodable(sink.received);
    const numbers = sink.received.map(({ seq }) => seq);
    numbers.forEach((seq, i) => {
      assert.equal(seq, (numbers[0]! + i) & 0xffff, "numbers are dense");
    });
    down.setAllowance(2, 3, world.now);
    world.run(3_000);
    assert.equal(sink.received.at(-1)!.spatial, 2);
    down.setAllowance(1, 0, world.now);
    world.run(3_000);
    const tail = sink.received.filter(({ at }) => at > world.now - 1_000);
    assert.ok(tail.length > 5);
    assert.ok(tail.every(({ spatial, tid }) => spatial === 1 && tid === 0));
    down.setAllowance(PAUSED, 0, world.now);
    const before = sink.received.length;
    world.run(1_000);
    assert.equal(sink.received.length, before, "nothing while it is paused");
  });
}

Deno.test("DownTrack lowers the frame rate of a layer that is too much, until the lower one begins", () => {
  const world = new SimulcastWorld({ seed: 3, layers: 3 });
  const { down, sink } = world.subscribe(EVERYTHING);
  world.run(3_000);
  assert.equal(sink.received.at(-1)!.spatial, 2);
  world.layers[0]!.wantsKey = false;
  const at = world.now;
  down.setAllowance(0, 3, at);
  world.run(2_000);
  const high = sink.received.filter((packet) => packet.at > at + 40 && packet.spatial === 2);
  assert.ok(high.every(({ tid }) => tid === 0), "of the higher layer only its lowest frame rate");
  const low = sink.received.filter((packet) => packet.at > at && packet.spatial === 0);
  assert.ok(low.some(({ tid }) => tid === 2), "of the lower one all");
  assertVp8Decodable(sink.received);
});

Deno.test("DownTrack sends nothing rather than what is too much if the lower layer does not begin", () => {
  const world = new SimulcastWorld({ seed: 4, layers: 2 });
  const { down, sink } = world.subscribe(EVERYTHING);
  world.run(3_000);
  // The lower layer lives, but none of its key frames arrives.
  const { requestKeyFrame } = world.up;
  world.up.requestKeyFrame = (spatial, now) => {
    if (spatial !== 0) requestKeyFrame.call(world.up, spatial, now);
  };
  const at = world.now;
  down.setAllowance(0, 3, at);
  world.run(4_000);
  const last = sink.received.at(-1)!.at;
  assert.ok(last > at + 300 && last < at + 1_700, `${last - at} ms`);
});

const SVC_STREAMS: readonly Pick<SvcWorldOptions, "mime" | "mode" | "described">[] = [
  { mime: "video/AV1", mode: "L3T3_KEY", described: true },
  { mime: "video/AV1", mode: "L3T3", described: true },
  { mime: "video/VP9", mode: "L3T3_KEY", described: true },
  { mime: "video/VP9", mode: "L3T3_KEY", described: false },
  { mime: "video/VP9", mode: "L3T3", described: false },
];

/** Whole frames whose references were sent before. */
function assertSvcDecodable(world: SvcWorld): void {
  const counts = new Map<number, number>();
  for (const { frame, empty } of world.received) {
    if (!empty) counts.set(frame, (counts.get(frame) ?? 0) + 1);
  }
  for (const [number, count] of counts) {
    const frame = world.frames.get(number)!;
    assert.equal(count, frame.packets, `frame ${number} is whole`);
    for (const ref of frame.refs) assert.ok(counts.has(ref), `frame ${number} needs ${ref}`);
  }
}

for (const stream of SVC_STREAMS) {
  const name = `${stream.mime} ${stream.mode} ${stream.described ? "with" : "without"} descriptors`;
  for (let seed = 1; seed <= 6; seed++) {
    Deno.test(`DownTrack sends what can be decoded of ${name} under random allowances (seed ${seed})`, () => {
      const world = new SvcWorld({ seed, ...stream, target: EVERYTHING });
      shake(world, world.down, new SeededRandom(seed), 40);
      world.down.setAllowance(1, 3, world.now);
      world.run(3_000);
      assert.ok(world.received.length > 200, `${world.received.length} packets`);
      assertSvcDecodable(world);
      const tail = world.received.slice(-12).map(({ frame }) => world.frames.get(frame)!.s);
      assert.equal(Math.max(...tail), 1);
    });
  }
}

/** Two streams of H.264 without temporal layers: each frame needs the one before. */
class H264World {
  now = 1_000;
  readonly sink = new RecordingSink();
  readonly up: UpTrack;
  readonly down: DownTrack;
  readonly #wantsKey = [true, true];
  readonly #sequence = [100, 200];
  #frame = 0;

  constructor() {
    assert.equal(codecFamily("video/H264"), CODEC.h264);
    const parameters = codec("video/H264", 96, 97);
    this.up = new UpTrack({
      kind: "video",
      extensions: [],
      listener: { onNack() {}, onKeyFrameNeeded: (ssrc) => this.#wantsKey[ssrc - 70] = true },
    });
    this.down = new DownTrack({
      section: { mid: "1", kind: "video", ssrc: 9, codecs: [parameters], extensions: [] },
      publisherExtensions: [],
      sink: this.sink,
      place: undefined,
      listener: layerListener(() => {}),
      target: EVERYTHING,
    });
    this.up.bindLayer(0, 70, parameters, this.now);
    this.up.bindLayer(1, 71, parameters, this.now);
    this.up.addDownTrack(this.down, this.now);
  }

  run(ms: number): void {
    for (const end = this.now + ms; this.now < end;) {
      this.now++;
      if (this.now % 33 === 0) this.#publish();
      if (this.now >= this.up.nextWakeAt()) this.up.tick(this.now);
      if (this.now >= this.down.nextWakeAt()) this.down.tick(this.now);
    }
  }

  #publish(): void {
    this.#frame++;
    for (const spatial of [0, 1] as const) {
      const isKey = this.#wantsKey[spatial]!;
      this.#wantsKey[spatial] = false;
      const payload = Uint8Array.of(
        isKey ? 0x67 : 0x41,
        isKey ? 1 : 0,
        spatial,
        this.#frame >> 8,
        this.#frame & 0xff,
      );
      const packet = rtpPacket({
        ssrc: 70 + spatial,
        payloadType: 96,
        sequenceNumber: this.#sequence[spatial]!++ & 0xffff,
        timestamp: this.now * 90,
        marker: true,
        payload,
      });
      this.up.receive(spatial, viewOf(packet), this.now);
    }
  }

  /** What was sent: layer, frame, and whether it is a key frame. */
  get received() {
    return this.sink.views.filter(({ ssrc, payloadLength }) => ssrc === 9 && payloadLength > 0)
      .map(({ bytes, payloadOffset: at }) => ({
        isKey: bytes[at + 1] === 1,
        spatial: bytes[at + 2]!,
        frame: (bytes[at + 3]! << 8) | bytes[at + 4]!,
      }));
  }
}

for (let seed = 1; seed <= 10; seed++) {
  Deno.test(`DownTrack sends what can be decoded of H.264 simulcast under random allowances (seed ${seed})`, () => {
    const world = new H264World();
    shake(world, world.down, new SeededRandom(seed), 60);
    const { received } = world;
    assert.ok(received.length > 300, `${received.length} frames`);
    received.forEach((packet, i) => {
      const before = received[i - 1];
      const follows = before?.spatial === packet.spatial && before.frame === packet.frame - 1;
      assert.ok(packet.isKey || follows, `frame ${packet.frame} of layer ${packet.spatial}`);
    });
    assert.deepEqual([...new Set(received.map(({ spatial }) => spatial))].sort(), [0, 1]);
  });
}
