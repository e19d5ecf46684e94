/**
 * What one connection knows of how much it may send: the estimate, fed with what leaves and what
 * the subscriber says of it.
 *
 * Contract: a connection that sends no video has no estimate, and what it sends is not numbered:
 * audio alone gives way to nothing, and the feedback would cost more than the audio. Once made, an
 * estimate stays: video that comes back begins where it was.
 *
 * @module
 */
import { ProbeSender } from "../../bandwidth/probe_sender.ts";
import { type ProbeGoals, SAMPLED_ESTIMATE } from "../../bandwidth/estimate_options.ts";
import { SendEstimate } from "../../bandwidth/send_estimate.ts";
import {
  NO_CLUSTER,
  PACKET_KIND,
  type PacketKind,
  type SendHistory,
  type StreamPacket,
} from "../../base/packet_sink.ts";
import { protectedGroup } from "../../media/down/fec_plan.ts";
import { Pacer } from "../../media/down/pacer.ts";
import { RepairBudget, repairCopies } from "../../media/down/repair_budget.ts";
import { ToldLosses } from "../../media/down/told_losses.ts";
import { parseTransportFeedback, type TransportFeedback } from "../../wire/transport_cc.ts";
import type { Departing, Departures } from "./departures.ts";
import type { SendPathStats } from "../messages/media_messages.ts";

/** Header bytes of a transport feedback packet before its content. */
const FEEDBACK_HEADER_BYTES = 12;

/** Where more than this share of packets is lost, bursts may be why. */
const BURST_LOSS = 0.005;

/** Where so much is lost, what is told not to have arrived is sent again before it is asked for. */
const TOLD_LOSS = 0.01;

/** On a TCP path its queue is looked at so often, ms: nobody tells when it grows. */
const QUEUE_INTERVAL_MS = 100;

/** The connection as seen from its estimate. */
export interface EstimateWorld {
  /** Numbers what leaves while somebody keeps the history, and knows which socket it waits in. */
  readonly outlet: {
    history?: SendHistory | undefined;
    readonly datagrams?: object | undefined;
  };
  /** Bytes that wait in the socket of a TCP path; absent or negative: it is none. */
  readonly queuedBytes?: () => number;
  /** Bytes that were left out of that, in all. */
  readonly droppedBytes?: () => number;
  /**
   * Sends one packet that is needed for nothing else, of about `most` bytes or fewer; `false` if
   * there is no way to at this moment.
   */
  readonly pad: (now: number, most: number) => boolean;
  /** There is timed work at `at`, which may be sooner than before. */
  readonly timed: (at: number) => void;
  /** Feedback is read into this, which others use, too. */
  readonly feedback: TransportFeedback;
  /** Says when what was sent has really left; absent: at once. */
  readonly departures?: Departures;
  /** LiveKit's defaults if absent. */
  readonly probes?: ProbeGoals;
}

/**
 * A path that was not seen to carry more than this, bits/s, while more is wanted, is taken for
 * full: the key frame of the next larger picture would be the first thing to fill it.
 */
const NARROW_BPS = 1_000_000;

/** Sound that is more than the rest of this share makes no video wait for its room. */
const LEAST_VIDEO = 0.5;

type PathSigns = Pick<SendEstimate, "bps" | "ackedBps" | "limitedBy" | "lossFraction">;

/**
 * The rate by which bursts are spread, bits/s; `Infinity` where they need not be: a path that shows
 * no sign of being full takes them, and in a TCP connection's own queue they meet nobody else. What
 * arrives all the time is no burst, however low the estimate still is.
 */
export function burstRate(estimate: PathSigns): number {
  const { bps, ackedBps, limitedBy, lossFraction } = estimate;
  if (limitedBy === "start" || limitedBy === "tcp") return Infinity;
  return isFull(estimate) || lossFraction > BURST_LOSS ? Math.max(bps, ackedBps) : Infinity;
}

/** Whether bursts are to wait for longer, rather than sound behind them. */
export function isNarrow(estimate: PathSigns): boolean {
  return isFull(estimate) && burstRate(estimate) < NARROW_BPS;
}

function isFull({ bps, limitedBy }: PathSigns): boolean {
  return limitedBy === "delay" || limitedBy === "loss" || limitedBy === "remb" ||
    limitedBy === "demand" && bps < NARROW_BPS;
}

