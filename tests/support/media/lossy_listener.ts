/**
 * One publisher of sound, a connection's sending side and one subscriber behind a path that loses,
 * on virtual time: what is sent in which form, and which frames the subscriber never gets.
 *
 * @module
 */
import type { DownTrackId, UpTrackId } from "../../../lib/base/ids.ts";
import type { NumberedPacket, PacketSink } from "../../../lib/base/packet_sink.ts";
import type { SendingSide } from "../../../lib/engine/local/sending_side.ts";
import type { UpTrack } from "../../../lib/media/up/up_track.ts";
import { RedPayload } from "../../../lib/wire/red_payload.ts";
import { ReportBlock } from "../../../lib/wire/rtcp.ts";
import { codec, publishedTrack, viewOf } from "./forwarding_fixtures.ts";
import { redundantPayload } from "./redundant_payload.ts";
import { rtpPacket } from "./rtp_packets.ts";
import { testSendingSide } from "./test_sending_side.ts";
import { SeededRandom } from "../virtual/seeded_random.ts";

export const OPUS = codec("audio/opus", 111);
export const RED = codec("audio/red", 63, undefined, "111/111");
const SSRC = 6_000;
const FRAME_MS = 20;
const FRAME_TICKS = 960;
const FRAME_BYTES = 100;
/** A copy that comes later than this behind its frame's turn is of no use. */
const LATEST_FRAMES = 3;

export interface ListenerOptions {
  /** How the publisher sends: bare, or as Chromium does, with a copy of the frame before. */
  readonly published?: "opus" | "red";
  readonly isEncrypted?: boolean;
  /** It takes no redundancy: audio whose packets are sent again comes instead. */
  readonly isPlain?: boolean;
  /** Frames come so often: some clients put more than 20 ms into a packet. */
  readonly frameMs?: number;
  /** Packets go by TCP, or what passes for it. */
  readonly isTcp?: () => boolean;
  /** Reports count a packet as often as it came. */
  readonly countsReplays?: boolean;
  /** Reports come so often; 0: never. */
  readonly reportMs?: number;
  /** The subscriber asks for what it misses, this long after it left. */
  readonly nackMs?: number;
}

/** A packet that left. */
interface Sent {
  readonly at: number;
  readonly payloadType: number;
  /** Extended number of the stream, as sent. */
  readonly number: number;
  /** How many frames back its copies are. */
  readonly copies: readonly number[];
  readonly bytes: number;
}

/** The world; `loss` and `publisherLoss` may change while it runs. */
export class LossyListener implements PacketSink {
  now = 1_000;
  /** Chance for a packet to be lost, to the subscriber and from the publisher. */
  loss = 0;
  publisherLoss = 0;
  /** Packets that are lost for certain, from the next one on. */
  loseNext = 0;
  readonly sent: Sent[] = [];
  /** When packets left that had left before. */
  readonly again: number[] = [];
  readonly side: SendingSide;
  readonly up: UpTrack;
  readonly #options: ListenerOptions;
  readonly #random = new SeededRandom(7);
  readonly #room = new Uint8Array(1_600);
  readonly #red = new RedPayload();
  readonly #asked: { readonly at: number; readonly number: number }[] = [];
  #frame = 100;
  /** Numbers that came by themselves, and frames that came in any way, by number. */
  readonly #came = new Set<number>();
  readonly #got = new Set<number>();
  readonly #left = new Set<number>();
  #replays = 0;
  #firstCame = -1;
  #highestCame = -1;
  #reportedExpected = 0;
  #reportedLost = 0;

  constructor(options: ListenerOptions = {}) {
    this.#options = options;
    const { isTcp } = options;
    this.side = testSendingSide({
      sink: this,
      ...(isTcp === undefined ? {} : { queuedBytes: () => isTcp() ? 0 : -1 }),
    });
    this.up = publishedTrack("audio");
    this.up.bindLayer(0, 10, this.#codec, this.now);
    this.side.add(
      "DT_1" as DownTrackId,
      "UT_1" as UpTrackId,
      this.up,
      {
        mid: "0",
        kind: "audio",
        ssrc: SSRC,
        cname: "c",
        codecs: options.isPlain === true ? [OPUS] : [RED, OPUS],
        extensions: [],
        ...(options.isEncrypted === true ? { isEncrypted: true } : {}),
      },
      { enabled: true, maxSpatial: 0, maxTemporal: 3 },
      this.now,
    );
    this.side.start(this.now);
  }

  get #codec() {
    return this.#options.published === "red" ? RED : OPUS;
  }

