/**
 * How much may be sent to one subscriber: everything a connection learns about its path, in one
 * figure with its cause.
 *
 * Contract: whatever feedback says, nothing is thrown, memory is bounded, and the figure stays
 * within the limits it was made with. It is about what was really sent and acknowledged: numbers
 * that were not sent are passed over. A subscriber that lies changes its own figure and nobody
 * else's.
 *
 * All rates are of RTP packets as they leave (with header, extensions, SRTP's tag), without the
 * headers of IP and UDP: so up-tracks can be compared with them, and the headers' share is part of
 * what is found out, because the acknowledged rate is counted the same way.
 *
 * Pure: `now` is monotonic ms (integers; fractions do no harm), rates are bits per second. Nothing
 * allocates on the way of a packet or a feedback message.
 *
 * @module
 */
import { NOT_RECEIVED, type TransportFeedback } from "../wire/transport_cc.ts";
import { FATE, type SentKind, SentPackets } from "./sent_packets.ts";

/** What keeps the estimate where it is. */
export type LimitedBy = "start" | "delay" | "loss" | "remb" | "tcp" | "demand" | "none";

export interface SendEstimateOptions {
  /** Where it begins. */
  readonly startBps: number;
  readonly minBps: number;
  readonly maxBps: number;
}

/** A burst of packets, sent at a rate, that shows whether the path carries that much. */
export interface ProbeCluster {
  /** 1–255: goes with every packet of it to {@linkcode SendEstimate.sent}. */
  readonly cluster: number;
  /** Rate to send at, media that leaves meanwhile included. */
  readonly bps: number;
  /** It is complete when so many packets and so many bytes of it have left. */
  readonly packets: number;
  readonly bytes: number;
}

export const DEFAULT_ESTIMATE: SendEstimateOptions = {
  startBps: 1_500_000,
  minBps: 30_000,
  maxBps: 50_000_000,
};

/** Loss is looked at over windows of so long, ms. */
const WINDOW_MS = 300;
const HIGH_LOSS = 0.1;
const LOW_LOSS = 0.02;
const GROWTH_PER_S = 1.08;
const MAX_OF_ACKED = 1.5;
const RAISE_PAUSE_MS = 3_000;

/** The estimate of one sending connection. */
export class SendEstimate {
  readonly #options: SendEstimateOptions;
  readonly #packets: SentPackets = new SentPackets();
  #bps: number;
  #limitedBy: LimitedBy = "start";
  #rttMs = -1;
  #ackedBps = 0;
  #lossFraction = 0;
  #windowAt = -1;
  #windowBytes = 0;
  #windowReceived = 0;
  #windowLost = 0;
  #loweredAt = -Infinity;

  constructor(options: SendEstimateOptions = DEFAULT_ESTIMATE) {
    this.#options = options;
    this.#bps = options.startBps;
  }

