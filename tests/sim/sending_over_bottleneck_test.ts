/**
 * A connection's sending side over a path with a bottleneck, to a receiver that reports and asks for
 * what it misses as libwebrtc does: what is sent follows what the path carries, and what is sent
 * again never makes it worse. On virtual time.
 */
import assert from "node:assert/strict";
import type { DownTrackId, UpTrackId } from "../../lib/base/ids.ts";
import { EXTENSION_URI } from "../../lib/base/media_vocabulary.ts";
import {
  type NumberedPacket,
  PACKET_KIND,
  type PacketSink,
  type SendHistory,
} from "../../lib/base/packet_sink.ts";
import { RtcpScratch } from "../../lib/engine/local/rtcp_scratch.ts";
import { SendingSide } from "../../lib/engine/local/sending_side.ts";
import { TransportFeedbackRecorder } from "../../lib/media/up/transport_feedback.ts";
import { UpTrack } from "../../lib/media/up/up_track.ts";
import {
  MAX_FEEDBACK_BYTES,
  TransportFeedback,
  writeTransportFeedback,
} from "../../lib/wire/transport_cc.ts";
import { codec, viewOf, vp8Payload } from "../support/media/forwarding_fixtures.ts";
import { rtpPacket } from "../support/media/rtp_packets.ts";
import { NarrowLink } from "../support/virtual/narrow_link.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";

const VP8 = codec("video/VP8", 96);
const SSRC = 5000;
const FRAME_MS = 33;
/** Packets of 1,000 bytes a frame, by layer: 240, 480 and 1,450 kbit/s. */
const PACKETS = [1, 2, 6] as const;
const HEADER_BYTES = 12;
const DELAY_MS = 25;

interface Arrival {
  readonly at: number;
  readonly transport: number;
  /** Extended number of the media in it, or -1. */
  readonly media: number;
  readonly kind: number;
  readonly bytes: number;
}

class LinkSink implements PacketSink {
  history?: SendHistory | undefined;
  readonly flying: Arrival[] = [];
  readonly sentBytes = [0, 0, 0, 0];
  #next = 65_000;
  readonly #room = new Uint8Array(1_600);

  constructor(readonly link: NarrowLink) {}

  reserve(): Uint8Array {
    return this.#room;
  }

  send(packet: NumberedPacket & { readonly originalSequence?: number }, now: number): void {
    const bytes = packet.written + packet.sourceLength + 16;
    this.sentBytes[packet.packetKind]! += bytes;
    this.history?.sent(packet.transportSequence, bytes, packet.packetKind, now);
    const at = this.link.arrival(bytes, now);
    if (at === undefined) return;
    const media = packet.ssrc === SSRC ? packet.sequence & 0xffff : packet.originalSequence ?? -1;
    const { transportSequence: transport, packetKind: kind } = packet;
    this.flying.push({ at, transport, media, kind, bytes });
  }

  nextTransportSequence(): number {
    return this.history === undefined ? -1 : this.#next++ & 0xffff;
  }
}

/** A publisher of three layers, one subscriber, and the path between the server and it. */
class World {
  now = 1_000;
  readonly link = new NarrowLink(new SeededRandom(4));
  readonly sink = new LinkSink(this.link);
  readonly side: SendingSide;
  /** What arrived, and layers that were sent, since {@linkcode World.begin}. */
  arrivedBytes = 0;
  repairs = 0;
  queueMs = 0;
  readonly spatial: number[] = [];
  readonly #up: UpTrack;
  readonly #feedback = new TransportFeedbackRecorder();
  readonly #report = new TransportFeedback();
  readonly #wantsKey = new Set<number>([0, 1, 2]);
  readonly #missing = new Map<number, number>();
  readonly #asked: { at: number; run: () => void }[] = [];
  #highest = -1;
  #frame = 0;
  readonly #sequence = [0, 0, 0];

