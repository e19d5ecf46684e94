/**
 * One bottleneck on virtual time: a rate that follows a schedule, a queue that drops at its tail,
 * delay, jitter, random loss, and moments in which nothing moves.
 *
 * @module
 */

/** From `atMs` on the link carries `bps`; 0 is a stall. */
export interface RateStep {
  readonly atMs: number;
  readonly bps: number;
}

export interface LinkOptions {
  /** By time; the first one begins at 0. */
  readonly rates: readonly RateStep[];
  /** What would wait longer is dropped. */
  readonly queueMs: number;
  /** Share of packets lost whatever is sent. */
  readonly lossRate?: number;
  /** Added to each packet's delay, from 0 to this; order is kept. */
  readonly jitterMs?: number;
  readonly chance: () => number;
}

/** A link that several flows share. Packets have to be given in the order of time. */
export class Link {
  readonly #options: LinkOptions;
  #busyUntil = 0;
  #lastOutAt = 0;
  /** Bytes that came out. */
  carried = 0;
  dropped = 0;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** @returns When the packet comes out of the far end, without propagation; -1 if it is lost. */
  send(bytes: number, now: number): number {
    const { queueMs, lossRate = 0, jitterMs = 0, chance } = this.#options;
    const from = Math.max(now, this.#busyUntil);
    const out = this.#served(from, bytes * 8);
    // The queue is full, too, if a stall is all that is in front of the packet.
    if (out - now > queueMs + (out - from)) {
      this.dropped++;
      return -1;
    }
    this.#busyUntil = out;
    if (lossRate > 0 && chance() < lossRate) return -1;
    this.carried += bytes;
    this.#lastOutAt = Math.max(this.#lastOutAt, out + (jitterMs > 0 ? chance() * jitterMs : 0));
    return this.#lastOutAt;
  }

  /** Bits/s at a time. */
  rateAt(now: number): number {
    let bps = 0;
    for (const step of this.#options.rates) if (step.atMs <= now) bps = step.bps;
    return bps;
  }

  /** What could be carried between two times, bits. */
  capacity(fromMs: number, toMs: number): number {
    let bits = 0;
    const { rates } = this.#options;
    for (const [i, { atMs, bps }] of rates.entries()) {
      const end = Math.min(toMs, rates[i + 1]?.atMs ?? Infinity);
      bits += Math.max(0, end - Math.max(fromMs, atMs)) * bps / 1000;
    }
    return bits;
  }

  /** When so many bits are through that begin at `from`. */
  #served(from: number, bits: number): number {
    const { rates } = this.#options;
    let at = from;
    let left = bits;
    for (const [i, { atMs, bps }] of rates.entries()) {
      const end = rates[i + 1]?.atMs ?? Infinity;
      if (end <= at) continue;
      const start = Math.max(at, atMs);
      const doneAt = bps > 0 ? start + left * 1000 / bps : Infinity;
      if (doneAt <= end) return doneAt;
      left -= (end - start) * bps / 1000;
      at = end;
    }
    return at;
  }
}
