/**
 * Merges key-frame requests for one layer: the publisher is asked at most once per interval,
 * however many subscribers want a key frame, and a request that came too soon is kept until its
 * time.
 *
 * @module
 */

/**
 * Least time between two requests by spatial layer, ms (`rtc.pli_throttle`; LiveKit 1.13.5,
 * `pkg/sfu/receiver_base.go`).
 */
const DEFAULT_PLI_THROTTLE_MS: readonly number[] = [500, 1000, 1000];
/** Until the first key frame of a layer a request is repeated this often, ms… */
const SEED_INTERVAL_MS = 1000;
/** …for this long, ms. */
const SEED_DURATION_MS = 30_000;

/**
 * One layer's requests: at most one in an interval, and one that came too soon is sent at its time,
 * unless a key frame came first.
 */
export class KeyFrameThrottle {
  readonly #intervalMs: number;
  #lastSentAt = -Infinity;
  #wanted = false;
  #seedAt = Infinity;
  #seedUntil = -Infinity;
  /** Requests sent to the publisher. */
  sent = 0;

  /** @param throttleMs Least time between two requests by spatial layer. */
  constructor(spatial: number, throttleMs: readonly number[] = DEFAULT_PLI_THROTTLE_MS) {
    this.#intervalMs = throttleMs[spatial] ?? SEED_INTERVAL_MS;
  }

  /** The stream was bound: begins asking until its first key frame. */
  seed(now: number): void {
    this.#seedAt = now + SEED_INTERVAL_MS;
    this.#seedUntil = now + SEED_DURATION_MS;
  }

  /** Does not ask by itself: whoever wants a key frame says so. */
  unseed(): void {
    this.#seedAt = Infinity;
  }

  /** @returns `true` if a request must be sent now; else it is remembered. */
  request(now: number): boolean {
    this.#wanted = true;
    return this.tick(now);
  }

  /** A key frame has arrived: what was asked for is here. */
  keyFrameArrived(): void {
    this.#wanted = false;
    this.#seedAt = Infinity;
  }

  /** Nobody wants anything any more (the publisher muted the track). */
  cancel(): void {
    this.keyFrameArrived();
  }

  /** @returns `true` if a request must be sent now. */
  tick(now: number): boolean {
    if (now >= this.#seedAt) {
      this.#wanted = now <= this.#seedUntil;
      this.#seedAt = this.#wanted ? now + SEED_INTERVAL_MS : Infinity;
    }
    if (!this.#wanted || now - this.#lastSentAt < this.#intervalMs) return false;
    this.#wanted = false;
    this.#lastSentAt = now;
    this.sent++;
    return true;
  }

  /** When `tick` may have something to send; `Infinity` if never. */
  nextWakeAt(): number {
    return this.#wanted
      ? Math.min(this.#seedAt, this.#lastSentAt + this.#intervalMs)
      : this.#seedAt;
  }
}
