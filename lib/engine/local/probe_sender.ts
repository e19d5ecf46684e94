/**
 * Sends what an estimate wants to know more by: bursts at a rate, spread over the engine's turns.
 *
 * Contract: media that leaves meanwhile is part of the burst. A burst ends when as much of it has
 * left as was wanted, and at once when the estimate does not want it any more; none is sent twice.
 *
 * @module
 */
import type { ProbeCluster } from "../../bandwidth/probe_plan.ts";
import { NO_CLUSTER } from "../../base/packet_sink.ts";

/** Between two parts of a burst, ms: the engine's turns are no closer. */
const INTERVAL_MS = 10;
/** Packets in one turn at most, whatever the rate. */
const MOST_AT_ONCE = 64;

/** The estimate as its probes need it. */
export interface Probing {
  readonly probe: ProbeCluster | undefined;
  begun(cluster: number, now: number): void;
}

/** One connection's bursts, one after the other. */
export class ProbeSender {
  /** Which burst what leaves now belongs to; {@linkcode NO_CLUSTER} outside of one. */
  cluster: number = NO_CLUSTER;
  readonly #pad: (now: number) => boolean;
  #last: ProbeCluster | undefined;
  #startedAt = 0;
  #nextAt = Infinity;
  #packets = 0;
  #bytes = 0;

  /** @param pad Sends one packet that is needed for nothing else; `false` if there is no way to. */
  constructor(pad: (now: number) => boolean) {
    this.#pad = pad;
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
  sent(bytes: number): void {
    const probe = this.#last!;
    this.#packets++;
    this.#bytes += bytes;
    if (this.#packets >= probe.packets && this.#bytes >= probe.bytes) this.#end();
  }

  /** Sends what is due. */
  tick(estimate: Probing, now: number): void {
    const { probe } = estimate;
    if (probe === undefined) return this.#end();
    if (probe !== this.#last) this.#begin(probe, estimate, now);
    if (this.cluster === NO_CLUSTER || now < this.#nextAt) return;
    this.#nextAt = now + INTERVAL_MS;
    const due = probe.bps / 8_000 * (this.#nextAt - this.#startedAt);
    for (let i = 0; i < MOST_AT_ONCE && this.#bytes < due; i++) {
      if (this.cluster === NO_CLUSTER) return;
      if (!this.#pad(now)) return this.#end();
    }
  }

  #begin(probe: ProbeCluster, estimate: Probing, now: number): void {
    this.#last = probe;
    this.#packets = this.#bytes = 0;
    this.#startedAt = this.#nextAt = now;
    this.cluster = probe.cluster;
    estimate.begun(probe.cluster, now);
  }

  #end(): void {
    this.cluster = NO_CLUSTER;
    this.#nextAt = Infinity;
  }
}
