/**
 * How much of what a connection may send goes to retransmissions.
 *
 * A path that loses much because it is full gets worse by everything that is sent again. So repairs
 * have a share of the estimate, all of a connection's tracks together; what does not fit now is
 * asked for again, or a key frame takes its place.
 *
 * Pure: a token bucket.
 *
 * @module
 */

/** The part of the estimate that repairs may take in the long run: 20 % of loss needs a quarter. */
const SHARE = 0.5;
/** As much may be sent at once as is earned in so many ms: a burst that was lost whole. */
const BURST_MS = 500;
/** A key frame's worth, bytes, whatever the rate. */
const MIN_BURST_BYTES = 15_000;

/** Where so much is lost on so long a way, and no queue is why, what is sent again leaves twice. */
const TWICE_LOSS = 0.01;
const TWICE_RTT_MS = 150;
/**
 * …and where so much is lost however short it is: receivers ask again after 100 ms at least. Where
 * more is, what is sent again would be two fifths of the media, and a storm to others on the path.
 */
const MUCH_LOSS = 0.07;
const TWICE_NEAR_MOST = 0.15;
const THRICE_MOST = 0.12;

/**
 * How often what is sent again leaves: what is lost a second time comes a round trip later still,
 * and a picture waits for it. On a long way nobody waits for a second time, so where many are lost
 * it leaves three times.
 *
 * @param loss Part of packets that are lost.
 * @param rttMs Negative if it is unknown.
 * @param isFull A queue says that the path carries no more.
 * @param hasRoom It carries all that is wanted, so that nothing is lost for being too much. What
 *   drops that without a queue would drop more.
 */
export function repairCopies(
  loss: number,
  rttMs: number,
  isFull: boolean,
  hasRoom: boolean,
): number {
  if (isFull || rttMs < 0) return 1;
  const isMuch = hasRoom && loss >= MUCH_LOSS;
  if (rttMs < TWICE_RTT_MS) return isMuch && loss <= TWICE_NEAR_MOST ? 2 : 1;
  if (loss < TWICE_LOSS) return 1;
  return isMuch && loss <= THRICE_MOST ? 3 : 2;
}

/** One connection's budget; unlimited until a rate is set. */
export class RepairBudget {
  /** Each packet that is sent again leaves so often, as far as there is something left. */
  copies = 1;
  #bytesPerMs = Infinity;
  #most = Infinity;
  #left = Infinity;
  #at = 0;

  /** @param bps What may be sent in all; `Infinity` for no limit. */
  setRate(bps: number, now: number): void {
    this.#earn(now);
    this.#bytesPerMs = bps * SHARE / 8_000;
    this.#most = Math.max(MIN_BURST_BYTES, this.#bytesPerMs * BURST_MS);
    this.#left = bps === Infinity ? Infinity : Math.min(this.#left, this.#most);
  }

  /** Whether anything is left; the packet that takes the last of it may take too much. */
  hasSome(now: number): boolean {
    this.#earn(now);
    return this.#left > 0;
  }

  /** `bytes` were sent. */
  spend(bytes: number): void {
    this.#left -= bytes;
  }

  #earn(now: number): void {
    const elapsedMs = Math.max(0, now - this.#at);
    this.#at = now;
    if (this.#left === Infinity) return;
    this.#left = Math.min(this.#most, this.#left + elapsedMs * this.#bytesPerMs);
  }
}
