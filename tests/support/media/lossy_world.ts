/**
 * A connection's sending side over a path that loses packets both ways, on virtual time: a publisher
 * of one layer, and a subscriber that asks for what it misses, reports, and tells what arrived as
 * libwebrtc does, and shows each picture as long after its time as it was told to wait.
 *
 * @module
 */
import type { DownTrackId, UpTrackId } from "../../../lib/base/ids.ts";
import { EXTENSION_URI } from "../../../lib/base/media_vocabulary.ts";
import {
  NOT_NUMBERED,
  type NumberedPacket,
  PACKET_KIND,
  type PacketSink,
  type SendHistory,
  SKIPPED,
} from "../../../lib/base/packet_sink.ts";
import type { SendingSide } from "../../../lib/engine/local/sending_side.ts";
import { TransportFeedbackRecorder } from "../../../lib/media/up/transport_feedback.ts";
import type { UpTrack } from "../../../lib/media/up/up_track.ts";
import { ReportBlock } from "../../../lib/wire/rtcp.ts";
import {
  MAX_FEEDBACK_BYTES,
  TransportFeedback,
  writeTransportFeedback,
} from "../../../lib/wire/transport_cc.ts";
import { SeededRandom } from "../virtual/seeded_random.ts";
import { codec, publishedTrack, viewOf, vp8Payload } from "./forwarding_fixtures.ts";
import { rtpPacket } from "./rtp_packets.ts";
import { testSendingSide } from "./test_sending_side.ts";

const VP8 = codec("video/VP8", 96);
const SSRC = 5000;
/** 15 pictures a second of 11 packets: 1,450 kbit/s. */
const PICTURE_MS = 66;
const PACKETS = 11;
/** Chromium spreads a picture at 2.5 times its rate: a packet each 2 ms. */
const PACKET_MS = 2;
const BODY_BYTES = 1_080;
const FEEDBACK_HEADER_BYTES = 12;
const FEEDBACK_MS = 50;
/** Of libwebrtc, where it knows no round trip: asks again after 100 ms, looked at each 20. */
const ASK_AGAIN_MS = 100;
const LOOK_MS = 20;
const MOST_REQUESTS = 10;
const REPORT_MS = 1_000;
/** What does not leave within so long is dropped, ms. */
const QUEUE_MS = 300;
const IP_UDP_BYTES = 28;

export interface LossyOptions {
  /** Each way, 0–1. */
  readonly loss: number;
  readonly rttMs: number;
  readonly seed: number;
  /** `false`: it does not tell what arrived. */
  readonly tells?: boolean;
  /** What the way to the subscriber carries, bits/s; no limit by default. */
  readonly downBps?: number;
}

interface Arrival {
  readonly at: number;
  readonly transport: number;
  /** 16-bit number of the media in it, or -1. */
  readonly media: number;
  readonly waitMs: number;
  readonly bytes: number;
}

interface Missing {
  askedAt: number;
  requests: number;
}

/** How late pictures were whole, and what it took. */
export interface LossyFigures {
  readonly pictures: number;
  /** Ms after their time; `Infinity`: never. In order. */
  readonly lateMs: readonly number[];
  /** Part of the pictures that came later than the subscriber was told to wait. */
  readonly tooLate: number;
  /** What it is told in the end, ms. */
  readonly waitMs: number;
  /** Packets that were sent again, of a packet of media. */
  readonly resent: number;
}

/** Loses, and keeps in order, what goes one way. */
class Way {
  #freeAt = 0;

  constructor(
    readonly random: SeededRandom,
    readonly delayMs: number,
    readonly loss: number,
    readonly bps = Infinity,
  ) {}

