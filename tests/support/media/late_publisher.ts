/**
 * A publisher of opus whose path loses some, which comes when it has been asked for again, and one
 * subscriber behind a path with a delay that asks for what it misses and reports, on virtual time.
 *
 * @module
 */
import type { DownTrackId, UpTrackId } from "../../../lib/base/ids.ts";
import type { NumberedPacket, PacketSink } from "../../../lib/base/packet_sink.ts";
import type { SendingSide } from "../../../lib/engine/local/sending_side.ts";
import type { UpTrack } from "../../../lib/media/up/up_track.ts";
import { ReportBlock } from "../../../lib/wire/rtcp.ts";
import { codec, publishedTrack, viewOf } from "./forwarding_fixtures.ts";
import { rtpPacket } from "./rtp_packets.ts";
import { testSendingSide } from "./test_sending_side.ts";
import { SeededRandom } from "../virtual/seeded_random.ts";

const OPUS = codec("audio/opus", 111);
const RED = codec("audio/red", 63, undefined, "111/111");
const SSRC = 6_000;
const FRAME_MS = 20;
/** What is missing is asked for so often, and for so long. */
const ASK_MS = 20;
const ASKED_MS = 500;

export interface LatePublisherOptions {
  /** One way to the subscriber, and up to so much more, by chance. */
  readonly delayMs?: number;
  readonly jitterMs?: number;
  /** The subscriber asks for what it misses. */
  readonly asks?: boolean;
  /** The subscriber reports so often. */
  readonly reportMs: number;
  /** What it has reported as lost it counts as lost for ever (pion). */
  readonly keepsLosses?: boolean;
}

/** The world; what is lost and late may change while it runs. */
export class LatePublisher implements PacketSink {
  now = 1_000;
  /** Chance for a packet to come late to the server, and how late, ms. */
  late = 0;
  lateMs = 60;
  /** Chance for a packet to be lost to the subscriber. */
  loss = 0;
  /** Packets that were sent, and those with copies. */
  sent = 0;
  redundant = 0;
  readonly #options: LatePublisherOptions;
  readonly #random = new SeededRandom(7);
  readonly #room = new Uint8Array(1_600);
  readonly #side: SendingSide;
  readonly #up: UpTrack;
  readonly #queue: { readonly at: number; readonly run: () => void }[] = [];
  #frame = 100;
  /** Of what came: the numbers, the first and the highest; what is missing, and since when. */
  readonly #came = new Set<number>();
  #first = -1;
  #highest = -1;
  readonly #missing = new Map<number, number>();
  #counted = 0;
  #reported = -1;

  constructor(options: LatePublisherOptions) {
    this.#options = options;
    this.#side = testSendingSide({ sink: this });
    this.#up = publishedTrack("audio");
    this.#up.bindLayer(0, 10, OPUS, this.now);
    this.#side.add(
      "DT_1" as DownTrackId,
      "UT_1" as UpTrackId,
      this.#up,
      { mid: "0", kind: "audio", ssrc: SSRC, cname: "c", codecs: [RED, OPUS], extensions: [] },
      { enabled: true, maxSpatial: 0, maxTemporal: 3 },
      this.now,
    );
    this.#side.start(this.now);
  }

  begin(): void {
    this.sent = this.redundant = 0;
  }

  /** Part of the packets that went with copies. */
  get share(): number {
    return this.redundant / this.sent;
  }

  run(ms: number): void {
    for (const end = this.now + ms; this.now < end; this.now++) this.#step(this.now);
  }

  #step(now: number): void {
    for (let i = 0; i < this.#queue.length; i++) {
      if (this.#queue[i]!.at <= now) this.#queue.splice(i--, 1)[0]!.run();
    }
    if (now % FRAME_MS === 0) this.#publish(now);
    if (this.#options.asks === true && now % ASK_MS === 0) this.#ask(now);
    if (now % this.#options.reportMs === 7 && this.#highest >= 0) this.#report();
    if (now >= this.#side.nextWakeAt()) this.#side.tick(now);
  }

  #publish(now: number): void {
    const number = this.#frame++;
    const fields = {
      ssrc: 10,
      payloadType: OPUS.payloadType,
      sequenceNumber: number & 0xffff,
      timestamp: (number * 960) >>> 0,
      payload: new Uint8Array(100).fill(number & 0xff),
    };
    const receive = () => this.#up.receive(0, viewOf(rtpPacket(fields)), this.now);
    if (this.#random.chance(this.late)) this.#queue.push({ at: now + this.lateMs, run: receive });
    else receive();
  }

  reserve(): Uint8Array {
    return this.#room;
  }

  nextTransportSequence(): number {
    return -1;
  }

  send(packet: NumberedPacket & { readonly payloadType?: number }): void {
    const { sequence, payloadType } = packet;
    this.sent++;
    if (payloadType === RED.payloadType) this.redundant++;
    if (!this.#random.chance(this.loss)) this.#travel(() => this.#arrived(sequence));
  }

  #travel(run: () => void): void {
    const { delayMs = 35, jitterMs = 0 } = this.#options;
    this.#queue.push({ at: this.now + delayMs + this.#random.below(jitterMs + 1), run });
  }

  #arrived(number: number): void {
    this.#came.add(number);
    this.#missing.delete(number);
    if (this.#first < 0) this.#first = this.#highest = this.#reported = number;
    for (let n = this.#highest + 1; n < number; n++) this.#missing.set(n, this.now);
    this.#highest = Math.max(this.#highest, number);
  }

  #ask(now: number): void {
    const wanted = [...this.#missing].filter(([, since]) => now - since < ASKED_MS);
    const numbers = Uint16Array.from(wanted, ([number]) => number & 0xffff);
    if (numbers.length === 0) return;
    this.#travel(() => this.#side.receiveNack(SSRC, numbers, numbers.length, this.now));
  }

  #report(): void {
    let since = 0;
    for (let n = this.#reported + 1; n < this.#highest; n++) if (!this.#came.has(n)) since++;
    this.#counted += since;
    const lost = this.#highest - this.#first + 1 - this.#came.size;
    const cumulativeLost = this.#options.keepsLosses === true ? this.#counted : lost;
    this.#reported = this.#highest;
    const fields = { ssrc: SSRC, highestSequence: this.#highest, cumulativeLost };
    const block = Object.assign(new ReportBlock(), fields);
    this.#travel(() => this.#side.receiveReport(block, this.now));
  }
}
