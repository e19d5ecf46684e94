/**
 * What a probe showed: the rate at which its packets left and came.
 *
 * Contract: never more than what it was sent at by our own clock. Clocks of whole milliseconds and
 * packets in small bursts are reckoned with: what left first, and came with it, is where time
 * begins, and is not counted for the time it took, on either side. A thread that waited for a core
 * sent later than it believed: what counts is when packets were found to have left. One probe at a
 * time; nothing allocates.
 *
 * @module
 */

/** Fewer packets, or less of packets or bytes, show nothing. */
const MIN_PACKETS = 4;
const MIN_SHARE = 0.8;
/** Longer intervals show nothing about a rate, nor do shorter ones, ms. */
const MAX_INTERVAL_MS = 1_000;
const MIN_INTERVAL_MS = 4;
/** Arriving so much faster than it was sent is no truth about the path. */
const MAX_RATIO = 2;
/** What comes at less than this share of the rate it was sent at has filled the path… */
const SATURATED = 0.9;
/** …which carries this much of what came. */
const TARGET = 0.95;

/** The results of the probe in flight. */
export class ProbeResult {
  /** Low 8 bits of its number; 0: none. */
  cluster = 0;
  /** The path carried no more than {@linkcode evaluate} said. */
  isSaturated = false;
  /** Its last packet left, ms. */
  lastSentAt = -1;
  packets = 0;
  bytes = 0;
  #firstSentAt = -1;
  /** Bytes that left at the first time. */
  #firstBytes = 0;
  // Of what came, by the times at which it was found to have left.
  #received = 0;
  #receivedBytes = 0;
  #firstLeftAt = 0;
  #lastLeftAt = 0;
  #firstBurstBytes = 0;
  #firstArrival = -Infinity;
  #lastArrival = -Infinity;
  #decided = 0;

  begin(cluster: number): void {
    this.cluster = cluster;
    this.isSaturated = false;
    this.packets = this.bytes = this.#firstBytes = 0;
    this.lastSentAt = this.#firstSentAt = -1;
    this.#received =
      this.#receivedBytes =
      this.#firstBurstBytes =
      this.#decided =
        0;
    this.#firstArrival = this.#lastArrival = -Infinity;
  }

  sent(bytes: number, now: number): void {
    if (this.#firstSentAt < 0) this.#firstSentAt = now;
    if (now === this.#firstSentAt) this.#firstBytes += bytes;
    this.lastSentAt = now;
    this.packets++;
    this.bytes += bytes;
  }

  lost(): void {
    this.#decided++;
  }

  arrived(bytes: number, sentAt: number, arrivedAt: number): void {
    this.#decided++;
    if (this.#received++ === 0) this.#firstLeftAt = this.#lastLeftAt = sentAt;
    this.#receivedBytes += bytes;
    this.#lastLeftAt = Math.max(this.#lastLeftAt, sentAt);
    if (sentAt <= this.#firstLeftAt) {
      this.#firstBurstBytes += bytes;
      this.#firstArrival = Math.max(this.#firstArrival, arrivedAt);
    }
    this.#lastArrival = Math.max(this.#lastArrival, arrivedAt);
  }

  /** Bytes that left after those of the first time. */
  get countedBytes(): number {
    return this.bytes - this.#firstBytes;
  }

  /** Between the first and the newest packet that left, ms. */
  get sendMs(): number {
    return this.lastSentAt - this.#firstSentAt;
  }

  /** Something was said about every packet that left. */
  get isDecided(): boolean {
    return this.#decided >= this.packets;
  }

  /** Of its packets, what was not said to have come, 0–1. */
  get lostShare(): number {
    return this.packets === 0 ? 0 : (this.packets - this.#received) / this.packets;
  }

  /**
   * Bits/s that the path was seen to carry; 0 if nothing is to be said.
   *
   * @param ownLoss What the path loses whatever is sent, 0–1: so much more than came was carried.
   */
  evaluate(ownLoss = 0): number {
    const enough = this.#received >= MIN_PACKETS && this.#received >= this.packets * MIN_SHARE &&
      this.#receivedBytes >= this.bytes * MIN_SHARE;
    if (!enough) return 0;
    const sendMs = this.#lastLeftAt - this.#firstLeftAt;
    const arrivalMs = this.#lastArrival - this.#firstArrival;
    if (!(sendMs >= MIN_INTERVAL_MS && sendMs <= MAX_INTERVAL_MS)) return 0;
    if (!(arrivalMs > 0 && arrivalMs <= MAX_INTERVAL_MS)) return 0;
    const kept = 1 - Math.min(ownLoss, this.lostShare);
    const carried = (this.#receivedBytes - this.#firstBurstBytes) / kept;
    const bits = Math.min(carried, this.bytes - this.#firstBurstBytes) * 8_000;
    const sendRate = bits / sendMs;
    const arrivalRate = bits / arrivalMs;
    if (arrivalRate > sendRate * MAX_RATIO) return 0;
    this.isSaturated = arrivalRate < sendRate * SATURATED;
    return this.isSaturated ? arrivalRate * TARGET : Math.min(sendRate, arrivalRate);
  }
}
