/**
 * Spreads bursts of one connection's video over time, where they would fill the path's queue: key
 * frames of publishers that send a whole frame at once.
 *
 * What waits is not a packet but its number: the down-track's history and its up-track's cache have
 * all that it is written from, so it is written and sealed as it leaves. Nothing is copied, and
 * what waits costs a few bytes.
 *
 * Contract: what waits leaves in its order, and nothing of the connection's video leaves before it;
 * audio, repairs and probes are not asked. Nothing waits longer than its {@linkcode Spread} says,
 * or while bursts do no harm. Memory is fixed once something waited.
 *
 * @module
 */

/** What is a burst, and how it is spread. */
interface Spread {
  /** So many packets in one turn are no burst. */
  readonly burstPackets: number;
  /** Nor is one that the path carries in so many ms. */
  readonly burstMs: number;
  /** What the path has not carried of earlier turns counts, too. */
  readonly isOverTurns: boolean;
  /** Bursts leave at so many times the rate that may be sent… */
  readonly pace: number;
  /** …and while something waits for longer, at up to so many times it. */
  readonly mostPace: number;
  /** Longest that a packet waits, ms. */
  readonly mostMs: number;
}

/** What the mean says is no maximum, and what comes late is worth less than what is lost. */
const SPREAD: Spread = {
  burstPackets: 10,
  burstMs: 5,
  isOverTurns: false,
  pace: 1.5,
  mostPace: 1.5,
  mostMs: 100,
};
/**
 * On a full path of a few hundred kbit/s ten packets are a tenth of a second and more, and a key
 * frame takes longer than its queue is, in which sound waits behind it, and is made up by who plays
 * it. The picture comes no sooner through that queue than it does from here, past which sound goes.
 */
const NARROW_SPREAD: Spread = {
  burstPackets: 0,
  burstMs: 65,
  isOverTurns: true,
  pace: 0.9,
  mostPace: 1.2,
  mostMs: 400,
};
/**
 * Videos may have all of the rate: what a burst has left waiting would wait for good. While
 * something waits for so long, the pace rises by so much in each ms.
 */
const PATIENCE_MS = 400;
const PACE_PER_MS = 0.0005;
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
  #spread = SPREAD;
  /** What left in this turn, and of earlier ones what the path has not carried yet. */
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
  /** Since then something waits. */
  #waitsSince = 0;
  #lastAt = 0;
  /** What may still leave of what was earned. */
  #left = 0;

  /** @param timed There is timed work at a time, which may be sooner than before. */
  constructor(timed: (at: number) => void) {
    this.#timed = timed;
  }

  /**
   * @param bps What may be sent in all; `Infinity` where bursts do no harm.
   * @param isNarrow The path is full, and a key frame takes long on it.
   */
  setRate(bps: number, isNarrow = false): void {
    this.#bytesPerMs = bps / 8_000;
    this.#spread = isNarrow ? NARROW_SPREAD : SPREAD;
  }

  /** Something waits, of whatever track. */
  get isWaiting(): boolean {
    return this.#count > 0;
  }

  /** Whether a packet that is about to leave has to wait; it is counted as leaving if not. */
  holds(bytes: number, now: number): boolean {
    if (this.#count > 0) return true;
    if (this.#bytesPerMs === Infinity) return false;
    this.#carry(now);
    const { burstPackets, burstMs } = this.#spread;
    const isBurst = this.#burstPackets >= burstPackets &&
      this.#burstBytes + bytes > burstMs * this.#bytesPerMs;
    if (!isBurst) this.#leaves(bytes);
    return isBurst;
  }

  /** Lets a packet wait. */
  hold(track: PacedTrack, sequence: number, bytes: number, now: number): void {
    if (this.#sizes.length === 0) this.#allocate();
    if (this.#count === MOST_PACKETS) this.#release(now);
    if (this.#count === 0) {
      this.#lastAt = this.#waitsSince = now;
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
    const { mostMs, pace, mostPace } = this.#spread;
    const untilMs = Math.max(INTERVAL_MS, this.#since[this.#head]! + mostMs - now);
    const needed = this.#bytes * Math.min(1, elapsedMs / untilMs);
    const overdueMs = Math.max(0, now - this.#waitsSince - PATIENCE_MS);
    const times = Math.min(mostPace, pace + overdueMs * PACE_PER_MS);
    this.#left += Math.max(needed, elapsedMs * this.#bytesPerMs * times);
    this.#carry(now);
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
    if (track === undefined) return;
    this.#leaves(this.#sizes[at]!);
    track.release(this.#sequences[at]!, now);
  }

  #leaves(bytes: number): void {
    this.#burstPackets++;
    this.#burstBytes += bytes;
  }

  /** Forgets what was carried since something left. */
  #carry(now: number): void {
    if (now === this.#burstAt) return;
    const { isOverTurns, burstMs } = this.#spread;
    const mostBytes = isOverTurns ? burstMs * this.#bytesPerMs : 0;
    const carried = (now - this.#burstAt) * this.#bytesPerMs;
    this.#burstBytes = Math.max(0, Math.min(mostBytes, this.#burstBytes) - carried);
    this.#burstAt = now;
    this.#burstPackets = 0;
  }

  #allocate(): void {
    this.#tracks = new Array(MOST_PACKETS).fill(undefined);
    this.#sequences = new Float64Array(MOST_PACKETS);
    this.#sizes = new Uint16Array(MOST_PACKETS);
    this.#since = new Float64Array(MOST_PACKETS);
  }
}
