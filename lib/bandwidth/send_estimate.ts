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
import { AckedRate } from "./acked_rate.ts";
import { AppLimit } from "./app_limit.ts";
import { CoarseSignals } from "./coarse_signals.ts";
import { Demand } from "./demand.ts";
import { DEFAULT_ESTIMATE, type LimitedBy, type SendEstimateOptions } from "./estimate_options.ts";
import { LOSS, LossModel } from "./loss_model.ts";
import { DOUBTFUL_WAIT_MS, FEW_MISSED, NumberSampling } from "./number_sampling.ts";
import { isWhole, type ProbeCluster } from "./probe_cluster.ts";
import { ProbePlan } from "./probe_plan.ts";
import { ProbeResult } from "./probe_result.ts";
import { ProvenRate } from "./proven_rate.ts";
import { QueueSignal } from "./queue_signal.ts";
import { RateControl } from "./rate_control.ts";
import { FATE, type SentKind, SentPackets } from "./sent_packets.ts";
import { FeedbackSilence } from "./feedback_silence.ts";
import { QUEUE } from "./trendline.ts";

/** A REMB that names no streams. */
const NO_STREAMS = new Uint32Array();
/** After a fall nothing is raised for so long, ms. */
const RAISE_PAUSE_MS = 1_000;
/** What is left of the rate each second in which nothing is heard of what is sent. */
const BACK_OFF = 0.8;
/** The delay is named as cause so long after it lowered the rate, ms. */
const CAUSE_MS = 10_000;
/** Where nobody gives feedback, and for what has to be looked at again, ms. */
const LOOK_MS = 250;
/** Results of a probe are waited for so long, ms. */
const RESULT_MS = 1_000;
/** While loss holds the rate, no probe goes further above it. */
const LOSS_PROBE = 1.5;
/** A probe proves no more than what it was to be sent at, and its spacing's error. */
const PROBE_ERROR = 1.1;
/** Loss below which a probe that went through speaks against it. */
const SMALL_LOSS = 0.05;
/** A path that loses more, or lost enough to lower the rate so lately, ms, is not free. */
const CLEAN_LOSS = 0.01;
const CLEAN_MS = 15_000;
/** The next step includes room, not all of which has to be proven. */
const PROOF = 0.95;
/** A path that is trusted is not, after a fall, for so long, ms. */
const DOUBT_MS = 60_000;
/** Room above what is wanted, where nothing but demand bounds growth. */
const DEMAND_ROOM = 1.2;

/** The estimate of one sending connection. */
export class SendEstimate {
  /** Whether the receiver can tell when packets came; else nothing is probed. */
  isNumbered = true;
  readonly #options: SendEstimateOptions;
  /** What has left with a number, and what became of it. */
  readonly packets: SentPackets = new SentPackets();
  readonly #queue: QueueSignal;
  readonly #sampling: NumberSampling;
  readonly #acked = new AckedRate();
  readonly #appLimit = new AppLimit();
  readonly #rate: RateControl;
  readonly #loss: LossModel;
  readonly #coarse = new CoarseSignals();
  readonly #plan: ProbePlan;
  readonly #result = new ProbeResult();
  readonly #carried = new ProvenRate();
  readonly #demand = new Demand();
  readonly #silence = new FeedbackSilence();
  #bps: number;
  /** When packets left last, and how many bytes of that instant are not counted yet. */
  #leftAt = -1;
  #leftBytes = 0;
  #limitedBy: LimitedBy = "start";
  #mayRaise = true;
  #rttMs = -1;
  /** The number that the next message should begin with. */
  #nextReported = 0;
  #lookedAt = -Infinity;

  /** @param restEnds Told when what {@linkcode restsUntil} said does not hold any more. */
  constructor(options: SendEstimateOptions = DEFAULT_ESTIMATE, restEnds?: () => void) {
    const { startBps, minBps, maxBps } = options;
    this.#options = options;
    this.#queue = new QueueSignal(options.borneQueueMs ?? 0);
    this.#sampling = new NumberSampling(restEnds);
    this.#plan = new ProbePlan(options.probes);
    this.#rate = new RateControl(startBps, minBps, maxBps);
    this.#loss = new LossModel(startBps, minBps, maxBps, options.borneLoss);
    this.#coarse.restore(startBps);
    this.#bps = startBps;
  }

  /** What may be sent, all kinds together. */
  get bps(): number {
    return this.#bps;
  }

  get limitedBy(): LimitedBy {
    return this.#limitedBy;
  }

