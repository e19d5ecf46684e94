/**
 * Whose turn it is of those who wait for one way.
 *
 * Contract: it is the turn of who has had least. Who begins to wait is the next, unless it has had
 * more than its share before: that is remembered until the others have had as much. Nobody saves
 * anything up. A turn costs the logarithm of how many take part.
 *
 * @module
 */

/** One that may wait; it takes part in one {@linkcode Turns} at most. */
export interface Waiter {
  readonly isWaiting: boolean;
  /** What it has had of the way, and what it had not when it came; for {@linkcode Turns} alone. */
  had: number;
  takesPart: boolean;
}

/** Those who wait, and those who have had more than their share. */
export class Turns<T extends Waiter> {
  /** A heap by what they have had. */
  readonly #all: T[] = [];
  /** What the one whose turn was last had had. */
  #turn = 0;

  /** @param left Takes no part any more. */
  constructor(readonly left: (waiter: T) => void) {}

  /** It has something to send, as it may have had before. */
  wait(waiter: T): void {
    if (waiter.takesPart) return;
    waiter.takesPart = true;
    waiter.had = this.#turn;
    let at = this.#all.length;
    for (let up = (at - 1) >> 1; at > 0 && this.#all[up]!.had >= waiter.had; up = (at - 1) >> 1) {
      this.#all[at] = this.#all[up]!;
      at = up;
    }
    this.#all[at] = waiter;
  }

  /** Whose turn it is; `undefined` if nobody waits. */
  next(): T | undefined {
    for (let first = this.#all[0]; first !== undefined; first = this.#all[0]) {
      this.#turn = first.had;
      if (first.isWaiting) return first;
      const last = this.#all.pop()!;
      if (last !== first) this.#sink(last);
      first.takesPart = false;
      this.left(first);
    }
    return undefined;
  }

  /** Who is {@linkcode Turns.next} has had so much more. */
  took(bytes: number): void {
    const first = this.#all[0]!;
    first.had += bytes;
    this.#sink(first);
  }

  /** Gives `waiter` its place from the first one on. */
  #sink(waiter: T): void {
    const all = this.#all;
    let at = 0;
    for (let down = 1; down < all.length; down = 2 * at + 1) {
      if (down + 1 < all.length && all[down + 1]!.had < all[down]!.had) down++;
      if (all[down]!.had >= waiter.had) break;
      all[at] = all[down]!;
      at = down;
    }
    all[at] = waiter;
  }
}
