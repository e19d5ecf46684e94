/**
 * Who has something to do, and when: a heap by time, so that the next one is found without asking
 * everybody.
 *
 * Contract: an entry stands in the queue once, at the time it was last given; what is taken has no
 * time any more until it is given one. Equal times come in the order of the heap, which says
 * nothing.
 *
 * @module
 */

/** One place in a {@linkcode WakeQueue}; made and moved by it alone. */
export class WakeEntry<T> {
  /** Monotonic ms; `Infinity` while there is nothing to do. */
  at = Infinity;
  /** In the heap; -1 outside. */
  index = -1;

  constructor(readonly owner: T) {}
}

/** Entries by time, each in the queue once at most, at the time it was last given. */
export class WakeQueue<T> {
  readonly #heap: WakeEntry<T>[] = [];

  /** When the first is due, monotonic ms; `Infinity` if nobody is. */
  get nextAt(): number {
    return this.#heap.length === 0 ? Infinity : this.#heap[0]!.at;
  }

  /** How many have a time. */
  get size(): number {
    return this.#heap.length;
  }

  /** Gives `entry` another time; `Infinity` takes it out. */
  move(entry: WakeEntry<T>, at: number): void {
    if (entry.at === at) return;
    const sooner = at < entry.at;
    entry.at = at;
    if (at === Infinity) return this.#remove(entry);
    if (entry.index < 0) entry.index = this.#heap.push(entry) - 1;
    if (sooner) this.#rise(entry);
    else this.#sink(entry);
  }

  /** Takes out one that is due at `now`; `undefined` if nobody is. */
  take(now: number): T | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.at > now) return undefined;
    first.at = Infinity;
    this.#remove(first);
    return first.owner;
  }

  #remove(entry: WakeEntry<T>): void {
    const { index } = entry;
    if (index < 0) return;
    entry.index = -1;
    const last = this.#heap.pop()!;
    if (last === entry) return;
    this.#place(last, index);
    this.#rise(last);
    this.#sink(last);
  }

  #rise(entry: WakeEntry<T>): void {
    let { index } = entry;
    while (index > 0) {
      const parent = this.#heap[(index - 1) >> 1]!;
      if (parent.at <= entry.at) break;
      this.#place(parent, index);
      index = (index - 1) >> 1;
    }
    this.#place(entry, index);
  }

  #sink(entry: WakeEntry<T>): void {
    let { index } = entry;
    for (;;) {
      let child = this.#heap[2 * index + 1];
      const right = this.#heap[2 * index + 2];
      if (right !== undefined && right.at < child!.at) child = right;
      if (child === undefined || child.at >= entry.at) break;
      const at = child.index;
      this.#place(child, index);
      index = at;
    }
    this.#place(entry, index);
  }

  #place(entry: WakeEntry<T>, index: number): void {
    this.#heap[index] = entry;
    entry.index = index;
  }
}
