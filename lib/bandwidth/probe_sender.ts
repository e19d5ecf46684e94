/**
 * Sends what an estimate wants to know more by: bursts at a rate, spread over the engine's turns.
 *
 * Contract: media that leaves meanwhile is part of the burst. It begins with one packet, or with
 * media, from which on it is measured, and keeps its rate from there even if turns come late: a
 * burst shows no more than the rate at which it left. It ends when as much of it has left as was
 * wanted, and as its rate takes since it began (`isWhole`), at once when the estimate does not want
 * it any more, and soon when nothing can be sent for it; none is sent twice.
 *
 * @module
 */
import { dueBytes, isWhole, mayEnd, type ProbeCluster } from "./probe_cluster.ts";
import { NO_CLUSTER } from "../base/packet_sink.ts";

/** Between two parts of a burst, ms: the engine's turns are no closer meanwhile. */
const INTERVAL_MS = 5;
/**
 * Where padding goes between frames a turn may find every stream in the middle of one: it is left
 * out, for so long at most, ms, and what is due leaves in the next.
 */
const PATIENCE_MS = 30;
/** Packets in one turn at most, whatever the rate. */
const MOST_AT_ONCE = 64;
/** A packet more than was wanted goes ahead, so each may be a little larger than its part. */
const MEASURING_BYTES = 50;

/** The estimate as its probes need it. */
export interface Probing {
  readonly probe: ProbeCluster | undefined;
  begun(cluster: number, now: number): void;
}

/** One connection's bursts, one after the other. */
export class ProbeSender {
  /** Which burst what leaves now belongs to; {@linkcode NO_CLUSTER} outside of one. */
  cluster: number = NO_CLUSTER;
  readonly #pad: (now: number, most: number) => boolean;
  readonly #most: number;
  #last: ProbeCluster | undefined;
  /** When its first packet left, -1 before that. */
  #firstAt = -1;
  #nextAt = Infinity;
  /** When nothing could be sent any more, -1 while something can. */
  #stuckAt = -1;
  #packets = 0;
  /** Larger packets would make more of it than was wanted. */
  #mostBytes = 0;
  /** After the first moment. */
  #bytes = 0;

  /**
   * @param pad Sends one packet that is needed for nothing else, of about `most` bytes or fewer;
   *   `false` if there is no way to at this moment.
   * @param most Packets in one turn at most, whatever the rate.
   */
  constructor(pad: (now: number, most: number) => boolean, most = MOST_AT_ONCE) {
    this.#pad = pad;
    this.#most = most;
  }

  /** When {@linkcode ProbeSender.tick} has something to do; `Infinity` if nothing is foreseen. */
  nextWakeAt(estimate: Probing): number {
    const { probe } = estimate;
    if (probe === undefined || probe === this.#last) {
      return this.cluster === NO_CLUSTER ? Infinity : this.#nextAt;
    }
    return 0;
  }

  /** A packet of {@linkcode ProbeSender.cluster} left. */
  sent(bytes: number, now: number): void {
    const probe = this.#last!;
    this.#packets++;
    if (this.#firstAt < 0) this.#firstAt = now;
    if (now > this.#firstAt) this.#bytes += bytes;
    if (isWhole(probe, this.#packets, this.#bytes, now - this.#firstAt)) this.#end();
  }

  /** Sends what is due. */
  tick(estimate: Probing, now: number): void {
    const { probe } = estimate;
    if (probe === undefined) return this.#end();
    if (probe !== this.#last) this.#begin(probe, estimate, now);
    if (this.cluster === NO_CLUSTER || now < this.#nextAt) return;
    this.#nextAt = now + INTERVAL_MS;
    if (this.#firstAt < 0) {
      // Without anything to begin with, just after the path has changed for one, media begins it,
      // or a later turn, as long as it is wanted.
      this.#pad(now, this.#mostBytes);
      return;
    }
    const elapsedMs = now - this.#firstAt;
    const due = dueBytes(probe, elapsedMs);
    // In the turn that may be its last all that is missing leaves: a packet that comes a turn later
    // would make the whole burst a slower one.
    const packets = mayEnd(probe, elapsedMs) ? probe.packets : 0;
    for (let i = 0; i < this.#most && (this.#bytes < due || this.#packets < packets); i++) {
      if (this.cluster === NO_CLUSTER) return;
      if (!this.#pad(now, this.#mostBytes)) return this.#wait(now);
      this.#stuckAt = -1;
    }
    // Also where media was all that was due.
    this.#stuckAt = -1;
  }

  #wait(now: number): void {
    if (this.#stuckAt < 0) this.#stuckAt = now;
    else if (now - this.#stuckAt >= PATIENCE_MS) this.#end();
  }

  #begin(probe: ProbeCluster, estimate: Probing, now: number): void {
    this.#last = probe;
    this.#packets = this.#bytes = 0;
    this.#firstAt = this.#stuckAt = -1;
    this.#nextAt = now;
    this.#mostBytes = Math.ceil(probe.bytes / probe.packets) + MEASURING_BYTES;
    this.cluster = probe.cluster;
    estimate.begun(probe.cluster, now);
  }

  #end(): void {
    this.cluster = NO_CLUSTER;
    this.#nextAt = Infinity;
  }
}
