/**
 * Reception statistics of one SSRC for receiver reports (RFC 3550 §6.4.1, A.3 and A.8).
 *
 * @module
 */
import type { ReportBlock } from "../../wire/rtcp.ts";
import type { RtpView } from "../../wire/rtp_view.ts";
import type { ExtSeq } from "../../wire/seq.ts";

/** Counts packets of one SSRC; duplicates must not be given to it. */
export class ReceiveStatistics {
  packets = 0;
  bytes = 0;
  #started = false;
  #base = 0;
  #highest = 0;
  #received = 0;
  #expectedBefore = 0;
  #receivedBefore = 0;
  /** What was lost before the newest restart of the stream. */
  #lostEarlier = 0;
  // Fractions live in a typed array: a field would be boxed anew at each store.
  /** [jitter, last transit]. */
  readonly #timing = new Float64Array(2);
  #timed = false;

  /**
   * Counts one packet.
   *
   * @param view The packet: a timestamp itself would be boxed.
   * @param isOriginal `false` for RTX and late packets, which say nothing about jitter.
   */
  receive(
    seq: ExtSeq,
    view: RtpView,
    clockRate: number,
    now: number,
    isOriginal: boolean,
  ): void {
    this.packets++;
    this.bytes += view.length;
    this.#received++;
    if (!this.#started) {
      this.#started = true;
      this.#base = seq;
      this.#highest = seq;
    } else if (seq > this.#highest) this.#highest = seq;
    if (isOriginal) this.#measureJitter(view, clockRate, now);
  }

  /** The stream starts afresh at the next packet (RFC 3550 A.1 `init_seq`). */
  restart(): void {
    this.#lostEarlier = this.lost;
    this.#started = false;
    this.#received = 0;
    this.#expectedBefore = 0;
    this.#receivedBefore = 0;
    this.#timed = false;
  }

  /** Packets lost so far; retransmissions that arrived are not lost. Never negative. */
  get lost(): number {
    return this.#lostEarlier + Math.max(0, this.#expected - this.#received);
  }

  /** Interarrival jitter in RTP clock units. */
  get jitter(): number {
    return Math.floor(this.#timing[0]!);
  }

  /** Fills the loss and jitter fields and begins the next interval. */
  report(into: ReportBlock): void {
    const expected = this.#expected;
    const expectedInterval = expected - this.#expectedBefore;
    const lostInterval = expectedInterval - (this.#received - this.#receivedBefore);
    this.#expectedBefore = expected;
    this.#receivedBefore = this.#received;
    into.fractionLost = expectedInterval <= 0 || lostInterval <= 0
      ? 0
      : Math.min(255, Math.floor((lostInterval * 256) / expectedInterval));
    into.cumulativeLost = Math.min(0x7fffff, this.lost);
    into.jitter = this.jitter;
  }

  get #expected(): number {
    return this.#started ? this.#highest - this.#base + 1 : 0;
  }

  #measureJitter(view: RtpView, clockRate: number, now: number): void {
    const arrival = Math.floor((now * clockRate) / 1000);
    // 32-bit arithmetic as in RFC 3550 A.8, so that a wrap of either clock cancels out.
    const transit = (arrival - view.timestamp) | 0;
    if (this.#timed) {
      const d = Math.abs((transit - this.#timing[1]!) | 0);
      this.#timing[0]! += (d - this.#timing[0]!) / 16;
    }
    this.#timed = true;
    this.#timing[1] = transit;
  }
}
