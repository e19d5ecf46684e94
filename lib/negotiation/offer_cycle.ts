/**
 * When to send an offer: at most one is outstanding, changes close together share one, and an
 * answer that never comes is a failure.
 *
 * Contract: pure state. Tell it what happened; ask {@linkcode OfferCycle.due} at the latest at
 * {@linkcode OfferCycle.nextWakeAt}. After `"offer"` the caller sends one and says so.
 *
 * @module
 */

/** Wait before an offer when the last one is long past, ms: collects changes made together. */
const FAST_DELAY_MS = 10;
/** Smallest distance of two offers that nobody forces, ms. */
const SLOW_DELAY_MS = 150;
/** Offers that may follow each other as fast as they are answered. */
const OFFERS_AT_ONCE = 30;
/**
 * Distance of offers in the long run, ms: one publisher whose tracks come and go in a loop would
 * have everybody else negotiate all of the time.
 */
const LASTING_DELAY_MS = 500;
/** How long a client may take for its answer, ms. */
const ANSWER_TIMEOUT_MS = 15_000;

/**
 * `none`: nothing outstanding. `remote`: waiting. `retry`: waiting, with another offer wanted
 * after.
 */
export type OfferState = "none" | "remote" | "retry";

/**
 * One connection's offers as pure state: at most one is outstanding, and only
 * {@linkcode OfferCycle.due} says that one is to be sent or has failed.
 */
export class OfferCycle {
  readonly #firstId: number;
  #state: OfferState = "none";
  #nextId: number;
  #outstandingId: number | undefined;
  /** When the wanted offer is due; only in state `none`. */
  #offerAt: number | undefined;
  #answerBy: number | undefined;
  #lastOfferAt = -Infinity;
  /** When one more is in pace. */
  #inPaceAt = -Infinity;

  /** @param firstId Id of the first offer, a random 1–256; later ones count up. */
  constructor(firstId: number) {
    this.#firstId = firstId;
    this.#nextId = firstId;
  }

  get state(): OfferState {
    return this.#state;
  }

  /**
   * Something changed that an offer must say. `force` sends it without waiting for more changes.
   */
  request(now: number, force = false): void {
    if (this.#state !== "none") {
      this.#state = "retry";
      return;
    }
    const recent = now - this.#lastOfferAt <= SLOW_DELAY_MS;
    const soon = now + (recent ? SLOW_DELAY_MS : FAST_DELAY_MS);
    const at = force ? now : Math.max(soon, this.#inPaceAt);
    // An offer already on its way collects this change, too; only forcing moves it, to earlier.
    this.#offerAt = Math.min(this.#offerAt ?? at, at);
  }

  /** Records that an offer goes out now; returns the id to send with it. */
  offerSent(now: number): number {
    this.#state = "remote";
    this.#offerAt = undefined;
    this.#lastOfferAt = now;
    const usedUp = now - (OFFERS_AT_ONCE - 2) * LASTING_DELAY_MS;
    this.#inPaceAt = Math.max(this.#inPaceAt + LASTING_DELAY_MS, usedUp);
    this.#answerBy = now + ANSWER_TIMEOUT_MS;
    this.#outstandingId = this.#nextId++;
    return this.#outstandingId;
  }

  /**
   * Records an answer.
   *
   * @param id The offer's id as the client echoes it, 0 from clients that do not.
   * @returns `expected`, and `other_id` for one that was never given out (worth a log line): apply
   * it. `stale`: it belongs to an offer given up by `restart`. `unexpected`: no offer is
   * outstanding. Neither of these two may be applied.
   */
  answered(now: number, id: number): "expected" | "other_id" | "stale" | "unexpected" {
    if (this.#outstandingId === undefined) return "unexpected";
    if (id >= this.#firstId && id < this.#outstandingId) return "stale";
    const matches = id === 0 || id === this.#outstandingId;
    const wanted = this.#state === "retry";
    this.#forgetOffer();
    if (wanted) this.#offerAt = Math.max(now, this.#inPaceAt);
    return matches ? "expected" : "other_id";
  }

  /**
   * Gives up the outstanding offer, which the client may never have seen, and wants a new one at
   * once; for a resumed connection.
   */
  restart(now: number): void {
    this.#forgetOffer();
    this.#offerAt = now;
  }

  /** After `"failed"`: the client is given the time for its answer once more. */
  waitLonger(now: number): void {
    if (this.#outstandingId !== undefined) this.#answerBy = now + ANSWER_TIMEOUT_MS;
  }

  /**
   * What is to be done now. `"failed"` is said once; nothing more happens until `restart` or
   * `waitLonger`.
   */
  due(now: number): "offer" | "failed" | undefined {
    if (this.#answerBy !== undefined && now >= this.#answerBy) {
      this.#answerBy = undefined;
      return "failed";
    }
    return this.#offerAt !== undefined && now >= this.#offerAt ? "offer" : undefined;
  }

  /** When `due` will next have something to say. */
  nextWakeAt(): number | undefined {
    return this.#state === "none" ? this.#offerAt : this.#answerBy;
  }

  #forgetOffer(): void {
    this.#state = "none";
    this.#outstandingId = undefined;
    this.#answerBy = undefined;
    this.#offerAt = undefined;
  }
}