/** One connection's estimate, there from its first video on. Feedback before that is ignored. */
export class ConnectionEstimate implements SendHistory, Departing {
  isLeaving = false;
  /** What may be sent again. */
  readonly repairs: RepairBudget = new RepairBudget();
  /** What has not arrived, by the subscriber's feedback. */
  readonly losses: ToldLosses = new ToldLosses();
  /** Spreads bursts. */
  readonly pacer: Pacer;
  /** What sound takes of the estimate, bits/s, which goes past bursts: they leave it room. */
  soundBps = 0;
  readonly #probes: ProbeSender;
  readonly #world: EstimateWorld;
  #estimate: SendEstimate | undefined;
  /** The subscriber tells of this path when packets came. */
  #isTold = false;
  #hasVideo = false;
  #isNumbered = false;
  #rttMs = -1;
  /** When the queue is looked at next; `Infinity` while the path is no TCP connection. */
  #queueAt = Infinity;
  /** Bytes that were left out of it when it was looked at last. */
  #dropped = 0;
  /** Until then nothing is numbered, so that the estimate is not asked for each packet… */
  #restsUntil = -Infinity;
  /** …nor told of it, but of all together that left at one instant. */
  #skippedAt = 0;
  #skippedPackets = 0;
  #skippedBytes = 0;

  constructor(world: EstimateWorld) {
    this.#world = world;
    this.#probes = new ProbeSender(world.pad);
    this.pacer = new Pacer(world.timed);
  }

  /** Absent while there was never any video. */
  get estimate(): SendEstimate | undefined {
    return this.#informed;
  }

  /** Packets of audio that were lost, as far as they were numbered, in all. */
  get audioLost(): number {
    return this.#estimate?.packets.audioLost ?? 0;
  }

  /** A burst is being sent. */
  get isProbing(): boolean {
    return this.#probes.cluster !== NO_CLUSTER;
  }