  /** Of what left since `from`: packets with as many copies, by how many there are. */
  copiesSince(from: number): readonly number[] {
    const counts = [0, 0, 0, 0];
    for (const { at, copies } of this.sent) if (at >= from) counts[copies.length]!++;
    return counts;
  }

  /** Part of the frames sent between two times that came in no way, or too late. */
  missed(from: number, to: number): number {
    const frames = this.sent.filter(({ at }) => at >= from && at < to);
    return frames.filter(({ number }) => !this.#got.has(number)).length / frames.length;
  }

  run(ms: number): void {
    for (const end = this.now + ms; this.now < end; this.now += 10) this.#step(this.now);
  }

  #step(now: number): void {
    if (now % (this.#options.frameMs ?? FRAME_MS) === 0) this.#publish(now);
    const { reportMs = 1_000, nackMs } = this.#options;
    if (reportMs > 0 && now % reportMs === 0 && this.#highestCame >= 0) this.#report(now);
    while (nackMs !== undefined && this.#asked.length > 0 && this.#asked[0]!.at <= now) {
      const { number } = this.#asked.shift()!;
      if (this.#came.has(number)) continue;
      this.side.receiveNack(SSRC, Uint16Array.of(number & 0xffff), 1, now);
    }
    if (now >= this.side.nextWakeAt()) this.side.tick(now);
  }

  #publish(now: number): void {
    const number = this.#frame++;
    if (this.#random.chance(this.publisherLoss)) return;
    const frame = (n: number) => new Array<number>(FRAME_BYTES).fill(n & 0xff);
    const payload = this.#options.published === "red"
      ? redundantPayload(frame(number), [{ age: FRAME_TICKS, frame: frame(number - 1) }])
      : Uint8Array.from(frame(number));
    const fields = {
      ssrc: 10,
      payloadType: this.#codec.payloadType,
      sequenceNumber: number & 0xffff,
      timestamp: (number * FRAME_TICKS) >>> 0,
      payload,
    };
    this.up.receive(0, viewOf(rtpPacket(fields)), now);
  }

  reserve(): Uint8Array {
    return this.#room;
  }

  nextTransportSequence(): number {
    return -1;
  }

  send(packet: NumberedPacket & { readonly payloadType?: number }, now: number): void {
    const { sequence: number, payloadType = 0, source, sourceAt, sourceLength } = packet;
    const copies: number[] = [];
    if (payloadType === RED.payloadType) {
      if (!this.#red.parse(source, sourceAt, sourceLength)) throw new Error("malformed");
      for (let i = 1; i <= this.#red.copies; i++) {
        const back = this.#red.ageOf(i) / FRAME_TICKS;
        if (source[this.#red.offsetOf(i)] !== ((number - back) & 0xff)) {
          throw new Error("wrong copy");
        }
        copies.push(back);
      }
    }
    const isAgain = this.#left.has(number);
    if (isAgain) this.again.push(now);
    else {
      this.sent.push({ at: now, payloadType, number, copies, bytes: sourceLength });
      this.#left.add(number);
    }
    const isLost = this.loseNext > 0 || this.#random.chance(this.loss);
    this.loseNext = Math.max(0, this.loseNext - 1);
    const { nackMs = 0 } = this.#options;
    if (isLost) return void this.#asked.push({ at: now + nackMs, number });
    if (this.#came.has(number)) this.#replays++;
    this.#came.add(number);
    this.#got.add(number);
    if (this.#firstCame < 0) this.#firstCame = number;
    this.#highestCame = Math.max(this.#highestCame, number);
    for (const back of copies) if (back <= LATEST_FRAMES) this.#got.add(number - back);
  }

  #report(now: number): void {
    const expected = this.#highestCame - this.#firstCame + 1;
    const replays = this.#options.countsReplays === true ? this.#replays : 0;
    const lost = expected - this.#came.size - replays;
    const share = (lost - this.#reportedLost) / Math.max(1, expected - this.#reportedExpected);
    const block = Object.assign(new ReportBlock(), {
      ssrc: SSRC,
      fractionLost: Math.max(0, Math.floor(share * 256)),
      cumulativeLost: lost,
      highestSequence: this.#highestCame,
    });
    this.#reportedExpected = expected;
    this.#reportedLost = lost;
    this.side.receiveReport(block, now);
  }
}