  /** What may be sent, all kinds together. */
  get bps(): number {
    return Math.round(this.#bps);
  }

  get limitedBy(): LimitedBy {
    return this.#limitedBy;
  }

  /** Whether more than now may be sent at all: the path shows no sign of congestion. */
  get mayRaise(): boolean {
    return this.#windowAt - this.#loweredAt > RAISE_PAUSE_MS;
  }

  /** What is to be sent now to find out more; `undefined` also ends one that is being sent. */
  get probe(): ProbeCluster | undefined {
    return undefined;
  }

  /** What arrived lately, bits/s; 0 if nobody says. */
  get ackedBps(): number {
    return Math.round(this.#ackedBps);
  }

  /** Smoothed, 0–1. */
  get lossFraction(): number {
    return this.#lossFraction;
  }

  /** How long packets wait on their way now, ms; 0 if nobody says. */
  get queueMs(): number {
    return 0;
  }

  /** Newest round trip, ms; -1 before one was measured. */
  get rttMs(): number {
    return this.#rttMs;
  }

  /**
   * A packet with a transport-wide number left.
   *
   * @param sequence16 Its number, 16 bits.
   * @param bytes As it leaves, without headers of IP and UDP.
   * @param cluster Of the probe that it belongs to, 0 for none.
   */
  sent(sequence16: number, bytes: number, kind: SentKind, cluster: number, now: number): void {
    this.#packets.add(sequence16, bytes, kind, cluster, now);
  }

  /** The probe's first packet leaves. A cluster that is not {@linkcode probe} is ignored. */
  begun(_cluster: number, _now: number): void {}

  /** A feedback message came. It is read, and not kept. */
  feedback(report: TransportFeedback, now: number): void {
    const packets = this.#packets;
    for (let i = 0; i < report.statusCount; i++) {
      const slot = packets.find((report.baseSequence + i) & 0xffff);
      if (slot < 0 || packets.fate(slot) === FATE.received) continue;
      if (report.deltas[i] === NOT_RECEIVED) {
        if (packets.fate(slot) === FATE.inFlight) this.#windowLost++;
        packets.setFate(slot, FATE.lost);
        continue;
      }
      if (packets.fate(slot) === FATE.lost) this.#windowLost--;
      packets.setFate(slot, FATE.received);
      this.#windowReceived++;
      this.#windowBytes += packets.bytes(slot);
      this.#rttMs = Math.max(0, now - packets.sentAt(slot));
    }
    if (this.#windowAt < 0) this.#windowAt = now;
    if (now - this.#windowAt >= WINDOW_MS) this.#endWindow(now);
  }

  /** Receiver estimated maximum bitrate: counts only where there is no transport-wide feedback. */
  remb(bps: number, now: number): void {
    if (!(bps >= 0) || this.#windowAt >= 0) return;
    if (bps < this.#bps) this.#loweredAt = now;
    this.#set(bps, "remb");
  }

  /** Loss in a reception report, 0–1: counts only where there is no transport-wide feedback. */
  report(fractionLost: number, _now: number): void {
    if (this.#windowAt < 0 && fractionLost >= 0) this.#lossFraction = Math.min(1, fractionLost);
  }

  /** The round trip was measured by other means, ms. */
  roundTrip(ms: number, _now: number): void {
    if (this.#windowAt < 0 && ms >= 0) this.#rttMs = ms;
  }

  /** The path is a TCP connection whose socket holds so many bytes back. */
  tcpQueue(_bytesWaiting: number, _now: number): void {}

  /**
   * What sharing out would like to have.
   *
   * @param baseBps If everybody had only the lowest layer.
   * @param idealBps If everybody had all that is wanted.
   * @param nextBps What has to fit for the next step up, 0 if there is none; a probe aims at it.
   *   Absent: `idealBps`.
   */
  setDemand(_baseBps: number, _idealBps: number, _now: number, _nextBps = _idealBps): void {}

  /** Timed work; call when {@linkcode nextWakeAt} has come. Calling it too often does no harm. */
  tick(_now: number): void {}

  /** When there is timed work next; `Infinity` if there is none. May be sooner after any call. */
  nextWakeAt(): number {
    return Infinity;
  }

  /** The path is another one now: half of what was known is believed, and found out anew. */
  reset(now: number): void {
    this.#packets.clear();
    this.#windowAt = -1;
    this.#loweredAt = now;
    this.#set(Math.min(this.#options.startBps, this.#bps / 2), "start");
  }

  /** Begins where an earlier connection of the same client was. */
  restore(bps: number): void {
    this.#set(bps, "start");
  }

  #endWindow(now: number): void {
    const elapsedMs = now - this.#windowAt;
    const total = this.#windowReceived + Math.max(0, this.#windowLost);
    const loss = total === 0 ? 0 : Math.max(0, this.#windowLost) / total;
    this.#ackedBps = this.#windowBytes * 8_000 / elapsedMs;
    this.#lossFraction += (loss - this.#lossFraction) * 0.5;
    if (loss > HIGH_LOSS) {
      this.#loweredAt = now;
      this.#set(this.#bps * (1 - loss / 2), "loss");
    } else if (loss < LOW_LOSS) {
      const grown = this.#bps * GROWTH_PER_S ** (elapsedMs / 1000);
      const limit = Math.max(this.#bps, this.#ackedBps * MAX_OF_ACKED + 10_000);
      this.#set(Math.min(grown, limit), grown > limit ? "demand" : "none");
    }
    this.#windowAt = now;
    this.#windowBytes = this.#windowReceived = this.#windowLost = 0;
  }

  #set(bps: number, limitedBy: LimitedBy): void {
    const { minBps, maxBps } = this.#options;
    this.#bps = Math.min(Math.max(bps, minBps), maxBps);
    this.#limitedBy = limitedBy;
  }
}
