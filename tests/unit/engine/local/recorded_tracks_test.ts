/** Recorded tracks of an engine: what is told, how soon, and what becomes of them. */
import assert from "node:assert/strict";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import type { DownTrackId, UpTrackId } from "../../../../lib/base/ids.ts";
import { silentLog } from "../../../../lib/base/platform.ts";
import { BUNDLE_MS } from "../../../../lib/engine/local/packet_bundle.ts";
import { RecordedTracks } from "../../../../lib/engine/local/recorded_tracks.ts";
import type { EngineDrop } from "../../../../lib/engine/drop_reasons.ts";
import type { MediaEvent } from "../../../../lib/engine/messages/media_messages.ts";
import { UpTrack } from "../../../../lib/media/up/up_track.ts";
import { codec, viewOf, vp8Payload } from "../../../support/media/forwarding_fixtures.ts";
import { packetsOf } from "../../../support/media/packet_bundles.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";

const DOWN = "DT_1" as DownTrackId;
const FIRST = "UT_1" as UpTrackId;
const SECOND = "UT_2" as UpTrackId;
/** Of the publisher, and of the recording. */
const SENT = codec("video/VP8", 120);
const RECORDED = codec("video/VP8", 96);

type Recorded = Extract<MediaEvent, { readonly type: "recorded" }>;

class World {
  readonly events: MediaEvent[] = [];
  readonly upTracks = new Map<UpTrackId, UpTrack>();
  readonly asked: number[] = [];
  readonly timed: number[] = [];
  readonly drops = new DropCounters<EngineDrop>();
  readonly world = {
    upTracks: this.upTracks,
    emit: (event: MediaEvent) => void this.events.push(structuredClone(event)),
    timed: (at: number) => void this.timed.push(at),
    drops: this.drops,
    log: silentLog,
  };
  readonly tracks = new RecordedTracks(this.world);
  now = 1_000;
  #sequence = 65_530;

  constructor() {
    for (const id of [FIRST, SECOND]) {
      const listener = {
        onNack: () => {},
        onKeyFrameNeeded: (ssrc: number) => this.asked.push(ssrc),
      };
      const upTrack = new UpTrack({ kind: "video", extensions: [], listener });
      upTrack.bindLayer(0, 7, SENT, this.now);
      this.upTracks.set(id, upTrack);
    }
  }

  record(upTrack: UpTrackId = FIRST): void {
    this.tracks.carryOut({
      type: "record_track",
      downTrack: DOWN,
      upTrack,
      kind: "video",
      codecs: [RECORDED],
    }, this.now);
  }

  send(upTrack: UpTrackId, key: boolean, body: readonly number[] = [0, 1, 2]): void {
    const n = this.#sequence++;
    const fields = { ssrc: 7, payloadType: SENT.payloadType, sequenceNumber: n & 0xffff };
    const payload = vp8Payload({ pictureId: n & 0x7fff, tl0: n & 0xff, key, body });
    const timestamp = (n * 3_000) >>> 0;
    const packet = rtpPacket({ ...fields, timestamp, marker: true, payload });
    this.upTracks.get(upTrack)!.receive(0, viewOf(packet), this.now);
  }

  tick(ms: number): void {
    this.now += ms;
    this.tracks.tick(this.now);
  }

  get recorded(): Recorded[] {
    return this.events.filter((event) => event.type === "recorded");
  }

  /** Every packet told so far. */
  get packets() {
    return this.recorded.flatMap(({ packets }) => packetsOf(packets));
  }
}

Deno.test("RecordedTracks tells a track's packets from a key frame on, in bundles, in time", () => {
  const world = new World();
  world.record();
  assert.deepEqual(world.asked, [7], "a key frame at once");
  world.send(FIRST, false);
  world.send(FIRST, true);
  world.send(FIRST, false);
  assert.equal(world.tracks.nextWakeAt(), world.now + BUNDLE_MS);
  world.tick(BUNDLE_MS - 1);
  assert.equal(world.recorded.length, 0);
  world.tick(1);
  assert.equal(world.recorded.length, 1);
  assert.equal(world.recorded[0]!.ageMs, BUNDLE_MS);
  const [key, next] = world.packets;
  assert.equal(world.packets.length, 2);
  assert.equal(key!.payloadType, RECORDED.payloadType);
  assert.equal((next!.sequenceNumber - key!.sequenceNumber) & 0xffff, 1);
  assert.deepEqual([...key!.bytes.subarray(key!.length - 2, key!.length)], [1, 2]);
});

