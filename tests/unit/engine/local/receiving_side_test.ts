/**
 * How much a publisher's packets make the receiving side of a connection say, and that it still
 * says what is so.
 */
import assert from "node:assert/strict";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import type { ConnectionId, UpTrackId } from "../../../../lib/base/ids.ts";
import {
  type CodecParameters,
  EXTENSION_URI,
  FLEXFEC_MIME,
  type ReceiveSection,
} from "../../../../lib/base/media_vocabulary.ts";
import type { MediaEvent } from "../../../../lib/engine/messages/media_messages.ts";
import { ReceivingSide } from "../../../../lib/engine/local/receiving_side.ts";
import { RtcpScratch } from "../../../../lib/engine/local/rtcp_scratch.ts";
import { DEFAULT_AUDIO_LEVEL } from "../../../../lib/media/up/audio_level.ts";
import { FecEncoder } from "../../../../lib/media/down/fec_encoder.ts";
import { FanOutBatch } from "../../../../lib/media/packet/fan_out_batch.ts";
import type { UpTrack } from "../../../../lib/media/up/up_track.ts";
import { codec, viewOf, vp8Payload } from "../../../support/media/forwarding_fixtures.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const VP8 = codec("video/VP8", 96, 97);
const H264 = codec("video/H264", 102, 103);
const OPUS = codec("audio/opus", 111);
const RED = codec("audio/red", 63);
const MID = 4;
/**
 * As the module promises: one change of each layer a second, and for a connection 12 and 2 a
 * second.
 */
const CHANGES_AT_ONCE = 12;
const CHANGES_PER_SECOND = 2;
const CHANGE_INTERVAL_MS = 1000;

function section(
  mid: string,
  kind: "audio" | "video",
  codecs: readonly CodecParameters[],
): ReceiveSection {
  const extensions = [{ id: MID, uri: EXTENSION_URI.mid }];
  return { mid, kind, upTrack: `up-${mid}` as UpTrackId, codecs, extensions, rids: [], ssrcs: [] };
}

/** A connection's receiving side with its own time. */
class World {
  now = 10_000;
  readonly events: MediaEvent[] = [];
  /** Compounds for the publisher. */
  readonly rtcp: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  readonly drops = new DropCounters();
  readonly upTracks = new Map<UpTrackId, UpTrack>();
  readonly side: ReceivingSide;
  readonly #numbers = new Map<number, number>();

  constructor(readonly sections: readonly ReceiveSection[], rtcp = new RtcpScratch()) {
    this.side = new ReceivingSide({
      connection: "CN_1" as ConnectionId,
      emit: (event) => this.events.push(event),
      sendRtcp: (bytes, length) => this.rtcp.push({ at: this.now, bytes: bytes.slice(0, length) }),
      upTracks: this.upTracks,
      drops: this.drops,
      audioLevel: DEFAULT_AUDIO_LEVEL,
      batch: new FanOutBatch(),
      startedAt: this.now,
      timed: () => {},
      rtcp,
    });
    this.side.setSections(sections);
  }

