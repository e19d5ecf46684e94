/**
 * How much may be in flight (RFC 9260 §7): slow start, congestion avoidance, and what losses mean.
 *
 * Two things are not the RFC's, because Wi-Fi and mobile paths lose packets at random, where
 * halving the window for each loss leaves most of the path unused. After a loss the window falls to
 * what was delivered in the shortest round trip, if that is more than half of it: where a queue
 * overflowed it is what empties the queue (the idea of TCP Westwood). And while round trips are
 * short, so that no queue stands anywhere, the window grows by a sixteenth in each instead of by a
 * packet.
 *
 * @module
 */
import { MAX_FRAGMENT_BYTES, MAX_PACKET_BYTES } from "./sctp_packet.ts";

/** Packets at the beginning (RFC 6928). */
const INITIAL_PACKETS = 10;
const MIN_THRESHOLD_BYTES = 4 * MAX_PACKET_BYTES;
/** Packets that one SACK may let go at once beyond those it acknowledged (RFC 9260 §7.1). */
const BURST_PACKETS = 4;
/** What was allowed and not used is kept up to here. */
const MAX_BURST_PACKETS = 256;
/** Growth in a round trip without a queue, as a part of the window. */
const FREE_GROWTH = 1 / 16;
/** Round trips up to this many times the shortest, and this much longer, ms, show no queue. */
const FREE_RTT = 1.25;
const FREE_RTT_MS = 5;

/** The congestion window of one association. */
export class CongestionWindow {
  /** Bytes that may be in flight. */
  bytes = INITIAL_PACKETS * MAX_PACKET_BYTES;
  #threshold = Infinity;
  #partial = 0;
  /** Packets that may leave before the next SACK. */
  burst = INITIAL_PACKETS;
  /** Delivered bytes a millisecond, smoothed. */
  #rate = 0;
  #delivered = 0;
  #deliveredSince = 0;
  /** Of all: one that rose with a queue would hide it. */
  #minRttMs = Infinity;
  #isFree = false;

  /** A round trip was measured. */
  measured(rttMs: number): void {
    this.#minRttMs = Math.min(this.#minRttMs, Math.max(rttMs, 1));
    this.#isFree = rttMs <= this.#minRttMs * FREE_RTT + FREE_RTT_MS;
  }

  /**
   * A SACK acknowledged `acked` bytes for the first time.
   *
   * @param advanced Whether the cumulative number moved.
   * @param wasFull Whether the window had been used up before it.
   * @param recovering Whether losses are still being repaired.
   */
  acknowledged(
    acked: number,
    advanced: boolean,
    wasFull: boolean,
    recovering: boolean,
    rttMs: number,
    now: number,
  ): void {
    // Those who answer once in a while acknowledge much at once, and as much may follow.
    const allowed = BURST_PACKETS + acked / MAX_FRAGMENT_BYTES;
    this.burst = Math.max(allowed, Math.min(this.burst + allowed, MAX_BURST_PACKETS));
    this.#countDelivered(acked, rttMs, now);
    if (!wasFull || (recovering && !this.#isFree)) return;
    if (this.bytes <= this.#threshold && !recovering) {
      if (advanced) this.bytes += Math.min(acked, 2 * MAX_PACKET_BYTES);
      return;
    }
    this.#partial += acked;
    const growth = this.#isFree ? this.bytes * FREE_GROWTH : 0;
    const wanted = growth > MAX_PACKET_BYTES ? MAX_PACKET_BYTES / FREE_GROWTH : this.bytes;
    if (this.#partial < wanted) return;
    this.#partial -= wanted;
    this.bytes += MAX_PACKET_BYTES;
  }

  /** A loss was noticed by SACKs: one round trip has one of these. */
  lost(): void {
    const carried = this.#minRttMs === Infinity ? 0 : this.#rate * this.#minRttMs;
    const kept = Math.min(carried, this.bytes);
    this.#threshold = Math.max(kept, this.bytes / 2, MIN_THRESHOLD_BYTES);
    this.bytes = Math.min(this.bytes, this.#threshold);
    this.#partial = 0;
  }

  /** Nothing came for a whole timeout. */
  timedOut(): void {
    this.#threshold = Math.max(this.bytes / 2, MIN_THRESHOLD_BYTES);
    this.bytes = MAX_PACKET_BYTES;
    this.#partial = 0;
    this.burst = Math.max(this.burst, 1);
  }

  /** Nothing is in flight: the first packets need no SACK. */
  idle(): void {
    this.burst = Math.max(this.burst, INITIAL_PACKETS);
  }

  /** Nothing was sent for `idleMs`: what the path carried may not hold any more (§7.2.1). */
  rested(idleMs: number, timeoutMs: number): void {
    if (idleMs < timeoutMs) return;
    const floor = INITIAL_PACKETS * MAX_PACKET_BYTES;
    for (let left = idleMs; left >= timeoutMs && this.bytes > floor; left -= timeoutMs) {
      this.bytes = Math.max(this.bytes / 2, floor);
    }
    this.burst = INITIAL_PACKETS;
  }

  #countDelivered(acked: number, rttMs: number, now: number): void {
    this.#delivered += acked;
    const elapsed = now - this.#deliveredSince;
    if (elapsed < Math.max(rttMs, 20)) return;
    // A pause says nothing of the path.
    if (elapsed <= 4 * Math.max(rttMs, 20)) {
      this.#rate += (this.#delivered / elapsed - this.#rate) / 2;
    }
    this.#delivered = 0;
    this.#deliveredSince = now;
  }
}
