/**
 * One subscriber's connection on virtual time: a source that follows the estimate, a sender of
 * probes, a path, and a receiver whose feedback comes back.
 *
 * @module
 */
import { ProbeSender, type Probing } from "../../lib/bandwidth/probe_sender.ts";
import { SENT, type SentKind } from "../../lib/bandwidth/sent_packets.ts";
import { SendEstimate } from "../../lib/bandwidth/send_estimate.ts";
import { NO_CLUSTER } from "../../lib/base/packet_sink.ts";
import { burstRate, isNarrow } from "../../lib/engine/local/connection_estimate.ts";
import { type PacedTrack, Pacer } from "../../lib/media/down/pacer.ts";
import {
  NOT_RECEIVED,
  parseTransportFeedback,
  TransportFeedback,
} from "../../lib/wire/transport_cc.ts";
import { FEEDBACK_INTERVAL_MS, FeedbackReceiver } from "./feedback_receiver.ts";
import type { LateThread } from "./late_thread.ts";
import type { Link } from "./link.ts";
import { RembReceiver, REPORT_MS } from "./remb_receiver.ts";

/** What produces packets. */
export interface Source {
  /** Called every millisecond. */
  step(now: number, flow: MediaFlow): void;
  /** A packet of the source arrived; `track` is what it was sent with. */
  arrived?(track: number, now: number): void;
}

export interface FlowOptions {
  readonly forward: Link;
  readonly back: Link;
  /** Propagation each way. */
  readonly delayMs: number;
  readonly source: Source;
  readonly startMs?: number;
  readonly endMs?: number;
  /** Nothing is sent between these, ms. */
  readonly paused?: readonly [fromMs: number, toMs: number];
  readonly startBps?: number;
  readonly estimate?: SendEstimate;
  /** `false`: all packets are numbered, also on a calm path. */
  readonly samples?: boolean;
  /** `false`: bursts leave at once. */
  readonly paced?: boolean;
  /** The receiver tells no arrivals: it says how much it could take, and what was lost. */
  readonly saysRemb?: boolean;
  /** Whose threads wait for cores; absent: they never do. */
  readonly late?: { readonly sender: LateThread; readonly receiver: LateThread };
}

/** A sample each tenth of a second. */
export interface Sample {
  readonly atMs: number;
  readonly estimateBps: number;
  /** Everything that arrived, and what of it was no padding. */
  readonly receivedBps: number;
  readonly mediaBps: number;
  /** Of what arrived meanwhile, the longest wait. */
  readonly queueMs: number;
  /** Of feedback, sent meanwhile. */
  readonly messages: number;
}

/**
 * Feedback, how much could be taken, what was lost, and which packet was the last that came, or a
 * number of packets that are missing.
 */
type Told =
  | Uint8Array
  | number
  | {
    readonly remb?: number | undefined;
    readonly lost?: number | undefined;
    /** In packets. */
    readonly missing?: number | undefined;
    readonly last?: number | undefined;
  };

interface Flying {
  readonly at: number;
  /** Transport-wide number, extended; -1 for none. */
  readonly sequence: number;
  readonly bytes: number;
  readonly sentAt: number;
  readonly kind: SentKind;
  readonly track: number;
  /** How many packets left before. */
  readonly place: number;
}

export const SAMPLE_MS = 100;
/** Of IP, UDP and SRTCP around a message. */
const FEEDBACK_OVERHEAD = 70;
const PROBE_PACKET = 1_000;
const LEAST_PADDING = 250;
/** Probes leave on the wheel of the engine's timers. */
const WHEEL_MS = 5;
/** Of a request for packets without numbers. */
const NACK_BYTES = 16;
/** Shares of an interval that are spread evenly, one after the other. */
const PHASE_STEP = 0.618;
/** Of a report with what could be taken. */
const REPORT_BYTES = 60;
/** Bursts leave in turns of the engine. */
const TURN_MS = 10;
const REPAIR_BYTES = 1_000;
/** Retransmissions take no more than this share of the estimate. */
const REPAIR_SHARE = 0.25;

/** One flow. `step` has to be called every millisecond. */
export class MediaFlow implements PacedTrack {
  readonly estimate: SendEstimate;
  readonly samples: Sample[] = [];
  /** Waits of all packets, ms. */
  readonly waits: number[] = [];
  sentPackets = 0;
  lostPackets = 0;
  sentBytes = 0;
  probes = 0;
  paddingBytes = 0;
  readonly #options: FlowOptions;
  readonly #receiver = new FeedbackReceiver();
  readonly #feedback = new TransportFeedback();
  readonly #flying: Flying[] = [];
  #flyingHead = 0;
  /** What the receiver says of the path, or a number of packets that are asked for again. */
  readonly #messages: { readonly at: number; readonly told: Told }[] = [];
  readonly #remb = new RembReceiver();
  #reportAt = REPORT_MS;
  #reportedPackets = 0;
  #reportedLost = 0;
  /** When each packet left, and which was the last that came. */
  readonly #leftAt: number[] = [];
  #lastPlace = -1;
  #reports = 0;
  /** Packets without numbers that were lost, and nothing that left later has arrived yet. */
  #missing = 0;
  #sequence = 65_000;
  #feedbackAt = 0;
  /** While its thread waited, ms. */
  #missedTurns = 0;
  #received = 0;
  #media = 0;
  #worst = 0;
  #told = 0;
  readonly #probes = new ProbeSender((now, most) => this.#pad(now, most));
  readonly #probing: Probing;
  #repairBudget = 0;
  /** Of retransmissions that no source has taken from its own budget yet. */
  repairBytes = 0;
  readonly #pacer = new Pacer(() => {});
  /** Media that waits, by a number of its own. */
  readonly #held = new Map<number, { readonly bytes: number; readonly track: number }>();
  #heldNumber = 0;

