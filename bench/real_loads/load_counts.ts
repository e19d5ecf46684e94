/**
 * What the clients of a load count as it happens.
 *
 * @module
 */
import { LatencyHistogram } from "../load/latency_histogram.ts";

/** One process's counts; `restart` begins anew. */
export class LoadCounts {
  /** RTP packets that came, repetitions included. */
  received = 0;
  bytes = 0;
  messages = 0;
  expectedMessages = 0;
  /** RTCP compounds and STUN requests that were sent. */
  reports = 0;
  checks = 0;
  readonly latency = new LatencyHistogram();

  restart(): void {
    this.received =
      this.bytes =
      this.messages =
      this.expectedMessages =
        0;
    this.reports = this.checks = 0;
    this.latency.clear();
  }
}