Deno.test("RecordedTracks tells a full bundle before its time, and the rest when it ends", () => {
  const world = new World();
  world.record();
  for (let i = 0; i < 80; i++) world.send(FIRST, i === 0, new Array(1_100).fill(i));
  assert.ok(world.recorded.length >= 1, "80 × 1.1 kB are more than a bundle");
  world.tracks.carryOut({ type: "remove_down_track", downTrack: DOWN }, world.now);
  assert.equal(world.packets.length, 80);
  world.send(FIRST, true);
  world.tick(1_000);
  assert.equal(world.packets.length, 80, "nothing more");
  assert.equal(world.upTracks.get(FIRST)!.downTrackCount, 0);
  assert.equal(world.tracks.nextWakeAt(), Infinity);
});

Deno.test("RecordedTracks goes on with another up-track as the same stream", () => {
  const world = new World();
  world.record();
  world.send(FIRST, true);
  world.tick(BUNDLE_MS);
  world.asked.length = 0;
  const source = { type: "set_down_track_source", downTrack: DOWN, upTrack: SECOND } as const;
  assert.ok(world.tracks.carryOut(source, world.now));
  assert.deepEqual(world.asked, [7]);
  world.send(SECOND, false);
  world.send(SECOND, true);
  world.tick(BUNDLE_MS);
  const [before, after] = world.packets;
  assert.equal(world.packets.length, 2);
  assert.equal(after!.sequenceNumber, (before!.sequenceNumber + 1) & 0xffff);
  const ticks = (after!.timestamp - before!.timestamp) | 0;
  assert.ok(ticks > 0 && ticks < 90_000, `${ticks} ticks later`);
});

Deno.test("RecordedTracks tells the publisher's clock with what it records", () => {
  const world = new World();
  world.record();
  world.send(FIRST, true);
  world.tick(BUNDLE_MS);
  assert.equal(world.recorded[0]!.clock, undefined, "not known yet");
  const { timestamp } = world.packets[0]!;
  // 2,000,000.5 s since 1900 were 65,531 × 3,000 ticks.
  world.upTracks.get(FIRST)!.receiveSenderReport(
    0,
    2_000_000,
    0x8000_0000,
    (65_530 * 3_000) >>> 0,
    world.now,
  );
  world.send(FIRST, false);
  world.tick(BUNDLE_MS);
  const { clock } = world.recorded[1]!;
  const passedMs = clock!.ntpMs - 2_000_000_500;
  assert.ok(Math.abs(passedMs - BUNDLE_MS) < 1, `${passedMs}`);
  assert.ok(Math.abs(((clock!.rtpTimestamp - timestamp) | 0) - 90 * BUNDLE_MS) <= 90);
});

Deno.test("RecordedTracks tells when a bundle is due, and that a track is not here", () => {
  const world = new World();
  world.record("UT_none" as UpTrackId);
  assert.deepEqual(world.events, [{ type: "recording_lost", downTrack: DOWN }]);
  world.record();
  world.timed.length = 0;
  world.send(FIRST, true);
  world.send(FIRST, false);
  assert.deepEqual(world.timed.filter((at) => at === world.now + BUNDLE_MS).length, 1);
});

Deno.test("RecordedTracks passes a request for a key frame on, and leaves others' commands alone", () => {
  const world = new World();
  world.record();
  world.send(FIRST, true);
  world.asked.length = 0;
  world.now += 2_000;
  const other = "DT_other" as DownTrackId;
  world.tracks.carryOut({ type: "request_key_frame", downTrack: other }, world.now);
  assert.deepEqual(world.asked, []);
  world.tracks.carryOut({ type: "request_key_frame", downTrack: DOWN }, world.now);
  assert.deepEqual(world.asked, [7]);
  const remove = { type: "remove_down_track", downTrack: other } as const;
  assert.equal(world.tracks.carryOut(remove, world.now), false);
});

Deno.test("RecordedTracks ends a recording alone that hits a bug, in a command or on a tick", () => {
  const ofCommand = new World();
  ofCommand.upTracks.get(FIRST)!.addDownTrack = () => {
    throw new Error("bug");
  };
  ofCommand.record();
  const ofTick = new World();
  ofTick.record();
  ofTick.send(FIRST, true);
  const { emit } = ofTick.world;
  ofTick.world.emit = (event) => {
    if (event.type === "recorded") throw new Error("bug");
    emit(event);
  };
  ofTick.tick(BUNDLE_MS);
  for (const world of [ofCommand, ofTick]) {
    assert.deepEqual(world.events, [{ type: "recording_lost", downTrack: DOWN }]);
    assert.equal(world.drops.snapshot().engine_threw, 1);
    assert.equal(world.tracks.nextWakeAt(), Infinity);
  }
});