  constructor(options: FlowOptions) {
    this.#options = options;
    this.estimate = options.estimate ??
      new SendEstimate({
        startBps: options.startBps ?? 1_500_000,
        minBps: 30_000,
        maxBps: 5e7,
        samples: options.samples ?? true,
      });
    const { estimate } = this;
    if (options.saysRemb === true) estimate.isNumbered = false;
    this.#probing = {
      get probe() {
        return estimate.probe;
      },
      begun: (cluster, now) => {
        this.probes++;
        estimate.begun(cluster, now);
      },
    };
  }

  isActive(now: number): boolean {
    const { startMs = 0, endMs = Infinity, paused } = this.#options;
    const isPaused = paused !== undefined && now >= paused[0] && now < paused[1];
    return now >= startMs && now < endMs && !isPaused;
  }

  step(now: number): void {
    const { late } = this.#options;
    if (late?.receiver.waits(now) !== true) this.#receive(now);
    if (late?.sender.waits(now) === true) this.#missedTurns++;
    else this.#turn(now);
    if (now % SAMPLE_MS === 0) this.#sample(now);
  }

  #turn(now: number): void {
    this.#hear(now);
    const turns = this.#missedTurns + 1;
    this.#missedTurns = 0;
    if (this.isActive(now)) {
      if (now >= this.estimate.nextWakeAt()) this.estimate.tick(now);
      const { paced = true, source } = this.#options;
      this.#pacer.setRate(paced ? burstRate(this.estimate) : Infinity, isNarrow(this.estimate));
      if (now % TURN_MS < turns) this.#pacer.tick(now);
      for (let i = 0; i < turns; i++) source.step(now, this);
      if (now % WHEEL_MS < turns) this.#probes.tick(this.#probing, now);
    }
  }

  /** Sends one packet, or lets it wait for its turn. */
  send(bytes: number, kind: SentKind, track: number, now: number): void {
    if (kind !== SENT.media || !this.#pacer.holds(bytes, now)) {
      return this.#send(bytes, kind, track, now);
    }
    this.#held.set(this.#heldNumber, { bytes, track });
    this.#pacer.hold(this, this.#heldNumber++, bytes, now);
  }

  release(number: number, now: number): void {
    const { bytes, track } = this.#held.get(number)!;
    this.#held.delete(number);
    this.#send(bytes, SENT.media, track, now);
  }

  #send(bytes: number, kind: SentKind, track: number, now: number): void {
    const { forward, delayMs } = this.#options;
    const { cluster } = this.#probes;
    const { saysRemb = false } = this.#options;
    const isNumbered = !saysRemb && (cluster !== NO_CLUSTER || this.estimate.numbers(now));
    const sequence = isNumbered ? this.#sequence++ : -1;
    if (saysRemb) this.estimate.unnumbered(bytes, now);
    else if (isNumbered) this.estimate.sent(sequence & 0xffff, bytes, kind, cluster, now);
    else this.estimate.skipped(bytes, now);
    if (isNumbered && cluster !== NO_CLUSTER) this.#probes.sent(bytes, now);
    const place = this.sentPackets++;
    this.#leftAt.push(now);
    this.sentBytes += bytes;
    const out = forward.send(bytes, now);
    if (out < 0) {
      this.lostPackets++;
      if (!isNumbered) this.#missing++;
    } else {this.#flying.push({
        at: out + delayMs,
        sequence,
        bytes,
        sentAt: now,
        kind,
        track,
        place,
      });}
  }

  #receive(now: number): void {
    this.#arrive(now);
    if (this.#options.saysRemb === true) return this.#say(now);
    if (now >= this.#reportAt) {
      // As libwebrtc has it: between half and one and a half of the interval.
      this.#reportAt = now + REPORT_MS * (0.5 + (this.#reports++ * PHASE_STEP) % 1);
      const { lost, missing } = this.#lostSince();
      this.#tell({ last: this.#lastPlace, lost, missing }, REPORT_BYTES, now);
    }
    if (now < this.#feedbackAt) return;
    this.#feedbackAt = now + FEEDBACK_INTERVAL_MS;
    const bytes = this.#receiver.write();
    if (bytes !== undefined) this.#tell(bytes, bytes.length, now);
  }

  #say(now: number): void {
    const remb = this.#remb.say(now);
    let lost: number | undefined;
    if (now >= this.#reportAt) {
      this.#reportAt = now + REPORT_MS;
      ({ lost } = this.#lostSince());
    }
    if (remb !== undefined || lost !== undefined) this.#tell({ remb, lost }, REPORT_BYTES, now);
  }

  /** Since the report before. */
  #lostSince(): { lost: number; missing: number } {
    const packets = this.sentPackets - this.#reportedPackets;
    const missing = this.lostPackets - this.#reportedLost;
    this.#reportedPackets = this.sentPackets;
    this.#reportedLost = this.lostPackets;
    return { lost: packets === 0 ? 0 : missing / packets, missing };
  }

  #tell(told: Told, length: number, now: number): void {
    const { back, delayMs } = this.#options;
    const out = back.send(length + FEEDBACK_OVERHEAD, now);
    if (typeof told !== "number" && !("last" in told)) this.#told++;
    if (out >= 0) this.#messages.push({ at: out + delayMs, told });
  }

  #arrive(now: number): void {
    const { source, delayMs } = this.#options;
    for (; this.#flyingHead < this.#flying.length; this.#flyingHead++) {
      const packet = this.#flying[this.#flyingHead]!;
      if (packet.at > now) break;
      // Arrival is noted by the thread that reads.
      const arrivedAt = this.#options.late ? now : packet.at;
      if (packet.sequence >= 0) this.#receiver.receive(packet.sequence, arrivedAt);
      if (this.#options.saysRemb === true) {
        this.#remb.receive(packet.bytes, packet.sentAt, arrivedAt);
      }
      if (this.#missing > 0) this.#tell(this.#missing, NACK_BYTES, now);
      this.#missing = 0;
      this.#lastPlace = packet.place;
      this.#received += packet.bytes;
      if (packet.kind !== SENT.padding) this.#media += packet.bytes;
      const wait = packet.at - packet.sentAt - delayMs;
      this.waits.push(wait);
      this.#worst = Math.max(this.#worst, wait);
      source.arrived?.(packet.track, packet.at);
    }
    if (this.#flyingHead > 10_000) this.#flying.splice(0, this.#flyingHead);
    if (this.#flyingHead > 10_000) this.#flyingHead = 0;
  }

  #hear(now: number): void {
    while (this.#messages.length > 0 && this.#messages[0]!.at <= now) {
      const bytes = this.#messages.shift()!.told;
      if (typeof bytes === "number") {
        this.estimate.missed(bytes, now);
        this.#repair(bytes, now);
        continue;
      }
      if (!(bytes instanceof Uint8Array)) {
        if (bytes.last !== undefined) {
          this.estimate.awaited(this.#leftAt[bytes.last + 1] ?? Infinity, now);
          this.estimate.report(Math.floor(bytes.lost! * 256) / 256, now, bytes.missing);
          continue;
        }
        if (bytes.remb !== undefined) this.estimate.remb(bytes.remb, now);
        if (bytes.lost !== undefined) this.estimate.report(bytes.lost, now);
        this.#earnRepairs(REPORT_MS / 2);
        continue;
      }
      if (!parseTransportFeedback(bytes, 0, bytes.length, this.#feedback)) throw new Error("bad");
      this.estimate.feedback(this.#feedback, now);
      this.#earnRepairs(FEEDBACK_INTERVAL_MS);
      this.#repair(this.#countMissing(), now);
    }
  }

  #earnRepairs(ms: number): void {
    const share = this.estimate.bps * REPAIR_SHARE / 8_000;
    this.#repairBudget = Math.min(this.#repairBudget, 100 * share) + ms * share;
  }

  #countMissing(): number {
    let missing = 0;
    for (let i = 0; i < this.#feedback.statusCount; i++) {
      if (this.#feedback.deltas[i] === NOT_RECEIVED) missing++;
    }
    return missing;
  }

  /** What is missing is sent again, once. */
  #repair(missing: number, now: number): void {
    if (!this.isActive(now)) return;
    for (let i = 0; i < missing && this.#repairBudget >= REPAIR_BYTES; i++) {
      this.#repairBudget -= REPAIR_BYTES;
      this.repairBytes += REPAIR_BYTES;
      this.send(REPAIR_BYTES, SENT.repair, -1, now);
    }
  }

  /** One packet of a burst. */
  #pad(now: number, most: number): boolean {
    const bytes = Math.max(LEAST_PADDING, Math.min(PROBE_PACKET, most));
    this.paddingBytes += bytes;
    this.send(bytes, SENT.padding, -1, now);
    return true;
  }

  #sample(now: number): void {
    this.samples.push({
      atMs: now,
      estimateBps: this.estimate.bps,
      receivedBps: this.#received * 8_000 / SAMPLE_MS,
      mediaBps: this.#media * 8_000 / SAMPLE_MS,
      queueMs: this.#worst,
      messages: this.#told,
    });
    this.#received =
      this.#media =
      this.#worst =
      this.#told =
        0;
  }
}