  arrival(now: number, bytes = 0): number | undefined {
    const leavesAt = Math.max(now, this.#freeAt);
    if (leavesAt - now > QUEUE_MS) return undefined;
    this.#freeAt = leavesAt + (bytes + IP_UDP_BYTES) * 8_000 / this.bps;
    return this.random.chance(this.loss) ? undefined : Math.ceil(this.#freeAt + this.delayMs);
  }
}

class LossySink implements PacketSink {
  history?: SendHistory | undefined;
  readonly flying: Arrival[] = [];
  media = 0;
  resent = 0;
  #next = 65_000;
  /** What the subscriber is told to wait now, ms. */
  #waitMs = 0;
  readonly #room = new Uint8Array(1_600);

  constructor(readonly way: Way, readonly sentAt: Map<number, number>) {}

  reserve(): Uint8Array {
    return this.#room;
  }

  send(
    packet: NumberedPacket & {
      readonly originalSequence?: number;
      readonly playoutDelay?: number;
    },
    now: number,
  ): void {
    const bytes = packet.written + packet.sourceLength + 16;
    const { transportSequence: transport, playoutDelay = -1 } = packet;
    if (transport >= 0) {
      this.history?.sent(transport, bytes, packet.packetKind, now);
      if (packet.ssrc === SSRC) this.history?.sentMedia?.(transport, packet);
    } else if (transport === SKIPPED) this.history?.skipped(bytes, now);
    const isFirst = packet.ssrc === SSRC;
    const media = isFirst ? packet.sequence & 0xffff : packet.originalSequence ?? -1;
    if (isFirst) {
      this.sentAt.set(media, now);
      this.media++;
    } else if (packet.packetKind === PACKET_KIND.repair) this.resent++;
    if (playoutDelay >= 0) this.#waitMs = (playoutDelay >> 12) * 10;
    const at = this.way.arrival(now, bytes);
    if (at === undefined) return;
    this.flying.push({ at, transport, media, waitMs: this.#waitMs, bytes });
  }

  nextTransportSequence(now: number): number {
    if (this.history === undefined) return NOT_NUMBERED;
    return this.history.numbers(now) ? this.#next++ & 0xffff : SKIPPED;
  }
}

/** One publisher, one subscriber, and the path between the server and it. */
export class LossyWorld {
  now = 1_000;
  readonly side: SendingSide;
  readonly sink: LossySink;
  readonly #options: LossyOptions;
  readonly #up: UpTrack;
  readonly #down: Way;
  readonly #back: Way;
  readonly #sentAt = new Map<number, number>();
  readonly #arrivedAt = new Map<number, number>();
  readonly #missing = new Map<number, Missing>();
  readonly #feedback = new TransportFeedbackRecorder();
  readonly #report = new TransportFeedback();
  readonly #said: { at: number; run: () => void }[] = [];
  readonly #queued: { at: number; bytes: Uint8Array }[] = [];
  #senderReport: { readonly reference: number; readonly at: number } | undefined;
  #highest = -1;
  #waitMs = 0;
  #picture = 0;
  #sequence = 0;
  #wantsKey = true;
  /** Pictures that are looked at, by number of their first packet. */
  #pictures: { readonly first: number; readonly waitMs: number }[] = [];

  constructor(options: LossyOptions) {
    this.#options = options;
    const random = new SeededRandom(options.seed);
    this.#down = new Way(random, options.rttMs / 2, options.loss, options.downBps);
    this.#back = new Way(random, options.rttMs / 2, options.loss);
    this.sink = new LossySink(this.#down, this.#sentAt);
    this.#up = publishedTrack("video", {
      listener: { onNack() {}, onKeyFrameNeeded: () => void (this.#wantsKey = true) },
    });
    this.side = testSendingSide({
      sink: this.sink,
      sendRtcp: (bytes) => this.#reported(new DataView(bytes.slice().buffer)),
    });
    this.#up.bindLayer(0, 1, VP8, this.now);
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
        extensions: [
          { id: 5, uri: EXTENSION_URI.transportCc },
          { id: 6, uri: EXTENSION_URI.playoutDelay },
        ],
        playoutDelay: { minMs: 0, maxMs: 0, followsJitter: true, onlyRepairs: true },
      },
      { enabled: true, maxSpatial: 2, maxTemporal: 3 },
      this.now,
    );
    this.side.start(this.now);
  }

  /** Runs so long, ms, and then says how late the pictures of `measuredMs` were. */
  run(settleMs: number, measuredMs: number): LossyFigures {
    this.#runFor(settleMs);
    this.#pictures = [];
    const { media, resent } = this.sink;
    this.#runFor(measuredMs);
    const sent = this.sink.media - media;
    const again = this.sink.resent - resent;
    const looked = [...this.#pictures];
    this.#runFor(3_000);
    const late = looked.map((picture) => ({ ...picture, ms: this.#lateness(picture.first) }));
    return {
      pictures: late.length,
      lateMs: late.map(({ ms }) => ms).sort((a, b) => a - b),
      tooLate: late.filter(({ ms, waitMs }) => ms > waitMs).length / late.length,
      waitMs: this.#waitMs,
      resent: again / sent,
    };
  }

  #runFor(ms: number): void {
    for (const end = this.now + ms; this.now < end; this.now++) this.#step(this.now);
  }

  /** How much later than without any loss a picture was whole. */
  #lateness(first: number): number {
    let lateMs = 0;
    for (let i = 0; i < PACKETS; i++) {
      const number = (first + i) & 0xffff;
      const sentAt = this.#sentAt.get((first + PACKETS - 1) & 0xffff)!;
      const arrivedAt = this.#arrivedAt.get(number) ?? Infinity;
      lateMs = Math.max(lateMs, arrivedAt - sentAt - this.#down.delayMs);
    }
    return lateMs;
  }

  #step(now: number): void {
    this.#publish(now);
    const { flying } = this.sink;
    while (flying.length > 0 && flying[0]!.at <= now) this.#arrived(flying.shift()!, now);
    if (now % FEEDBACK_MS === 0 && this.#options.tells !== false) this.#tell();
    if (now % LOOK_MS === 0) this.#ask(now, false);
    if (now % REPORT_MS === 0) this.#sendReport(now);
    while (this.#said.length > 0 && this.#said[0]!.at <= now) this.#said.shift()!.run();
    if (now % 5 === 0 && now >= this.side.nextWakeAt()) this.side.tick(now);
  }

  #publish(now: number): void {
    if (now % 1_000 === 0) {
      this.#up.receiveSenderReport(0, 1_000 + now / 1_000, 0, (now * 90) >>> 0, now);
    }
    if (now % PICTURE_MS === 0) this.#prepare(now);
    while (this.#queued.length > 0 && this.#queued[0]!.at <= now) {
      this.#up.receive(0, viewOf(this.#queued.shift()!.bytes), now);
    }
  }

  #prepare(now: number): void {
    this.#picture++;
    const key = this.#wantsKey;
    this.#wantsKey = false;
    this.#pictures.push({ first: this.#sequence & 0xffff, waitMs: this.#waitMs });
    for (let i = 0; i < PACKETS; i++) {
      const payload = vp8Payload({
        pictureId: this.#picture & 0x7fff,
        tl0: this.#picture,
        key,
        start: i === 0,
        body: new Array(BODY_BYTES).fill(1),
      });
      const fields = {
        ssrc: 1,
        payloadType: 96,
        sequenceNumber: this.#sequence++ & 0xffff,
        timestamp: (now * 90) >>> 0,
        marker: i === PACKETS - 1,
        payload,
      };
      this.#queued.push({ at: now + i * PACKET_MS, bytes: rtpPacket(fields) });
    }
  }

  #arrived({ transport, media, waitMs, at }: Arrival, now: number): void {
    if (transport >= 0) this.#feedback.record(transport, Math.round(at * 1_000), false, now);
    if (media < 0) return;
    this.#waitMs = waitMs;
    if (!this.#arrivedAt.has(media)) this.#arrivedAt.set(media, now);
    this.#missing.delete(media);
    if (this.#highest < 0) this.#highest = media;
    const ahead = (media - this.#highest) << 16 >> 16;
    for (let i = 1; i < ahead; i++) {
      this.#missing.set((this.#highest + i) & 0xffff, { askedAt: -Infinity, requests: 0 });
    }
    if (ahead > 0) this.#highest = media;
    if (ahead > 1) this.#ask(now, true);
  }

  #tell(): void {
    if (!this.#feedback.take(this.#report)) return;
    const bytes = new Uint8Array(FEEDBACK_HEADER_BYTES + MAX_FEEDBACK_BYTES);
    const written = writeTransportFeedback(bytes, FEEDBACK_HEADER_BYTES, this.#report);
    const length = FEEDBACK_HEADER_BYTES + written;
    this.#say(() => this.side.receiveTransportCc(bytes, 0, length, this.now));
  }

  /** @param onlyNew What was never asked for: as soon as it is missed. */
  #ask(now: number, onlyNew: boolean): void {
    const wanted: number[] = [];
    for (const [number, missing] of this.#missing) {
      if (onlyNew ? missing.requests > 0 : now - missing.askedAt < ASK_AGAIN_MS) continue;
      missing.askedAt = now;
      if (++missing.requests >= MOST_REQUESTS) this.#missing.delete(number);
      wanted.push(number);
    }
    if (wanted.length === 0) return;
    const numbers = Uint16Array.from(wanted);
    const block = this.#reportBlock(now);
    this.#say(() => {
      this.side.receiveReport(block, this.now);
      this.side.receiveNack(SSRC, numbers, numbers.length, this.now);
    });
  }

  #sendReport(now: number): void {
    const block = this.#reportBlock(now);
    this.#say(() => this.side.receiveReport(block, this.now));
  }

  #reportBlock(now: number): ReportBlock {
    const block = new ReportBlock();
    block.ssrc = SSRC;
    block.fractionLost = Math.round(this.#options.loss * 256);
    block.highestSequence = Math.max(0, this.#highest);
    block.lastSenderReport = this.#senderReport?.reference ?? 0;
    const heldMs = now - (this.#senderReport?.at ?? now);
    block.delaySinceLastSenderReport = Math.round(heldMs * 65.536);
    return block;
  }

  /** A sender report of ours leaves, and is never lost. */
  #reported(compound: DataView): void {
    const reference = compound.getUint32(10);
    this.#senderReport = { reference, at: this.now + this.#down.delayMs };
  }

  #say(run: () => void): void {
    const at = this.#back.arrival(this.now);
    if (at !== undefined) this.#said.push({ at, run });
  }
}