  send(mid: string, ssrc: number, payloadType: number, payload?: Uint8Array): void {
    const sequenceNumber = (this.#numbers.get(ssrc) ?? 100) + 1;
    this.#numbers.set(ssrc, sequenceNumber);
    const bytes = rtpPacket({
      ssrc,
      payloadType,
      sequenceNumber,
      timestamp: sequenceNumber * 960,
      extensions: { [MID]: mid },
      payload: payload ?? vp8Payload({ pictureId: sequenceNumber & 0x7fff, tl0: 0 }),
    });
    this.side.receiveRtp(viewOf(bytes), this.now, this.now * 1000);
    for (const track of this.upTracks.values()) track.endRun(this.now);
  }

  /** Numbers of the first stream that are never sent. */
  skip(count: number): void {
    this.#numbers.set(1, this.#numbers.get(1)! + count);
  }

  advance(ms: number): void {
    for (const until = this.now + ms; this.now < until;) {
      this.now += 10;
      this.side.tick(this.now);
    }
  }

  arrivals(): { mime: string; ssrc: number }[] {
    return this.events.flatMap((event) =>
      event.type === "layer_arrived" ? [{ mime: event.mime, ssrc: event.ssrc }] : []
    );
  }

  packetsOf(mid: string): number {
    return this.upTracks.get(`up-${mid}` as UpTrackId)!.stats()[0]!.packets;
  }
}

Deno.test("ReceivingSide tells the first codec at once, and another one when it has lasted", () => {
  const world = new World([section("0", "video", [VP8, H264])]);
  world.send("0", 1, VP8.payloadType);
  assert.deepEqual(world.arrivals(), [{ mime: "video/VP8", ssrc: 1 }]);
  world.advance(100);
  world.send("0", 1, H264.payloadType);
  assert.equal(world.packetsOf("0"), 2, "the first change is followed at once");
  world.advance(400);
  assert.equal(world.arrivals().length, 1, "but not told yet");
  world.send("0", 1, H264.payloadType);
  world.advance(110);
  assert.deepEqual(world.arrivals()[1], { mime: "video/H264", ssrc: 1 });
  world.advance(60_000);
  assert.equal(world.arrivals().length, 2);
});

Deno.test("ReceivingSide says little about payload types that alternate, and media goes on", () => {
  const world = new World([section("0", "video", [VP8, H264])]);
  for (let i = 0; i < 10_000; i++) {
    world.send("0", 1, (i % 2 === 0 ? VP8 : H264).payloadType);
    if (i % 10 === 9) world.advance(10);
  }
  // 10 s: each second another one of the two is followed, which lasts.
  assert.ok(world.arrivals().length <= 1 + 10, `told ${world.arrivals().length} times`);
  assert.ok(world.packetsOf("0") >= 4_900, "one of the two is received all the time");
  assert.ok(world.drops.get("rtp_stream_unsettled") >= 4_900);
});

Deno.test("ReceivingSide says little about SSRCs that take turns on a layer", () => {
  const world = new World([section("0", "video", [VP8])]);
  for (let i = 0; i < 10_000; i++) {
    world.send("0", 1 + i % 2, VP8.payloadType);
    if (i % 10 === 9) world.advance(10);
  }
  assert.ok(world.arrivals().length <= 1 + 10, `told ${world.arrivals().length} times`);
  const ssrc = world.arrivals().at(-1)!.ssrc;
  assert.equal(world.upTracks.get("up-0" as UpTrackId)!.stats()[0]!.ssrc, ssrc, "as it is");
});

Deno.test("ReceivingSide follows another SSRC of a layer, and the one before when it comes back", () => {
  const world = new World([section("0", "video", [VP8])]);
  for (const ssrc of [1, 2, 1]) {
    world.send("0", ssrc, VP8.payloadType);
    world.advance(CHANGE_INTERVAL_MS);
  }
  assert.deepEqual(world.arrivals().map(({ ssrc }) => ssrc), [1, 2, 1]);
  assert.equal(world.packetsOf("0"), 3);
  assert.equal(world.drops.get("rtp_stream_unsettled"), 0);
});

Deno.test("ReceivingSide takes every packet of audio whose redundancy comes and goes", () => {
  const world = new World([section("0", "audio", [RED, OPUS])]);
  for (let i = 0; i < 500; i++) {
    const bare = i % 2 === 1;
    const payload = bare ? Uint8Array.of(0x78, i & 0xff, 3) : Uint8Array.of(OPUS.payloadType, 1, 2);
    world.send("0", 1, (bare ? OPUS : RED).payloadType, payload);
    world.advance(20);
  }
  assert.equal(world.packetsOf("0"), 500);
  assert.deepEqual(world.arrivals(), [{ mime: "audio/red", ssrc: 1 }], "nothing lasted");
  world.advance(1_000);
  assert.deepEqual(world.arrivals()[1], { mime: "audio/opus", ssrc: 1 });
});

Deno.test("ReceivingSide tells what it knows again when the sections are described anew", () => {
  const world = new World([section("0", "video", [VP8, H264])]);
  for (let i = 0; i < 3; i++) {
    world.send("0", 1, VP8.payloadType);
    world.advance(2_000);
    world.side.setSections(world.sections);
  }
  assert.deepEqual(world.arrivals(), Array(3).fill({ mime: "video/VP8", ssrc: 1 }));
  world.send("0", 1, H264.payloadType);
  world.advance(400);
  assert.equal(world.arrivals().length, 3, "a new description does not hurry a change");
  world.advance(200);
  assert.deepEqual(world.arrivals()[3], { mime: "video/H264", ssrc: 1 });
});

for (const seed of [1, 2, 3]) {
  Deno.test(`ReceivingSide keeps to its budget over many tracks and ends up telling the truth (seed ${seed})`, () => {
    const random = new SeededRandom(seed);
    const mids = Array.from({ length: 40 }, (_, i) => `${i}`);
    const world = new World(mids.map((mid) => section(mid, "video", [VP8, H264])));
    const seconds = 60;
    for (let i = 0; i < seconds * 100; i++) {
      for (let k = 0; k < 20; k++) {
        const at = random.below(mids.length);
        const payloadType = random.below(2) === 0 ? VP8.payloadType : H264.payloadType;
        world.send(mids[at]!, 1000 + at, payloadType);
      }
      world.advance(10);
    }
    const changes = world.arrivals().length - mids.length;
    assert.ok(changes <= CHANGES_AT_ONCE + seconds * CHANGES_PER_SECOND, `${changes} changes`);
    assert.ok(changes >= seconds, "changes are told, too");
    world.advance(60_000);
    const told = new Map(world.arrivals().map(({ ssrc, mime }) => [ssrc, mime]));
    mids.forEach((mid, at) => {
      const layer = world.upTracks.get(`up-${mid}` as UpTrackId)!.layer(0)!;
      assert.equal(told.get(1000 + at), layer.codec.mime);
    });
  });
}

Deno.test("ReceivingSide tells a size at once, another when it has lasted, and none that alternate", () => {
  const world = new World([section("0", "video", [VP8])]);
  const sizes = () => world.events.flatMap((event) => event.type === "layer_size" ? [event] : []);
  const key = (width: number) =>
    world.send(
      "0",
      1,
      VP8.payloadType,
      vp8Payload({
        pictureId: 5,
        tl0: 0,
        key: true,
        body: [0x10, 0, 0, 0x9d, 0x01, 0x2a, width & 0xff, width >> 8, 90, 0],
      }),
    );
  key(160);
  world.advance(1_000);
  assert.deepEqual(sizes().map(({ width, height }) => [width, height]), [[160, 90]]);
  for (let i = 0; i < 60; i++) {
    key(i % 2 === 0 ? 320 : 640);
    world.advance(1_000);
  }
  assert.equal(sizes().length, 1);
  world.advance(1_000);
  assert.deepEqual(sizes().map(({ width }) => width), [160, 640]);
});

/**
 * The middle 32 bits of the newest reference time the publisher was sent (RFC 3611 §4.4), by hand.
 */
function lastReference({ rtcp }: World): number {
  for (const { bytes } of rtcp.toReversed()) {
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < bytes.length; at += 4 * (view.getUint16(at + 2) + 1)) {
      if (bytes[at + 1] === 207 && bytes[at + 8] === 4) return view.getUint32(at + 14);
    }
  }
  throw new Error("no reference time was sent");
}