  /** Whether more than now may be sent at all: the path shows no sign of congestion. */
  get mayRaise(): boolean {
    return this.#mayRaise;
  }

  /** What is to be sent now to find out more; `undefined` also ends one that is being sent. */
  get probe(): ProbeCluster | undefined {
    return this.#plan.probe;
  }

  /** What a probe has carried a moment ago, at most {@linkcode bps}; 0 if none has. */
  probedBps(now: number): number {
    return Math.min(this.#carried.probedBps(now), this.#bps);
  }

  /** What arrived lately, bits/s; 0 if nobody says. */
  get ackedBps(): number {
    return Math.round(this.#acked.bps);
  }

  /** Smoothed, 0–1. */
  get lossFraction(): number {
    return this.#silence.isHeard ? this.#loss.averageLoss : this.#coarse.lossFraction;
  }

  /** How long packets wait on their way now, ms; 0 if nobody says. */
  get queueMs(): number {
    return this.#queue.queueMs;
  }

  /** Smoothed round trip, ms; -1 before one was measured. */
  get rttMs(): number {
    return this.#queue.rttMs < 0 ? this.#rttMs : this.#queue.rttMs;
  }

  /**
   * A packet with a transport-wide number left.
   *
   * @param sequence16 Its number, 16 bits.
   * @param cluster Of the probe that it belongs to, 0 for none.
   */
  sent(sequence16: number, bytes: number, kind: SentKind, cluster: number, now: number): void {
    this.packets.add(sequence16, bytes, kind, cluster, now);
    this.#sampling.sent(sequence16, bytes, now);
    this.#leave(bytes, now);
    this.#silence.sent(now);
    if (cluster !== 0) this.#sentOfProbe(bytes, cluster, now);
    else this.#appLimit.used(bytes, this.#bps, now);
  }

  /** Whether a packet that leaves now is to be numbered: on a calm path few are. */
  numbers(now: number): boolean {
    return this.#sampling.numbers(now) || this.#plan.probe !== undefined;
  }

  /** Until when none is to be, if {@linkcode numbers} says no now. */
  get restsUntil(): number {
    return this.#sampling.restsUntil;
  }

  /** Packets left at one instant that were not to be numbered. */
  skipped(bytes: number, now: number, packets = 1): void {
    this.#sampling.skipped(packets, bytes);
    this.#appLimit.used(bytes, this.#bps, now);
    this.#leave(bytes, now);
  }

  /** So many packets are asked for again: how much more, feedback on all that leaves shows. */
  missed(count: number, now: number): void {
    if (this.#sampling.missed(count, now)) this.#queue.beginTrend(now);
  }

  /** A packet left that can never be told of. */
  unnumbered(bytes: number, now: number): void {
    if (!this.#silence.isHeard) this.#coarse.sent(bytes, now);
  }

  /** A packet left once more under its number: when, and if it arrives says nothing of the path. */
  sentAgain(sequence16: number): void {
    this.packets.leftAgain(sequence16);
  }

  /** All that was sent until now has left the process, perhaps a little later than it was told. */
  left(now: number): void {
    this.packets.left(now);
  }

  /** The probe's first packet leaves. A cluster that is not {@linkcode probe} is ignored. */
  begun(cluster: number, _now: number): void {
    if (this.#plan.probe?.cluster !== cluster || this.#result.cluster === cluster) return;
    this.#result.begin(cluster);
  }

  /** A feedback message came. It is read, and not kept. */
  feedback(report: TransportFeedback, now: number): void {
    this.#countLeft();
    this.#silence.heard(now);
    this.#read(report, now);
    if (this.#queue.leastWaitMs > DOUBTFUL_WAIT_MS) this.#watch(now);
    const { isLimited } = this.#appLimit;
    const acked = this.#acked.bps;
    const before = this.#rate.loweredAt;
    const state = this.#queue.trend(this.#bps, this.#acked, this.#rate, this.#loss, now);
    const isBelow = isLimited || this.#appLimit.staysBelow(now, this.#demand.begunBps);
    this.#rate.update(state, acked, this.#acked.recentBps, this.rttMs, isBelow, now);
    if (this.#rate.loweredAt !== before) {
      this.#plan.fell(this.#rate.beforeBps, this.#rate.bps, now);
      // What waits behind the socket, in the system's own buffers, shows as delay alone.
      if (this.#coarse.isTcp) this.#coarse.limit(this.#rate.bps);
    }
    if (state === QUEUE.grows) this.#plan.stop(now);
    this.#endProbe(now);
    const lossBefore = this.#loss.bps;
    this.#loss.update(acked, this.#rate.bps, isLimited, now);
    if (this.#loss.state === LOSS.falling) {
      this.#plan.stop(now);
      this.#plan.fell(lossBefore, this.#loss.bps, now);
    }
    this.#combine(now);
    this.#look(now);
    this.#sampling.update(this.#isCalm(now), now);
  }

  /** REMB, and the streams that it names: counts only without transport-wide feedback. */
  remb(bps: number, now: number, ssrcs: Uint32Array = NO_STREAMS, count = 0): void {
    if (this.#silence.isHeard || !(bps >= 0)) return;
    this.#coarse.remb.said(bps, ssrcs, count, now);
    this.#combine(now);
  }

  /** Loss in a reception report, 0–1, and in packets: with transport-wide feedback a doubt only. */
  report(fractionLost: number, now: number, lost = Infinity): void {
    if (fractionLost > 0 && !(this.#silence.isHeard && lost <= FEW_MISSED)) this.#watch(now);
    if (this.#silence.isHeard || !(fractionLost >= 0)) return;
    const most = this.#demand.idealBps * DEMAND_ROOM;
    this.#coarse.report(Math.min(1, fractionLost), this.#bps, most, now);
    this.#combine(now);
  }

  /** A report does not know yet of a packet that left then: there may be a queue in its way. */
  awaited(leftAt: number, now: number): void {
    if (this.#sampling.isDoubtful(leftAt, this.rttMs, now)) this.#watch(now);
  }

  /** The round trip was measured by other means, ms. */
  roundTrip(ms: number, _now: number): void {
    if (ms >= 0) this.#rttMs = ms;
  }

  /** The path is a TCP connection that holds so many bytes back, and left out more since then. */
  tcpQueue(bytesWaiting: number, now: number, bytesDropped = 0): void {
    if (!(bytesWaiting >= 0)) return;
    this.#plan.stop(now);
    this.#countLeft();
    this.#coarse.tcpQueue(bytesWaiting, bytesDropped, this.#bps, now);
    this.#coarse.limit(Math.max(this.#options.startBps, this.#demand.idealBps * DEMAND_ROOM));
    this.#combine(now);
  }

  /**
   * What sharing out would like to have.
   *
   * @param baseBps If everybody had only the lowest layer.
   * @param idealBps If everybody had all that is wanted.
   * @param nextBps What has to fit for the next step up, 0 if there is none; a probe aims at it.
   *   Absent: `idealBps`.
   */
  setDemand(baseBps: number, idealBps: number, now: number, nextBps = idealBps): void {
    const before = this.#demand.idealBps;
    this.#demand.set(baseBps, idealBps, nextBps);
    if (this.#demand.idealBps !== before) this.#watch(now);
    // Who tells often puts off what a tick would do.
    this.tick(now);
  }

  /** Timed work; call when {@linkcode nextWakeAt} has come. Calling it too often does no harm. */
  tick(now: number): void {
    this.#plan.expire(now);
    this.#endProbe(now);
    this.#backOff(now);
    this.#combine(now);
    this.#look(now);
    this.#sampling.update(this.#isCalm(now), now);
  }

  /** When there is timed work next; `Infinity` if there is none. May be sooner after any call. */
  nextWakeAt(): number {
    let at = Math.max(this.#silence.silentAt, this.#lookedAt + LOOK_MS);
    // (Feedback looks, too, but does not give up what nobody can send.)
    if (this.#plan.probe !== undefined) return Math.min(at, this.#plan.nextAt());
    const { cluster, lastSentAt } = this.#result;
    if (cluster !== 0) at = Math.min(at, lastSentAt + RESULT_MS);
    const wantsMore = this.#demand.idealBps > 0 && this.#limitedBy !== "none";
    if (wantsMore) at = Math.min(at, Math.max(this.#plan.nextAt(), this.#lookedAt + LOOK_MS));
    return at;
  }

  /** The path is another one now: half of what was known is believed, and found out anew. */
  reset(now: number): void {
    this.packets.clear();
    this.#forget();
    this.restore(this.#bps / 2);
    this.#combine(now);
    this.#mayRaise = false;
  }

  /** Begins where an earlier connection of the same client was, or was told to. */
  restore(bps: number): void {
    if (!(bps >= 0)) return;
    const clamped = this.#clamped(bps);
    this.#rate.clear(clamped);
    this.#loss.clear(clamped);
    this.#coarse.restore(clamped);
    this.#bps = clamped;
    this.#limitedBy = "start";
  }

  #leave(bytes: number, now: number): void {
    if (now !== this.#leftAt) this.#countLeft();
    this.#leftAt = now;
    this.#leftBytes += bytes;
  }

  #clamped(bps: number): number {
    return Math.max(this.#options.minBps, Math.min(this.#options.maxBps, bps));
  }

  /** What left at one instant counts at once: most packets leave among others. */
  #countLeft(): void {
    const bytes = this.#leftBytes;
    if (bytes === 0) return;
    this.#leftBytes = 0;
    this.#acked.sent(bytes, this.#leftAt);
    this.#appLimit.sent(bytes, this.#bps, this.#leftAt);
    this.#coarse.sent(bytes, this.#leftAt);
    this.#queue.sent(bytes);
  }

  #forget(): void {
    this.#leftBytes = 0;
    this.#queue.clear();
    this.#sampling.clear();
    this.#acked.clear();
    this.#coarse.clear();
    this.#plan.clear();
    this.#result.begin(0);
    this.#carried.clear();
    this.#silence.clear();
    this.#rttMs = -1;
  }

  #sentOfProbe(bytes: number, cluster: number, now: number): void {
    const { probe } = this.#plan;
    if (probe === undefined || probe.cluster !== cluster) {
      // The rest of one that ended.
      if (this.#result.cluster === cluster) this.#result.sent(bytes, now);
      return;
    }
    this.begun(cluster, now);
    if (this.#appLimit.staysBelow(now)) this.#queue.sentOfProbe(bytes, cluster, now);
    this.#result.sent(bytes, now);
    const { packets, countedBytes, sendMs } = this.#result;
    if (isWhole(probe, packets, countedBytes, sendMs)) this.#plan.left();
  }

  /** Matches a message with what was sent. */
  #read(report: TransportFeedback, now: number): void {
    const packets = this.packets;
    let arrivedAt = this.#queue.referenceMs(report.referenceTime);
    let newestAt = -Infinity;
    let newestArrivedAt = 0;
    const ahead = (report.baseSequence - this.#nextReported) & 0xffff;
    if (ahead > 0 && ahead < 0x8000) this.#acked.skip();
    this.#nextReported = (report.baseSequence + report.statusCount) & 0xffff;
    for (let i = 0; i < report.statusCount; i++) {
      const delta = report.deltas[i]!;
      if (delta !== NOT_RECEIVED) arrivedAt += delta / 4;
      const slot = packets.find((report.baseSequence + i) & 0xffff);
      if (slot < 0) continue;
      if (delta === NOT_RECEIVED) this.#lost(slot);
      else if (packets.fate(slot) !== FATE.received) {
        this.#arrived(slot, (report.baseSequence + i) & 0xffff, arrivedAt, now);
        const sentAt = packets.sentAt(slot);
        if (sentAt >= newestAt && !packets.isAgain(slot)) {
          newestAt = sentAt;
          newestArrivedAt = arrivedAt;
        }
      }
    }
    if (newestAt > -Infinity) this.#queue.heard(newestAt, newestArrivedAt, now);
  }

  #lost(slot: number): void {
    const { packets } = this;
    if (packets.fate(slot) !== FATE.inFlight || packets.isAgain(slot)) return;
    packets.setFate(slot, FATE.lost);
    this.#acked.lost();
    this.#loss.add(packets.bytes(slot), true, packets.sentAt(slot));
    const cluster = packets.cluster(slot);
    if (cluster !== 0 && cluster === this.#result.cluster) this.#result.lost();
  }

  #arrived(slot: number, sequence16: number, arrivedAt: number, now: number): void {
    const packets = this.packets;
    const sentAt = packets.sentAt(slot);
    const bytes = packets.bytes(slot);
    const isSample = this.#sampling.isSample(sentAt);
    if (!packets.isAgain(slot)) {
      if (packets.fate(slot) === FATE.lost) this.#loss.correct(bytes);
      else this.#loss.add(bytes, false, sentAt);
      this.#queue.arrived(bytes, sentAt, arrivedAt, now, isSample);
    }
    packets.setFate(slot, FATE.received);
    const { isLimited } = this.#appLimit;
    if (isSample) {
      const elapsedMs = this.#sampling.arrived(sequence16, arrivedAt);
      this.#acked.sampled(this.#sampling.momentBytes, elapsedMs, isLimited);
    } else this.#acked.arrived(bytes, arrivedAt, isLimited);
    const cluster = packets.cluster(slot);
    if (cluster === 0 || cluster !== this.#result.cluster) return;
    this.#result.arrived(bytes, sentAt, arrivedAt);
  }

  /** Draws what is to be drawn from a probe whose packets all were told of, or that is too old. */
  #endProbe(now: number): void {
    const result = this.#result;
    if (result.cluster === 0 || this.#plan.probe !== undefined) return;
    if (!(result.packets > 0 && result.isDecided) && now < result.lastSentAt + RESULT_MS) return;
    const bps = Math.min(result.evaluate(this.#ownLoss), this.#plan.targetBps * PROBE_ERROR);
    const isClean = this.#loss.averageLoss < CLEAN_LOSS && now - this.#loss.loweredAt >= CLEAN_MS;
    const hasSteps = this.#appLimit.hasSteps(this.#acked.bps, this.#bps);
    this.#plan.ended(bps, this.rttMs, hasSteps, isClean, this.#appLimit.isLimited, now);
    if (bps > 0 && this.#silence.isHeard) this.#believe(bps, now);
    result.begin(0);
  }

  #believe(shownBps: number, now: number): void {
    const [rate, isFirst] = [this.#rate, this.#limitedBy === "start"];
    const { lostShare, packets, isSaturated: isFull } = this.#result;
    this.#queue.burst(shownBps);
    const isSure = isFirst || this.#queue.isOthers || this.#demand.baseBps > rate.bps;
    const bps = this.#carried.probed(shownBps, isSure ? Infinity : rate.bps, this.rttMs, now);
    if (bps < shownBps && this.#appLimit.staysBelow(now)) this.#plan.confirm(now);
    if (bps > rate.bps && !this.#queue.isGrowing) rate.set(bps, now);
    // A short burst that came late says less about the path than what is acknowledged all the time.
    else if (isFull && isFirst) rate.set(Math.max(bps, Math.min(rate.bps, this.#acked.bps)), now);
    const isOwn = !this.#queue.isOthers && this.#loss.isOwn(lostShare, packets);
    if (this.#loss.averageLoss < SMALL_LOSS || isOwn) this.#loss.proven(bps);
  }

  /** Nothing is heard of what is sent: it may be too much. */
  #backOff(now: number): void {
    if (!this.#silence.backsOff(now)) return;
    this.#plan.fell(this.#rate.bps, this.#rate.bps * BACK_OFF, now);
    this.#rate.set(this.#rate.bps * BACK_OFF, now);
    this.#rate.loweredAt = now;
  }

  /** Makes one figure of all, and its cause. */
  #combine(now: number): void {
    this.#countLeft();
    const coarse = this.#coarse;
    let bps = this.#rate.bps;
    let cause: LimitedBy;
    if (this.#silence.isHeard) {
      cause = this.#causeOf(now);
      if (this.#loss.bps < bps) bps = this.#loss.bps;
      const { trialShare } = this.#queue;
      if (trialShare > 0) bps = Math.min(bps, this.#acked.recentBps * trialShare);
    } else {
      bps = coarse.bps(this.#demand.idealBps * DEMAND_ROOM, now);
      cause = coarse.cause;
    }
    // On TCP the socket says how far it goes: nothing is probed, and growth needs no proof.
    if (coarse.isTcp) {
      bps = this.#silence.isHeard ? coarse.tcpBps : Math.min(bps, coarse.tcpBps);
      cause = "tcp";
    }
    this.#bps = Math.round(this.#clamped(bps));
    if (this.#demand.idealBps > 0 && this.#bps >= this.#demand.idealBps && cause !== "start") {
      cause = "none";
    }
    this.#limitedBy = cause;
    this.#mayRaise = !this.#silence.isSilent(now) && this.#isProven(now) &&
      now - this.#loweredAt >= RAISE_PAUSE_MS && !this.#isWarned() && !this.#awaitsMore(now);
  }

  #causeOf(now: number): LimitedBy {
    if (this.#loss.isLimiting && this.#loss.bps < this.#rate.bps) return "loss";
    if (now - this.#rate.loweredAt < CAUSE_MS) return "delay";
    if (this.#limitedBy === "start" && this.#result.cluster !== 0) return "start";
    if (this.#limitedBy === "start" && this.#acked.bps === 0) return "start";
    return this.#appLimit.isLimited || this.#rate.isCapped ? "demand" : "delay";
  }

  #isWarned(): boolean {
    return this.#queue.isWarning || this.#loss.state === LOSS.falling;
  }

  /** Beside somebody else's queue what is lost is that one's doing, and says how far to go. */
  get #ownLoss(): number {
    return this.#queue.isOthers ? 0 : this.#loss.ownLoss;
  }

  get #loweredAt(): number {
    return Math.max(this.#rate.loweredAt, this.#loss.loweredAt, this.#coarse.loweredAt);
  }

  /** Whether more is known in a moment: nobody's picture is missing until then. */
  #awaitsMore(now: number): boolean {
    const { baseBps, idealBps } = this.#demand;
    if (!this.#plan.isClimbing(now) || this.#bps >= idealBps) return false;
    return this.#appLimit.sends(baseBps / 2, now);
  }

  /** The path carries all that is wanted, and more, and loses next to nothing. */
  #isCalm(now: number): boolean {
    const samples = this.#options.samples === true && !this.#silence.isSilent(now);
    return samples && this.#limitedBy === "none" && this.#mayRaise &&
      this.#loss.averageLoss < CLEAN_LOSS && now - this.#loweredAt >= CLEAN_MS &&
      NumberSampling.suits(this.#bps, this.#acked.bps, this.queueMs, this.rttMs);
  }

  /** All that leaves is to be told of for a while. */
  #watch(now: number): void {
    if (this.#sampling.isSampled(now)) this.#queue.beginTrend(now);
    this.#sampling.watch(now);
  }

  #isTrusted(now: number): boolean {
    return this.#options.isTrusting === true && now - this.#loweredAt >= DOUBT_MS;
  }

  /** What was seen to be carried, not more than the estimate. */
  #proven(now: number): number {
    return Math.min(this.#carried.update(this.#acked.bps, now), this.#bps);
  }

  /** Growth alone is no reason to send the next layer: something must have been carried. */
  #isProven(now: number): boolean {
    if (!this.#silence.isHeard || this.#demand.nextBps <= 0) return true;
    if (this.#queue.isOthers || this.#coarse.isTcp || this.#isTrusted(now)) return true;
    return this.#proven(now) >= this.#demand.nextBps * PROOF;
  }

  /** Whether a probe is due. */
  #look(now: number): void {
    this.#lookedAt = now;
    this.#forgetQueue(now);
    if (this.#result.cluster !== 0 || !this.isNumbered || !this.#mayProbe(now)) return;
    const isHeld = this.#loss.isLimiting && this.#loss.averageLoss >= SMALL_LOSS;
    const most = Math.min(this.#options.maxBps, isHeld ? this.#bps * LOSS_PROBE : Infinity);
    const { baseBps, nextBps, idealBps } = this.#demand;
    const starvedBps = baseBps > this.#bps ? baseBps : 0;
    const proven = this.#silence.isHeard ? this.#proven(now) : this.#bps;
    this.#plan.plan(this.#bps, proven, starvedBps, nextBps, idealBps, most, now);
    if (this.#plan.probe !== undefined) this.#watch(now);
  }

  /** Where nothing is sent for a while no queue stays, and loss is history. */
  #forgetQueue(now: number): void {
    if (!this.#silence.turnsQuiet(now)) return;
    this.#queue.empty();
    this.#loss.clear(this.#bps);
    // A queue that was full before anything was told of it did not grow: loss alone showed it.
    this.#rate.set(Math.min(this.#rate.bps, this.#bps), now);
  }

  #mayProbe(now: number): boolean {
    if (this.#demand.idealBps <= 0 || this.#isWarned() || this.#coarse.isTcp) return false;
    if (this.#bps >= this.#demand.idealBps && this.#isTrusted(now)) return false;
    if (!this.#silence.mayProbe(now)) return false;
    // (At the floor the rate falls to where it is already, which is no limit that was met.)
    const isStarved = this.#demand.baseBps > this.#bps;
    const isFloor = isStarved && this.#loss.averageLoss < SMALL_LOSS;
    if (isFloor && this.#queue.needsBurst) return true;
    if (this.#queue.isFull(this.#bps) && !this.#queue.isOthers) return false;
    if (this.#silence.isSilent(now)) return true;
    // Where all is used, the queue says where the limit is: it grew there a moment ago.
    const knownMs = this.#appLimit.knownMs(isStarved ? 0 : this.#acked.bps, this.#bps);
    return this.#appLimit.isLimited || now - this.#rate.loweredAt >= knownMs;
  }
}
