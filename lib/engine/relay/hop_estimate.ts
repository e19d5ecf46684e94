/**
 * What one end of a hop knows of how much the way there carries: the estimate that subscribers'
 * connections have, fed with the departures of datagrams and what the other end says of their
 * arrivals.
 *
 * Contract: while no video crosses nothing is probed, and no time is asked for. What was sent by
 * another way than most, or before the way became another one, says nothing. Where the other end
 * never tells of arrivals, as an older one does, what is asked for again is all there is to go by.
 *
 * @module
 */
import { HOP_ESTIMATE, type LimitedBy } from "../../bandwidth/estimate_options.ts";
import { ProbeSender } from "../../bandwidth/probe_sender.ts";
import { SendEstimate } from "../../bandwidth/send_estimate.ts";
import type { SharedEstimate } from "../../bandwidth/shared_estimate.ts";
import { SENT } from "../../bandwidth/sent_packets.ts";
import { NO_CLUSTER } from "../../base/packet_sink.ts";
import { TransportFeedback } from "../../wire/transport_cc.ts";
import { readArrivals } from "./hop_arrivals.ts";

/** Datagrams of padding in one turn at most: 200 Mbit/s. */
const MOST_AT_ONCE = 192;

/** Data is counted for so long before its rate is known anew, ms. */
const DATA_WINDOW_MS = 1_000;
/** Weight of the newest such time: a short burst is over before pictures could give way to it. */
const DATA_WEIGHT = 0.5;

/** Without reports of arrivals: looked at so often, ms, and only of so many frames. */
const UNTOLD_WINDOW_MS = 1_000;
const UNTOLD_FRAMES = 30;
/** Then what was carried is all that the way carries, if more than this part was not… */
const UNTOLD_LOSS = 0.1;
/** …and with less than this it may be more. */
const SMALL_LOSS = 0.02;

/** Without reports: bytes that left, frames asked for, the highest, the first, and since when. */
const LEFT = 0;
const MISSED = 1;
const HIGHEST = 2;
const FIRST = 3;
const SINCE = 4;

/** What the allocation of a hop goes by. */
export interface HopBudget extends SharedEstimate {
  /** What data takes of the estimate, bits per second. */
  dataBps(now: number): number;
}

/** For what is being read: of any hop. */
const REPORT = new TransportFeedback();

/** One end's estimate. */
export class HopEstimate implements HopBudget {
  readonly #estimate = new SendEstimate(HOP_ESTIMATE);
  readonly #probes: ProbeSender;
  /**
   * Below the first all are told of; the second makes numbers of the estimate's own, which go on
   * when those of datagrams begin anew; the third is the estimate's newest.
   */
  readonly #numbers = Float64Array.of(0, 0, 0);
  #isWanted = false;
  /** Bytes of data since, and that time; what came of the times before, bits per second. */
  readonly #data = Float64Array.of(0, -1, 0);
  readonly #untold = Float64Array.of(0, 0, -1, 0, -1);
  #isTold = false;
  /** What was known of UDP when it became blocked, bits per second; 0 while it is not. */
  #udpBps = 0;

  /** @param pad Sends a datagram that is needed for nothing else; `false` if it cannot. */
  constructor(pad: (now: number) => boolean) {
    this.#probes = new ProbeSender(pad, MOST_AT_ONCE);
  }

  get bps(): number {
    return this.#estimate.bps;
  }

  get mayRaise(): boolean {
    return this.#estimate.mayRaise;
  }

  get limitedBy(): LimitedBy {
    return this.#estimate.limitedBy;
  }

  get lossFraction(): number {
    return this.#estimate.lossFraction;
  }

  probedBps(now: number): number {
    return this.#estimate.probedBps(now);
  }

  /** How long datagrams wait on their way, ms. */
  get queueMs(): number {
    return this.#estimate.queueMs;
  }

  /** Bytes of memory that grow with what is sent. */
  get memory(): number {
    return this.#estimate.packets.memory;
  }

  setDemand(baseBps: number, idealBps: number, now: number, nextBps?: number): void {
    this.#isWanted = idealBps > 0;
    this.#estimate.setDemand(baseBps, idealBps, now, nextBps);
  }

  /** Of what leaves so many bytes are data. */
  dataSent(bytes: number, now: number): void {
    this.#measureData(now);
    this.#data[0]! += bytes;
  }

  dataBps(now: number): number {
    this.#measureData(now);
    return this.#data[2]!;
  }

