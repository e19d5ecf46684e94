/**
 * Decides which lost packets of one SSRC to ask for again (generic NACK, RFC 4585 §6.2.1; limits as
 * in livekit/mediatransportutil, June 2026, `pkg/nack/nack.go`).
 *
 * Pure state: feed it every packet, call {@linkcode NackTracker.collect} at
 * {@linkcode NackTracker.nextWakeAt}, send what it wrote. Numbers are extended, so a wrap is
 * nothing special. Memory is fixed, no method allocates.
 *
 * @module
 */
import type { ExtSeq } from "../../wire/seq.ts";

/** Losses remembered; when more are lost at once the oldest are given up. */
const CAPACITY = 100;
/** Requests for one packet before it is given up. */
const MAX_TRIES = 5;
/** Wait before the first request, ms: a shorter gap is usually reordering. Also the retry floor. */
export const MIN_INTERVAL_MS = 20;
const MAX_INTERVAL_MS = 400;
/**
 * The same where repair packets come (flexfec-03), ms: that of a loss follows its frame, which
 * senders spread over time. Where they protect several frames, it follows the last of those, too
 * late to wait for: of what cannot be made, pictures would come later by as much. They are expected
 * for so long after the last one, ms.
 */
const REPAIR_WAIT_MS = 60;
const REPAIR_EXPECTED_MS = 1_000;
/** Each retry waits this much longer than the one before. */
const BACKOFF = 1.25;
/** A loss this old is of no use to anybody, ms. */
const LIFETIME_MS = 2 * 60 * 1000;

/**
 * One SSRC's missing packets, never shared between layers, because each SSRC has its own numbers.
 * Each is asked for a bounded number of times; memory is fixed.
 */
export class NackTracker {
  // The lost packets, oldest first; only the first `#count` entries count.
  readonly #seq = new Float64Array(CAPACITY);
  readonly #dueAt = new Float64Array(CAPACITY);
  readonly #lostAt = new Float64Array(CAPACITY);
  readonly #tries = new Uint8Array(CAPACITY);
  #count = 0;
  #highest: number = -1;
  /** When a repair packet came last; in a typed array, as a field would be boxed at each store. */
  readonly #repairAt = Float64Array.of(-Infinity);

  /** Lost packets still hoped for. */
  get pending(): number {
    return this.#count;
  }

  /**
   * Records an arrival, original or retransmitted.
   *
   * @returns `true` if the packet had been counted lost and is now recovered.
   */
  receive(seq: ExtSeq, now: number): boolean {
    if (this.#highest < 0 || seq === this.#highest + 1) {
      this.#highest = seq;
      return false;
    }
    if (seq > this.#highest) {
      for (let s = Math.max(this.#highest + 1, seq - CAPACITY); s < seq; s++) this.#add(s, now);
      this.#highest = seq;
      return false;
    }
    for (let i = 0; i < this.#count; i++) {
      if (this.#seq[i] === seq) {
        this.#removeAt(i);
        return true;
      }
    }
    return false;
  }

  /** A repair packet came: what is lost from now on may be made of others. */
  repairCame(now: number): void {
    this.#repairAt[0] = now;
  }

  /** Forgets all losses; the next packet starts afresh (the stream was restarted). */
  reset(): void {
    this.#count = 0;
    this.#highest = -1;
  }

  /**
   * Writes the 16-bit numbers due for a request into `out`, oldest first, and counts the attempt.
   *
   * @param rttMs Smoothed round trip to the publisher.
   * @returns How many entries of `out` are valid; what did not fit stays due.
   */
  collect(now: number, rttMs: number, out: Uint16Array): number {
    let written = 0;
    for (let i = 0; i < this.#count;) {
      if (now - this.#lostAt[i]! > LIFETIME_MS) {
        this.#removeAt(i);
        continue;
      }
      if (this.#dueAt[i]! > now || written === out.length) {
        i++;
        continue;
      }
      if (this.#tries[i]! >= MAX_TRIES) {
        this.#removeAt(i);
        continue;
      }
      out[written++] = this.#seq[i]! & 0xffff;
      const wait = rttMs * BACKOFF ** this.#tries[i]!;
      this.#tries[i]!++;
      this.#dueAt[i] = now + Math.round(Math.min(MAX_INTERVAL_MS, Math.max(MIN_INTERVAL_MS, wait)));
      i++;
    }
    return written;
  }

  /** When the next request is due; `Infinity` if nothing is lost. */
  nextWakeAt(): number {
    let earliest = Infinity;
    for (let i = 0; i < this.#count; i++) {
      if (this.#dueAt[i]! < earliest) earliest = this.#dueAt[i]!;
    }
    return earliest;
  }

  #add(seq: number, now: number): void {
    if (this.#count === CAPACITY) this.#removeAt(0);
    const i = this.#count++;
    this.#seq[i] = seq;
    const hopes = now - this.#repairAt[0]! < REPAIR_EXPECTED_MS;
    this.#dueAt[i] = now + (hopes ? REPAIR_WAIT_MS : MIN_INTERVAL_MS);
    this.#lostAt[i] = now;
    this.#tries[i] = 0;
  }

  #removeAt(index: number): void {
    this.#seq.copyWithin(index, index + 1, this.#count);
    this.#dueAt.copyWithin(index, index + 1, this.#count);
    this.#lostAt.copyWithin(index, index + 1, this.#count);
    this.#tries.copyWithin(index, index + 1, this.#count);
    this.#count--;
  }
}
