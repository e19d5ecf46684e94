/**
 * What a receiver knows of one stream: enough for its reports (RFC 3550 §6.4.1, A.3, A.8), and for
 * counting what was lost. Pure: time is an argument.
 *
 * @module
 */
import { extendSeq, type ExtSeq } from "../../lib/wire/seq.ts";
import type { ReportBlock } from "../../lib/wire/rtcp.ts";

/** One received stream. */
export class Reception {
  /** Since the last {@linkcode Reception.restart}. */
  received = 0;
  #first = -1;
  #highest = 0 as ExtSeq;
  /** Arrival less timestamp, in timestamp units. */
  #transit = 0;
  #jitter = 0;
  #all = 0;
  #start = 0;
  #expectedBefore = 0;
  #receivedBefore = 0;
  #report = 0;
  #reportAt = 0;

  constructor(readonly ssrc: number, private readonly clockRate: number) {}

  /** Takes a packet's number and timestamp; `micros` is when it came. */
  arrive(sequence: number, timestamp: number, micros: number): void {
    this.received++;
    this.#all++;
    const transit = (micros * this.clockRate / 1e6 - timestamp) % 2 ** 32;
    if (this.#first < 0) {
      // From the second round on, so that a late one does not lie below zero.
      this.#highest = (0x10000 + sequence) as ExtSeq;
      this.#first = this.#start = this.#highest;
      this.#transit = transit;
      return;
    }
    const number = extendSeq(sequence, this.#highest);
    if (number > this.#highest) this.#highest = number;
    const change = Math.abs(transit - this.#transit);
    if (change < this.clockRate) this.#jitter += (change - this.#jitter) / 16;
    this.#transit = transit;
  }

  /** Notes a sender report: the middle 32 bits of its NTP time. */
  reported(ntpSeconds: number, ntpFraction: number, nowMs: number): void {
    this.#report = ((ntpSeconds << 16) | (ntpFraction >>> 16)) >>> 0;
    this.#reportAt = nowMs;
  }

  /** Numbers that should have come since the first one. */
  get expected(): number {
    return this.#first < 0 ? 0 : this.#highest - this.#first + 1;
  }

  /** The same since the restart. */
  get expectedSince(): number {
    return this.#first < 0 ? 0 : this.#highest - this.#start + 1;
  }

  /** Counts from the next number on. */
  restart(): void {
    this.received = 0;
    if (this.#first >= 0) this.#start = this.#highest + 1;
  }

  /** Fills a report block and begins the next interval. */
  fill(block: ReportBlock, nowMs: number): void {
    const { expected } = this;
    const interval = expected - this.#expectedBefore;
    const lost = interval - (this.#all - this.#receivedBefore);
    this.#expectedBefore = expected;
    this.#receivedBefore = this.#all;
    block.ssrc = this.ssrc;
    block.fractionLost = interval > 0 && lost > 0 ? Math.min(255, (lost << 8) / interval | 0) : 0;
    block.cumulativeLost = expected - this.#all;
    block.highestSequence = Math.max(0, this.#highest - 0x10000) >>> 0;
    block.jitter = Math.round(this.#jitter);
    block.lastSenderReport = this.#report;
    block.delaySinceLastSenderReport = this.#report === 0
      ? 0
      : Math.round((nowMs - this.#reportAt) * 65.536) >>> 0;
  }
}