  #measureData(now: number): void {
    const data = this.#data;
    if (data[1]! < 0) data[1] = now;
    const elapsedMs = now - data[1]!;
    if (elapsedMs < DATA_WINDOW_MS) return;
    const bps = data[0]! * 8_000 / elapsedMs;
    data[2]! += (bps - data[2]!) * (1 - (1 - DATA_WEIGHT) ** (elapsedMs / DATA_WINDOW_MS));
    data[0] = 0;
    data[1] = now;
  }

  /** Datagram `number` left. */
  sent(number: number, bytes: number, now: number): void {
    const numbers = this.#numbers;
    numbers[2] = number + numbers[1]!;
    this.#untold[LEFT]! += bytes;
    const { cluster } = this.#probes;
    const kind = cluster === NO_CLUSTER ? SENT.media : SENT.padding;
    this.#estimate.sent(numbers[2]! & 0xffff, bytes, kind, cluster, now);
    if (cluster !== NO_CLUSTER) this.#probes.sent(bytes, now);
  }

  /**
   * Takes a report of arrivals, `words[at, at + length)`.
   *
   * @param next Number of the next datagram.
   * @param isOfWay What it tells of took this way, and no other.
   * @returns Whether it made sense.
   */
  take(
    words: Int32Array,
    at: number,
    length: number,
    next: number,
    isOfWay: boolean,
    now: number,
  ): boolean {
    const numbers = this.#numbers;
    const base = readArrivals(words, at, length, next, REPORT);
    if (base < 0) return false;
    this.#isTold = true;
    // What was told before is told by a datagram that was overtaken.
    if (base < numbers[0]! || base + REPORT.statusCount > next) return true;
    numbers[0] = base + REPORT.statusCount;
    if (!isOfWay) return true;
    REPORT.baseSequence = (base + numbers[1]!) & 0xffff;
    this.#estimate.feedback(REPORT, now);
    // A burst that is not wanted any more ends before anything else is sent.
    if (this.#estimate.probe === undefined) this.#probes.tick(this.#estimate, now);
    return true;
  }

  /** Frame `number` of media is asked for again. */
  missing(number: number): void {
    const untold = this.#untold;
    if (number <= untold[HIGHEST]!) return;
    untold[HIGHEST] = number;
    untold[MISSED]!++;
  }

  /**
   * The other end has answered, maybe without telling of arrivals.
   *
   * @param next The frame of media that it waits for.
   */
  answered(next: number, now: number): void {
    const untold = this.#untold;
    if (this.#isTold) return;
    const elapsedMs = now - untold[SINCE]!;
    if (untold[SINCE]! >= 0 && elapsedMs < UNTOLD_WINDOW_MS) return;
    const frames = next - untold[FIRST]!;
    if (untold[SINCE]! >= 0 && frames >= UNTOLD_FRAMES) {
      const lost = Math.min(1, untold[MISSED]! / frames);
      const carriedBps = untold[LEFT]! * (1 - lost) * 8_000 / elapsedMs;
      if (lost > UNTOLD_LOSS) this.#estimate.restore(Math.min(this.bps, carriedBps));
      else if (lost < SMALL_LOSS) this.#estimate.report(0, now);
    }
    untold[LEFT] = untold[MISSED] = 0;
    untold[FIRST] = next;
    untold[SINCE] = now;
  }

  /** The way by TCP, for where UDP is blocked, holds so many bytes back. */
  otherQueue(bytes: number, now: number): void {
    if (this.#udpBps > 0) this.#estimate.tcpQueue(bytes, now);
  }

  /** The other end lives anew, and numbers of datagrams begin at 0. */
  restarted(): void {
    const numbers = this.#numbers;
    numbers[0] = 0;
    numbers[1] = numbers[2]! + 1;
    this.#untold.fill(-1);
    this.#isTold = false;
  }

  /** From datagram `next` on they take UDP, or another way as it is blocked. */
  wayChanged(isBlocked: boolean, next: number, now: number): void {
    const { bps } = this.#estimate;
    this.#numbers[0] = next;
    this.#estimate.reset(now);
    this.#estimate.restore(isBlocked || this.#udpBps === 0 ? bps : this.#udpBps);
    this.#udpBps = isBlocked ? bps : 0;
  }

  tick(now: number): void {
    if (!this.#isWanted) return;
    const estimate = this.#estimate;
    if (now >= estimate.nextWakeAt()) estimate.tick(now);
    if (now >= this.#probes.nextWakeAt(estimate)) this.#probes.tick(estimate, now);
  }

  /** When there is timed work; `Infinity` if there is none. */
  nextWakeAt(): number {
    if (!this.#isWanted) return Infinity;
    return Math.min(this.#estimate.nextWakeAt(), this.#probes.nextWakeAt(this.#estimate));
  }
}