  /**
   * Whether the connection sends video now: only then anything is numbered and timed.
   *
   * @param isNumbered The client can say when its packets came.
   */
  setVideo(hasVideo: boolean, now: number, isNumbered = true): void {
    if (hasVideo && isNumbered) this.#isNumbered = true;
    if (this.#estimate !== undefined) this.#estimate.isNumbered = this.#isNumbered;
    if (hasVideo === this.#hasVideo) return;
    this.#hasVideo = hasVideo;
    if (!hasVideo) {
      this.#world.outlet.history = undefined;
      return;
    }
    if (this.#estimate === undefined) {
      const options = { ...SAMPLED_ESTIMATE, probes: this.#world.probes };
      this.#estimate = new SendEstimate(options, () => this.#restsUntil = -Infinity);
      this.#estimate.isNumbered = this.#isNumbered;
      if (this.#rttMs >= 0) this.#estimate.roundTrip(this.#rttMs, now);
    }
    this.#world.outlet.history = this;
    this.#lookAtQueue(this.#estimate, now);
    this.#world.timed(this.nextWakeAt());
  }

  numbers(now: number): boolean {
    if (now < this.#restsUntil) return false;
    if (this.isProbing || this.#estimate!.numbers(now)) return true;
    this.#restsUntil = this.#estimate!.restsUntil;
    return false;
  }

  skipped(bytes: number, now: number): void {
    if (now !== this.#skippedAt) {
      this.#tellSkipped();
      this.#skippedAt = now;
    }
    this.#skippedBytes += bytes;
    this.#skippedPackets++;
  }

  unnumbered(bytes: number, now: number): void {
    this.#estimate!.unnumbered(bytes, now);
  }

  sent(sequence: number, bytes: number, kind: PacketKind, now: number): void {
    this.#tellSkipped();
    if (kind === PACKET_KIND.again) {
      this.#estimate!.sentAgain(sequence);
      return;
    }
    const { cluster } = this.#probes;
    this.#estimate!.sent(sequence, bytes, kind, cluster, now);
    if (cluster !== NO_CLUSTER) this.#probes.sent(bytes, now);
    if (!this.isLeaving) this.#world.departures?.add(this, this.#world.outlet.datagrams);
  }

  left(now: number): void {
    this.#estimate!.left(now);
  }

  sentMedia(sequence: number, packet: StreamPacket): void {
    this.losses.sent(sequence, packet);
  }

  /**
   * A whole transport-cc feedback packet at `offset`.
   *
   * @returns `false` if it cannot be read.
   */
  receiveTransportCc(bytes: Uint8Array, offset: number, length: number, now: number): boolean {
    const { feedback } = this.#world;
    const at = offset + FEEDBACK_HEADER_BYTES;
    if (!parseTransportFeedback(bytes, at, length - FEEDBACK_HEADER_BYTES, feedback)) return false;
    this.#isTold = this.#estimate !== undefined;
    this.#informed?.feedback(feedback, now);
    this.#changed(now);
    return true;
  }

  /** The subscriber asks for so many packets again. */
  missed(count: number, now: number): void {
    this.#informed?.missed(count, now);
  }

  /** Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03), bits/s. */
  receiveRemb(bitrateBps: number, ssrcs: Uint32Array, count: number, now: number): void {
    this.#informed?.remb(bitrateBps, now, ssrcs, count);
    this.#changed(now);
  }

  /**
   * A reception report on video.
   *
   * @param fractionLost Its field: 0–255 for 0–1.
   * @param lost Packets that did not come since the report before.
   * @param nextLeftAt When the packet behind the last that it knows of left; `Infinity`: not yet.
   * @returns `false` if that is no news: nothing was lost, and when packets came is told.
   */
  receiveReport(fractionLost: number, lost: number, nextLeftAt: number, now: number): boolean {
    this.#informed?.awaited(nextLeftAt, now);
    if (fractionLost === 0 && this.#isTold) return false;
    this.#informed?.report(fractionLost / 256, now, lost);
    this.#changed(now);
    return true;
  }

  /** Packets go by TCP now. */
  get isTcp(): boolean {
    return (this.#world.queuedBytes?.() ?? -1) >= 0;
  }

  /** The round trip to the subscriber was measured, ms. */
  roundTrip(rttMs: number, now: number): void {
    this.#rttMs = rttMs;
    this.#estimate?.roundTrip(rttMs, now);
  }

  /** Packets go to another address, or by another protocol, from now on. */
  pathChanged(now: number): void {
    this.#isTold = false;
    this.#informed?.reset(now);
    if (this.#estimate !== undefined) this.#lookAtQueue(this.#estimate, now);
    this.#changed(now);
  }

  /** How many packets of video share a repair packet that is sent in advance; 0: there is none. */
  get repairGroup(): number {
    const estimate = this.#estimate;
    if (estimate === undefined || !this.#hasVideo) return 0;
    const { limitedBy, lossFraction } = estimate;
    if (limitedBy === "start" || limitedBy === "tcp") return 0;
    return protectedGroup(lossFraction, this.#rttMs, limitedBy === "delay");
  }

  /** What is known of the path; absent while there is no video. */
  stats(): Omit<SendPathStats, "connection"> | undefined {
    const estimate = this.#estimate;
    if (estimate === undefined || !this.#hasVideo) return undefined;
    const { bps, ackedBps, limitedBy, lossFraction: loss, queueMs, rttMs } = estimate;
    return { bps, ackedBps, limitedBy, loss, queueMs, rttMs };
  }

  /** Timed work; cheap when nothing is due. */
  tick(now: number): void {
    this.pacer.tick(now);
    const estimate = this.#informed;
    if (estimate === undefined || !this.#hasVideo) return;
    if (now >= this.#queueAt) this.#lookAtQueue(estimate, now);
    if (now >= estimate.nextWakeAt()) estimate.tick(now);
    if (now >= this.#probes.nextWakeAt(estimate)) this.#probes.tick(estimate, now);
    this.#setRepairs(estimate, now);
  }

  /** When {@linkcode ConnectionEstimate.tick} has something to do; `Infinity` if nothing is. */
  nextWakeAt(): number {
    const estimate = this.#estimate;
    const pacedAt = this.pacer.nextWakeAt();
    if (estimate === undefined || !this.#hasVideo) return pacedAt;
    const at = Math.min(estimate.nextWakeAt(), this.#probes.nextWakeAt(estimate));
    return Math.min(at, pacedAt, this.#queueAt);
  }

  /** The estimate, which knows of everything that has left. */
  get #informed(): SendEstimate | undefined {
    this.#tellSkipped();
    return this.#estimate;
  }

  #tellSkipped(): void {
    if (this.#skippedPackets === 0) return;
    this.#estimate!.skipped(this.#skippedBytes, this.#skippedAt, this.#skippedPackets);
    this.#skippedPackets = this.#skippedBytes = 0;
  }

  #lookAtQueue(estimate: SendEstimate, now: number): void {
    const queued = this.#world.queuedBytes?.() ?? -1;
    this.#queueAt = queued < 0 ? Infinity : now + QUEUE_INTERVAL_MS;
    if (queued < 0) return;
    const dropped = this.#world.droppedBytes?.() ?? 0;
    estimate.tcpQueue(queued, now, Math.max(0, dropped - this.#dropped));
    this.#dropped = dropped;
  }

  #changed(now: number): void {
    const estimate = this.#estimate;
    if (estimate === undefined) return;
    // A burst that is not wanted any more ends before anything else is sent.
    if (estimate.probe === undefined) this.#probes.tick(estimate, now);
    this.#setRepairs(estimate, now);
    this.#world.timed(this.nextWakeAt());
  }

  /** Before anything is known of the path nothing is held back. */
  #setRepairs(estimate: SendEstimate, now: number): void {
    const { limitedBy, bps, lossFraction, rttMs, ackedBps } = estimate;
    this.repairs.setRate(limitedBy === "start" ? Infinity : bps, now);
    // What loss limits may be lost for being too much: copies would be lost with the rest.
    const isOpen = limitedBy === "demand" || limitedBy === "none";
    this.repairs.copies = repairCopies(lossFraction, rttMs, !isOpen, limitedBy === "none");
    // What a TCP connection does not bring was left out before it, and not lost on the way.
    this.losses.turn(ackedBps > 0 && lossFraction >= TOLD_LOSS && limitedBy !== "tcp");
    const rate = burstRate(estimate);
    this.pacer.setRate(Math.max(rate * LEAST_VIDEO, rate - this.soundBps), isNarrow(estimate));
  }
}