/** When packets were asked for again, ms after the first of these requests. */
function requests({ rtcp }: World): number[] {
  const times = rtcp.filter(({ bytes }) => bytes[0] === 0x81 && bytes[1] === 205)
    .map(({ at }) => at);
  return times.map((at) => at - times[0]!);
}

/** Loses one packet and lets every request for it go out. */
function lose(world: World): number[] {
  world.rtcp.length = 0;
  world.skip(1);
  world.send("0", 1, VP8.payloadType);
  world.advance(3_000);
  return requests(world);
}

Deno.test("ReceivingSide paces its requests by the round trip that its publisher's answers show", () => {
  const world = new World([section("0", "video", [VP8])]);
  world.send("0", 1, VP8.payloadType);
  world.advance(1_010);
  // 70 ms until one is measured; each wait is 1.25 times the one before, in steps of the timer.
  assert.deepEqual(lose(world), [0, 70, 160, 270, 410]);
  const reference = lastReference(world);
  const sentAt = world.rtcp.findLast(({ bytes }) => bytes[1] === 201)!.at;
  world.now = sentAt + 500;
  const heldMs = 300;
  for (let i = 0; i < 8; i++) {
    world.side.receiveReferenceAnswer(1, reference, heldMs * 65_536 / 1_000, world.now);
  }
  assert.deepEqual(lose(world), [0, 200, 450, 770, 1_170], "200 ms, and 400 at most");
});

Deno.test("ReceivingSide gives a new track the round trip that is known", () => {
  const world = new World([]);
  for (let i = 0; i < 8; i++) world.side.updateRtt(200);
  world.side.setSections([section("0", "video", [VP8])]);
  world.send("0", 1, VP8.payloadType);
  const [, first] = lose(world);
  assert.ok(first! >= 160, `asked again after ${first} ms`);
});

