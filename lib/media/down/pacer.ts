/**
 * Spreads bursts of one connection's video over time, where they would fill the path's queue: key
 * frames of publishers that send a whole frame at once.
 *
 * What waits is not a packet but its number: the down-track's history and its up-track's cache have
 * all that it is written from, so it is written and sealed as it leaves. Nothing is copied, and
 * what waits costs a few bytes.
 *
 * Contract: what waits leaves in its order, and nothing of the connection's video leaves before it;
 * audio, repairs and probes are not asked. Nothing waits longer than {@linkcode MOST_MS}, or while
 * the path shows no sign of being full. Memory is fixed once something waited.
 *
 * @module
 */

/** So many packets in one turn are no burst. */
const BURST_PACKETS = 10;
/** Nor is one that the path carries in so many ms. */
const BURST_MS = 5;
/** Bursts leave at so many times the rate that may be sent: what the mean says is no maximum. */
const PACE = 1.5;
/** Longest that a packet waits, ms: what comes late is worth less than what is lost. */
const MOST_MS = 100;
/** Parts of a burst are so far apart, ms: the engine's turns are no closer. */
const INTERVAL_MS = 10;
/** Packets that wait at most, a power of two; more push the oldest out. */
const MOST_PACKETS = 256;
const MASK = MOST_PACKETS - 1;

/** A down-track as far as what waits of it goes. */
export interface PacedTrack {
  /** Sends what waits under this outgoing number, if it is still there. */
  release(sequence: number, now: number): void;
}

/** What waits of all down-tracks of one connection, oldest first. */
export class Pacer {
  readonly #timed: (at: number) => void;
  /** What may be sent, bytes/ms; `Infinity` while nothing has to wait. */
  #bytesPerMs = Infinity;
  #burstAt = -1;
  #burstPackets = 0;
  #burstBytes = 0;
  // What waits, made at its first use.
  #tracks: (PacedTrack | undefined)[] = [];
  #sequences = new Float64Array(0);
  #sizes = new Uint16Array(0);
  #since = new Float64Array(0);
  #head = 0;
  #count = 0;
  #bytes = 0;
  #lastAt = 0;
  /** What may still leave of what was earned. */
  #left = 0;

  /** @param timed There is timed work at a time, which may be sooner than before. */
  constructor(timed: (at: number) => void) {
    this.#timed = timed;
  }

  /** @param bps What may be sent in all; `Infinity` where bursts do no harm. */
  setRate(bps: number): void {
    this.#bytesPerMs = bps / 8_000;
  }

  /** Something waits, of whatever track. */
  get isWaiting(): boolean {
    return this.#count > 0;
  }

  /** Whether a packet that is about to leave has to wait; it is counted as leaving if not. */
  holds(bytes: number, now: number): boolean {
    if (this.#count > 0) return true;
    if (this.#bytesPerMs === Infinity) return false;
    if (now !== this.#burstAt) {
      this.#burstAt = now;
      this.#burstPackets = this.#burstBytes = 0;
    }
    this.#burstBytes += bytes;
    return ++this.#burstPackets > BURST_PACKETS &&
      this.#burstBytes > BURST_MS * this.#bytesPerMs;
  }

  /** Lets a packet wait. */
  hold(track: PacedTrack, sequence: number, bytes: number, now: number): void {
    if (this.#sizes.length === 0) this.#allocate();
    if (this.#count === MOST_PACKETS) this.#release(now);
    if (this.#count === 0) {
      this.#lastAt = now;
      this.#left = 0;
      this.#timed(now + INTERVAL_MS);
    }
    const at = (this.#head + this.#count++) & MASK;
    this.#tracks[at] = track;
    this.#sequences[at] = sequence;
    this.#sizes[at] = bytes;
    this.#since[at] = now;
    this.#bytes += bytes;
  }

  /**
   * A down-track ends: what waits of it is not sent any more.
   *
   * @returns The lowest outgoing number that waited; `Infinity` if none did.
   */
  forget(track: PacedTrack): number {
    let lowest = Infinity;
    for (let i = 0; i < this.#count; i++) {
      const at = (this.#head + i) & MASK;
      if (this.#tracks[at] !== track) continue;
      this.#tracks[at] = undefined;
      lowest = Math.min(lowest, this.#sequences[at]!);
    }
    return lowest;
  }

  /** Sends what is due. */
  tick(now: number): void {
    if (this.#count === 0) return;
    if (this.#bytesPerMs === Infinity) {
      while (this.#count > 0) this.#release(now);
      return;
    }
    const elapsedMs = now - this.#lastAt;
    this.#lastAt = now;
    const untilMs = Math.max(INTERVAL_MS, this.#since[this.#head]! + MOST_MS - now);
    const needed = this.#bytes * Math.min(1, elapsedMs / untilMs);
    this.#left += Math.max(needed, elapsedMs * this.#bytesPerMs * PACE);
    while (this.#count > 0 && this.#left > 0) this.#release(now);
  }

  /** When {@linkcode Pacer.tick} has something to do; `Infinity` while nothing waits. */
  nextWakeAt(): number {
    return this.#count === 0 ? Infinity : this.#lastAt + INTERVAL_MS;
  }

  #release(now: number): void {
    const at = this.#head;
    const track = this.#tracks[at];
    this.#tracks[at] = undefined;
    this.#head = (at + 1) & MASK;
    this.#count--;
    this.#bytes -= this.#sizes[at]!;
    this.#left -= this.#sizes[at]!;
    track?.release(this.#sequences[at]!, now);
  }

  #allocate(): void {
    this.#tracks = new Array(MOST_PACKETS).fill(undefined);
    this.#sequences = new Float64Array(MOST_PACKETS);
    this.#sizes = new Uint16Array(MOST_PACKETS);
    this.#since = new Float64Array(MOST_PACKETS);
  }
}
