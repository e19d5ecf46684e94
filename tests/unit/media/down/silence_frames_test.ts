/** What follows audio that is cut off. */
import assert from "node:assert/strict";
import type { CodecParameters } from "../../../../lib/base/media_vocabulary.ts";
import { DownTrack } from "../../../../lib/media/down/down_track.ts";
import {
  codec,
  layerListener,
  publishedTrack,
  RecordingSink,
  viewOf,
} from "../../../support/media/forwarding_fixtures.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";

const OPUS = codec("audio/opus", 111);
const RED = codec("audio/red", 63, undefined, "111/111");
const PCMU = codec("audio/PCMU", 0);
const WANTED = { enabled: true, maxSpatial: 0, maxTemporal: 3 } as const;
const SILENCE = [0xf8, 0xff, 0xfe];
const FRAMES = 10;

class World {
  now = 10_000;
  readonly sink = new RecordingSink();
  readonly up = publishedTrack("audio");
  readonly down: DownTrack;
  readonly wakes: number[] = [];
  readonly #source: CodecParameters;
  #number = 500;

  constructor(source = OPUS, accepted: readonly CodecParameters[] = [OPUS], isEncrypted = false) {
    this.#source = source;
    this.up.bindLayer(0, 1_000, source, this.now);
    this.down = new DownTrack({
      section: {
        mid: "0",
        kind: "audio",
        ssrc: 7,
        codecs: accepted,
        extensions: [],
        openAfterMs: 1e9,
        ...(isEncrypted ? { isEncrypted } : {}),
      },
      publisherExtensions: [],
      sink: this.sink,
      place: undefined,
      listener: { ...layerListener(), onTimed: (at) => void this.wakes.push(at) },
      target: WANTED,
    });
    this.up.addDownTrack(this.down, this.now);
  }

  /** The publisher speaks for so many frames of 20 ms. */
  speak(frames: number): void {
    for (let i = 0; i < frames; i++) {
      const fields = { ssrc: 1_000, payloadType: this.#source.payloadType };
      const [sequenceNumber, timestamp] = [this.#number++, this.#number * 960];
      const payload = Uint8Array.of(1, 2, 3, 4);
      const packet = rtpPacket({ ...fields, sequenceNumber, timestamp, payload });
      this.up.receive(0, viewOf(packet), this.now);
      this.pass(20);
    }
  }

  pass(ms: number): void {
    for (const until = this.now + ms; this.now < until;) {
      this.now++;
      if (this.now >= this.down.nextWakeAt()) this.down.tick(this.now);
    }
  }

  /** What came since `from`: type, number, time, payload. */
  since(from: number) {
    return this.sink.views.slice(from).map((view) => ({
      type: view.payloadType,
      number: view.sequenceNumber,
      time: view.timestamp,
      payload: [
        ...view.bytes.subarray(view.payloadOffset, view.payloadOffset + view.payloadLength),
      ],
    }));
  }
}

Deno.test("Audio that is muted while it flows ends in 200 ms of silence, in its own numbers and time", () => {
  for (const by of ["publisher", "subscriber"]) {
    const world = new World();
    world.speak(5);
    const last = world.since(4)[0]!;
    if (by === "publisher") world.up.setMuted(true, world.now);
    else world.down.setTarget({ ...WANTED, enabled: false }, world.now);
    assert.ok(world.wakes.includes(world.now + 20), "it is asked for in time");
    world.pass(1_000);
    const silence = world.since(5);
    assert.deepEqual(silence.map(({ payload }) => payload), new Array(FRAMES).fill(SILENCE));
    assert.deepEqual(silence.map(({ type }) => type), new Array(FRAMES).fill(111));
    assert.deepEqual(
      silence.map(({ number }) => number - last.number),
      [
        ...silence.keys(),
      ].map((i) => i + 1),
    );
    // The mute came 20 ms after the last frame.
    assert.deepEqual(
      silence.map(({ time }) => time - last.time),
      [
        ...silence.keys(),
      ].map((i) => (i + 2) * 960),
    );
    assert.equal(world.down.nextWakeAt(), Infinity);
  }
});

Deno.test("Silence ends when the voice is there again, whose numbers and time go on", () => {
  const world = new World();
  world.speak(5);
  world.up.setMuted(true, world.now);
  world.pass(65);
  world.up.setMuted(false, world.now);
  world.speak(3);
  const all = world.since(0);
  assert.deepEqual(all.map(({ payload }) => payload.length), [4, 4, 4, 4, 4, 3, 3, 3, 4, 4, 4]);
  assert.deepEqual(all.map(({ number }) => number), all.map((_, i) => 500 + i));
  const times = all.map(({ time }) => time);
  assert.deepEqual(times, times.toSorted((a, b) => a - b));
  assert.equal(new Set(times).size, times.length);
});

Deno.test("Redundant audio ends in silence of its kind, and bare opus where that is sent", () => {
  const red = new World(OPUS, [RED, OPUS]);
  red.speak(3);
  const { type } = red.since(2)[0]!;
  red.up.setMuted(true, red.now);
  red.pass(300);
  const [first] = red.since(3);
  assert.equal(first!.type, type);
  assert.deepEqual(first!.payload, type === RED.payloadType ? [111, ...SILENCE] : SILENCE);
  assert.equal(red.since(3).length, FRAMES);
});

Deno.test("No silence follows what did not flow, what nobody here can make, and what has left", () => {
  const quiet = new World();
  quiet.up.setMuted(true, quiet.now);
  quiet.pass(500);
  assert.equal(quiet.sink.packets.length, 0, "nothing was sent");
  for (const world of [new World(OPUS, [OPUS], true), new World(PCMU, [PCMU])]) {
    world.speak(3);
    world.up.setMuted(true, world.now);
    world.pass(500);
    assert.equal(world.sink.packets.length, 3);
    assert.equal(world.down.nextWakeAt(), Infinity);
  }
  const gone = new World();
  gone.speak(3);
  gone.up.setMuted(true, gone.now);
  gone.up.removeDownTrack(gone.down);
  gone.pass(500);
  assert.equal(gone.sink.packets.length, 3);
});