Deno.test("ReceivingSide believes no answer to what it never asked, and none that is absurd", () => {
  const world = new World([section("0", "video", [VP8])]);
  world.send("0", 1, VP8.payloadType);
  world.advance(1_010);
  const reference = lastReference(world);
  const answer = (ssrc: number, of: number, delay: number) =>
    world.side.receiveReferenceAnswer(ssrc, of, delay, world.now);
  answer(1, reference ^ 1, 0);
  answer(2, reference, 0);
  answer(1, 0, 0);
  assert.equal(world.drops.get("rtcp_unknown_reference"), 3);
  world.advance(10_050);
  answer(1, reference, 0);
  assert.equal(world.drops.get("rtcp_unknown_reference"), 4, "too long ago");
  assert.deepEqual(lose(world), [0, 70, 160, 270, 410], "as before");
  for (let i = 0; i < 8; i++) answer(1, lastReference(world), 0xffff_ffff);
  assert.deepEqual(lose(world), [0, 20, 40, 60, 80], "a delay beyond all time is no time at all");
});

/** Report blocks of the receiver reports that were sent (RFC 3550 §6.4.2), by hand. */
function reportBlocks({ rtcp }: World): { ssrc: number; highest: number }[] {
  const reports = rtcp.map(({ bytes }) => bytes).filter((bytes) => bytes[1] === 201);
  return reports.map((bytes) => {
    const view = new DataView(bytes.buffer);
    return { ssrc: view.getUint32(8), highest: view.getUint32(16) };
  });
}

Deno.test("ReceivingSide reports what it received, not what others did that share its scratch", () => {
  const scratch = new RtcpScratch();
  const worlds = [1, 2, 3].map((ssrc) => {
    const world = new World([section("0", "video", [VP8])], scratch);
    for (let i = 0; i < ssrc * 10; i++) world.send("0", ssrc, VP8.payloadType);
    return world;
  });
  for (let turn = 0; turn < 200; turn++) for (const world of worlds) world.advance(10);
  worlds.forEach((world, i) => {
    const reported = reportBlocks(world);
    assert.ok(reported.length > 0);
    const [ssrc, highest] = [i + 1, 100 + (i + 1) * 10];
    for (const block of reported) assert.deepEqual(block, { ssrc, highest });
  });
});

Deno.test("ReceivingSide swaps layers whose ids were described the other way round", () => {
  const rid = 5;
  const extensions = [{ id: MID, uri: EXTENSION_URI.mid }, { id: rid, uri: EXTENSION_URI.rid }];
  const described = (rids: string[]) => ({ ...section("0", "video", [VP8]), extensions, rids });
  const world = new World([described(["b", "a"])]);
  const widths = new Map([["a", 160], ["b", 640]]);
  let sequenceNumber = 1;
  const round = () => {
    for (const [at, id] of ["a", "b"].entries()) {
      const width = widths.get(id)!;
      const body = [0x10, 0, 0, 0x9d, 0x01, 0x2a, width & 0xff, width >> 8, 90, 0];
      const bytes = rtpPacket({
        ssrc: 1 + at,
        payloadType: VP8.payloadType,
        sequenceNumber: sequenceNumber++,
        timestamp: sequenceNumber * 960,
        extensions: { [MID]: "0", [rid]: id },
        payload: vp8Payload({ pictureId: sequenceNumber, tl0: 0, key: true, body }),
      });
      world.side.receiveRtp(viewOf(bytes), world.now, world.now * 1000);
    }
    world.advance(1_000);
  };
  const sizes = () =>
    world.events.flatMap((event) =>
      event.type === "layer_size" ? [[event.rid, event.spatial, event.width]] : []
    );
  const arrivals = () =>
    world.events.flatMap((event) =>
      event.type === "layer_arrived" ? [[event.rid, event.spatial, event.ssrc]] : []
    );
  round();
  assert.deepEqual(sizes(), [["b", 0, 640], ["a", 1, 160]]);
  world.events.length = 0;
  world.side.setSections([described(["a", "b"])]);
  for (let i = 0; i < 3; i++) round();
  assert.deepEqual(arrivals(), [["a", 0, 1], ["b", 1, 2]]);
  assert.deepEqual(sizes(), [["a", 0, 160], ["b", 1, 640]]);
  const track = world.upTracks.get("up-0" as UpTrackId)!;
  assert.deepEqual([0, 1].map((layer) => track.layer(layer)?.ssrc), [1, 2]);
  assert.equal(world.drops.snapshot().rtp_stream_unsettled ?? 0, 0);
});

