/**
 * One direction of a path with a bottleneck: a rate, a queue in front of it that overflows, a delay,
 * jitter and losses, all by a seed.
 *
 * Pure: says when what is sent now will arrive, and leaves waiting to its user. Nothing overtakes.
 *
 * @module
 */
import type { SeededRandom } from "./seeded_random.ts";

/** Headers of IPv4 and UDP, which take their part of the rate. */
export const HEADER_BYTES = 28;

/** A link whose figures may be changed at any time; at first it lets everything through at once. */
export class NarrowLink {
  rateBps = Infinity;
  /** What would have to wait longer than this for its turn is dropped, ms. */
  queueMs = 300;
  delayMs = 0;
  /** At most so much more than the delay, ms. */
  jitterMs = 0;
  /** The part that is lost whatever the rate. */
  loss = 0;
  /** Datagrams that were lost, and bytes that arrived or will. */
  lost = 0;
  bytes = 0;
  readonly #random: SeededRandom;
  #freeAt = -Infinity;
  #lastAt = -Infinity;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /**
   * When a datagram that is sent at `now`, ms, arrives; `undefined` if it is lost.
   *
   * @param since It may have come as long ago as this: whoever asks was late. Then it has had its
   *   turn as soon as the link was free, rather than that a late look fills the queue.
   */
  arrival(bytes: number, now: number, since = now): number | undefined {
    const startAt = Math.max(since, this.#freeAt);
    if (this.#random.chance(this.loss) || startAt - now > this.queueMs) {
      this.lost++;
      return undefined;
    }
    this.#freeAt = startAt + (bytes + HEADER_BYTES) * 8_000 / this.rateBps;
    const jitter = this.jitterMs === 0 ? 0 : this.jitterMs * this.#random.uint32() / 2 ** 32;
    this.#lastAt = Math.max(this.#lastAt, this.#freeAt + this.delayMs + jitter);
    this.bytes += bytes;
    return this.#lastAt;
  }
}
