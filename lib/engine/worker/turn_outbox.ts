/**
 * Collects what one turn of the event loop has to say and posts it as one message at the turn's
 * end: a message between threads costs far more than what is in it.
 *
 * Contract: everything pushed is posted once, in order, before the turn's microtasks are over.
 *
 * @module
 */

/** What one turn says, posted once, in order, before the turn's microtasks are over. */
export class TurnOutbox<T> {
  #waiting: T[] = [];

  /** @param post Takes a batch for itself. */
  constructor(readonly post: (batch: readonly T[]) => void) {}

  push(item: T): void {
    if (this.#waiting.push(item) === 1) queueMicrotask(() => this.flush());
  }

  /** Posts what waits now. */
  flush(): void {
    if (this.#waiting.length === 0) return;
    const batch = this.#waiting;
    this.#waiting = [];
    this.post(batch);
  }
}