  constructor() {
    this.link.delayMs = DELAY_MS;
    this.#up = new UpTrack({
      kind: "video",
      extensions: [],
      listener: { onNack() {}, onKeyFrameNeeded: (ssrc) => void this.#wantsKey.add(ssrc - 1) },
    });
    this.side = new SendingSide({
      emit: (event) => event.type === "down_track_layer" && void this.spatial.push(event.spatial),
      sink: this.sink,
      sendRtcp: () => {},
      random: new SeededRandom(1),
      failed: (error) => {
        throw error;
      },
      measured: () => {},
      timed: () => {},
      rtcp: new RtcpScratch(),
    });
    for (const layer of [0, 1, 2] as const) this.#up.bindLayer(layer, layer + 1, VP8, this.now);
    this.side.add(
      "DT_1" as DownTrackId,
      "UT_1" as UpTrackId,
      this.#up,
      {
        mid: "0",
        kind: "video",
        ssrc: SSRC,
        rtxSsrc: SSRC + 1,
        cname: "c",
        codecs: [{ ...codec("video/VP8", 96, 97), feedback: ["transport-cc"] }],
        extensions: [{ id: 5, uri: EXTENSION_URI.transportCc }],
      },
      { enabled: true, maxSpatial: 2, maxTemporal: 3 },
      this.now,
    );
    this.side.start(this.now);
  }

  get estimate() {
    return this.side.bandwidth.estimate!;
  }

  begin(): void {
    this.arrivedBytes = this.repairs = this.queueMs = 0;
    this.sink.sentBytes.fill(0);
    this.spatial.length = 0;
  }

  run(ms: number): void {
    for (const end = this.now + ms; this.now < end; this.now++) this.#step(this.now);
  }

  #step(now: number): void {
    if (now % FRAME_MS === 0) this.#publish(now);
    while (this.sink.flying.length > 0 && this.sink.flying[0]!.at <= now) {
      this.#arrived(this.sink.flying.shift()!, now);
    }
    if (now % 50 === 0 && this.#feedback.take(this.#report)) {
      const bytes = new Uint8Array(HEADER_BYTES + MAX_FEEDBACK_BYTES);
      const length = HEADER_BYTES + writeTransportFeedback(bytes, HEADER_BYTES, this.#report);
      this.#later(() => this.side.receiveTransportCc(bytes, 0, length, this.now));
    }
    if (now % 20 === 0) this.#ask(now);
    while (this.#asked.length > 0 && this.#asked[0]!.at <= now) this.#asked.shift()!.run();
    if (now % 10 === 0 && now >= this.side.nextWakeAt()) this.side.tick(now);
  }

  #publish(now: number): void {
    this.#frame++;
    for (const layer of [0, 1, 2] as const) {
      const key = this.#wantsKey.delete(layer);
      for (let i = 0; i < PACKETS[layer]!; i++) {
        const payload = vp8Payload({
          pictureId: this.#frame & 0x7fff,
          tl0: this.#frame,
          key,
          start: i === 0,
          body: new Array(1_000).fill(1),
        });
        const sequenceNumber = this.#sequence[layer]!++ & 0xffff;
        const timestamp = (this.#frame * FRAME_MS * 90) >>> 0;
        const fields = { ssrc: layer + 1, payloadType: 96, sequenceNumber, timestamp, payload };
        const marker = i === PACKETS[layer]! - 1;
        this.#up.receive(layer, viewOf(rtpPacket({ ...fields, marker })), now);
      }
    }
  }

  #arrived({ transport, media, kind, bytes, at }: Arrival, now: number): void {
    this.#feedback.record(transport, Math.round(at * 1_000), false, now);
    this.arrivedBytes += bytes;
    if (kind === PACKET_KIND.repair) this.repairs++;
    if (media < 0) return;
    this.#missing.delete(media);
    if (this.#highest < 0) this.#highest = media;
    const ahead = (media - this.#highest) << 16 >> 16;
    for (let i = 1; i < ahead && ahead < 1_000; i++) {
      this.#missing.set((this.#highest + i) & 0xffff, now);
    }
    if (ahead > 0) this.#highest = media;
  }

  /** Asks for what is missing, each 60 ms, for a second. */
  #ask(now: number): void {
    const wanted: number[] = [];
    for (const [sequence, since] of this.#missing) {
      if (now - since > 1_000) this.#missing.delete(sequence);
      else if ((now - since) % 60 < 20) wanted.push(sequence);
    }
    if (wanted.length === 0) return;
    const numbers = Uint16Array.from(wanted);
    this.#later(() => this.side.receiveNack(SSRC, numbers, numbers.length, this.now));
  }

  #later(run: () => void): void {
    this.#asked.push({ at: this.now + DELAY_MS, run });
  }
}

const layerOf = (world: World) => world.side.stats()[0]!.spatial;

Deno.test("SendingSide sends what a bottleneck carries, and goes up again when it is gone", () => {
  const world = new World();
  world.link.rateBps = 400_000;
  world.run(20_000);
  world.begin();
  world.run(20_000);
  const bps = world.arrivedBytes * 8 / 20;
  assert.equal(layerOf(world), 0, "the lowest layer is what fits");
  assert.ok(bps > 200_000 && bps < 420_000, `${bps}`);
  assert.ok(world.spatial.length <= 2, `${world.spatial}`);
  assert.ok(world.estimate.lossFraction < 0.05, `${world.estimate.lossFraction}`);
  world.link.rateBps = 10_000_000;
  world.run(45_000);
  assert.equal(layerOf(world), 2, `the whole picture: ${world.estimate.bps}`);
  world.link.rateBps = 700_000;
  world.run(5_000);
  world.begin();
  world.run(20_000);
  assert.ok(layerOf(world)! < 2, `${layerOf(world)}`);
  assert.ok(world.estimate.lossFraction < 0.1, `${world.estimate.lossFraction}`);
});

Deno.test("SendingSide makes no storm of 20 % loss: each packet is sent again about as often as it is lost", () => {
  const world = new World();
  world.link.loss = 0.2;
  world.run(10_000);
  world.begin();
  world.run(20_000);
  const media = world.sink.sentBytes[PACKET_KIND.media]!;
  const repairs = world.sink.sentBytes[PACKET_KIND.repair]!;
  assert.ok(repairs > media * 0.1, `${repairs} of ${media}: something is repaired`);
  assert.ok(repairs < media * 0.4, `${repairs} of ${media}`);
});

Deno.test("SendingSide pads on the retransmission stream to go up, and hardly while all is sent", () => {
  const world = new World();
  world.link.rateBps = 400_000;
  world.run(10_000);
  world.link.rateBps = 10_000_000;
  world.begin();
  world.run(45_000);
  assert.ok(world.sink.sentBytes[PACKET_KIND.padding]! > 0, "probed");
  world.begin();
  world.run(20_000);
  assert.equal(layerOf(world), 2);
  const [media, , , padding] = world.sink.sentBytes;
  assert.ok(padding! < media! * 0.01, `${padding} of ${media}`);
});
