/**
 * Whether UDP reaches the other end of a hop, and when to ask.
 *
 * @module
 */

/** Nothing came back for so long: UDP is blocked. */
const BLOCKED_MS = 2_000;
/** For so long, or for so many round trips if those are longer: it is in doubt. */
const DOUBT_MS = 600;
const DOUBT_ROUND_TRIPS = 2;
/** Then it is tried again after so long, after twice that, and so on up to the longest. */
const FIRST_RETRY_MS = 1_000;
const RETRY_MS = 10_000;
/** What was not answered is asked again after so long. */
const ASK_MS = 200;

/**
 * Times: when UDP was asked first and last without an answer, when it is tried again, and when it
 * was found to be blocked.
 */
const ASKED_SINCE = 0;
const ASKED_AT = 1;
const RETRY_AT = 2;
const BLOCKED_AT = 3;

/** What is known of the way by UDP. */
export class HopPath {
  /** In a typed array, as fields above 2^30 are boxed anew at each store. */
  readonly #times = Float64Array.of(-1, 0, 0, 0);
  #retryMs = FIRST_RETRY_MS;
  #isBlocked = false;

  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  get blockedAt(): number {
    return this.#times[BLOCKED_AT]!;
  }

  /** Whether UDP may have become blocked. */
  isDoubtful(now: number, rttMs: number): boolean {
    const since = this.#times[ASKED_SINCE]!;
    return !this.#isBlocked && since >= 0 &&
      now - since >= Math.max(DOUBT_MS, DOUBT_ROUND_TRIPS * rttMs);
  }

  /** Something went by UDP that is to be answered. */
  asked(now: number): void {
    // Between two questions that far apart nobody wanted to know.
    if (this.#times[ASKED_SINCE]! < 0 || now - this.#times[ASKED_AT]! > BLOCKED_MS / 2) {
      this.#times[ASKED_SINCE] = now;
    }
    this.#times[ASKED_AT] = now;
  }

  /**
   * The other end says that it got something by UDP.
   *
   * @returns Whether UDP had been blocked.
   */
  answered(): boolean {
    const wasBlocked = this.#isBlocked;
    this.#times[ASKED_SINCE] = -1;
    this.#isBlocked = false;
    return wasBlocked;
  }

  /** Something came by UDP: then it may also go by it. */
  heard(now: number): void {
    if (this.#isBlocked && now - this.#times[ASKED_AT]! > ASK_MS) this.#times[RETRY_AT] = now;
  }

  /** One of the two ends is reached elsewhere: if UDP was blocked, it may not be any more. */
  moved(now: number): void {
    if (!this.#isBlocked) return;
    this.#retryMs = FIRST_RETRY_MS;
    this.#times[RETRY_AT] = now;
  }

  /** Returns whether UDP has become blocked. */
  tick(now: number): boolean {
    if (
      this.#isBlocked || this.#times[ASKED_SINCE]! < 0 ||
      now - this.#times[ASKED_SINCE]! < BLOCKED_MS
    ) {
      return false;
    }
    this.#isBlocked = true;
    this.#times[BLOCKED_AT] = now;
    this.#retryMs = FIRST_RETRY_MS;
    this.#times[RETRY_AT] = now + FIRST_RETRY_MS;
    return true;
  }

  /** Whether UDP is to be asked now, although nothing else goes by it. */
  isDue(now: number): boolean {
    if (now < this.wakeAt) return false;
    if (this.#isBlocked) {
      this.#times[ASKED_AT] = now;
      this.#retryMs = Math.min(RETRY_MS, 2 * this.#retryMs);
      this.#times[RETRY_AT] = now + this.#retryMs;
    }
    return true;
  }

  /** When it is to be asked next; `Infinity` if nothing is to be known. */
  get wakeAt(): number {
    if (this.#isBlocked) return this.#times[RETRY_AT]!;
    return this.#times[ASKED_SINCE]! < 0 ? Infinity : this.#times[ASKED_AT]! + ASK_MS;
  }
}