Deno.test("ReceivingSide gives repair packets to the track they repair, which tells nothing of them", () => {
  const flexfec = codec(FLEXFEC_MIME, 49);
  const world = new World([section("0", "video", [VP8, flexfec])]);
  const encoder = new FecEncoder(1);
  world.send("0", 1, VP8.payloadType);
  const lost = rtpPacket({
    ssrc: 1,
    payloadType: VP8.payloadType,
    sequenceNumber: 102,
    timestamp: 102 * 960,
    payload: vp8Payload({ pictureId: 102, tl0: 0 }),
  });
  const whole = { written: lost.length, source: lost, sourceAt: 0, sourceLength: 0 };
  assert.ok(encoder.add(102, lost, whole, -1, -1));
  assert.ok(encoder.finish());
  const told = world.events.length;
  const payload = encoder.bytes.slice(encoder.at, encoder.at + encoder.length);
  world.send("0", 2, 49, payload);
  assert.equal(world.packetsOf("0"), 2);
  assert.equal(world.events.length, told);
  assert.deepEqual(world.drops.snapshot(), {});
  world.advance(2_000);
  assert.deepEqual(world.arrivals(), [{ mime: "video/VP8", ssrc: 1 }]);
});

Deno.test("ReceivingSide knows when packets come again of what was lost, once for each interval", () => {
  const world = new World([section("0", "video", [VP8]), section("1", "audio", [OPUS])]);
  const { side } = world;
  const report = (ssrc: number) => side.receiveSenderReport(ssrc, 1_000, 0, 0, world.now);
  const interval = (ms: number) => {
    world.advance(ms);
    side.intervals(world.now);
  };
  const packets = () => {
    world.advance(10);
    world.send("0", 1, VP8.payloadType);
    world.send("1", 2, OPUS.payloadType);
  };
  packets();
  for (const ssrc of [1, 2]) report(ssrc);
  interval(5_000);
  packets();
  assert.equal(side.isBack, false, "it was never away");

  interval(5_000); // the packets above
  interval(5_000);
  assert.equal(side.isBack, false, "nothing comes");
  report(1);
  assert.equal(side.isBack, false, "reports are no packets");
  packets();
  assert.equal(side.isBack, true);
  interval(300);
  packets();
  assert.equal(side.isBack, false, "that was told");
});

Deno.test("ReceivingSide awaits nothing of a track that is muted, only still, or over", () => {
  const world = new World([section("0", "video", [VP8])]);
  const { side } = world;
  const packets = () => {
    world.advance(10);
    world.send("0", 1, VP8.payloadType);
  };
  const goneFor = (ms: number) => {
    side.intervals(world.now);
    world.advance(ms);
    side.intervals(world.now);
  };
  packets();
  goneFor(5_000);
  packets();
  assert.equal(side.isBack, false, "its publisher never reported");
  world.advance(4_000);
  side.receiveSenderReport(1, 1_000, 0, 0, world.now);
  goneFor(5_000);
  packets();
  assert.equal(side.isBack, false, "its publisher reported all the time");
  const [track] = world.upTracks.values();
  track!.setMuted(true, world.now);
  goneFor(10_000);
  packets();
  assert.equal(side.isBack, false, "it was muted");
  track!.setMuted(false, world.now);
  goneFor(10_000);
  side.setSections([]);
  assert.equal(side.isBack, false, "it is over");
});

Deno.test("ReceivingSide takes a moment's silence for no loss, and awaits what is still away", () => {
  const world = new World([section("0", "video", [VP8]), section("1", "audio", [OPUS])]);
  const { side } = world;
  const packet = (of: "video" | "audio") => {
    world.advance(10);
    if (of === "video") world.send("0", 1, VP8.payloadType);
    else world.send("1", 2, OPUS.payloadType);
  };
  const interval = (ms: number) => {
    world.advance(ms);
    side.intervals(world.now);
  };
  for (const kind of ["video", "audio"] as const) packet(kind);
  for (const ssrc of [1, 2]) side.receiveSenderReport(ssrc, 1_000, 0, 0, world.now);
  interval(5_000);
  interval(5_000);
  packet("audio");
  assert.equal(side.isBack, true);
  interval(500);
  side.receiveSenderReport(1, 1_001, 0, 0, world.now);
  interval(500);
  packet("audio");
  assert.equal(side.isBack, false, "it was silent for half a second");
  packet("video");
  assert.equal(side.isBack, true, "it was not back yet, but for a report");
});
