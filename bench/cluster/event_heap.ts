/**
 * What is to happen, by time: a heap without an object for each entry.
 *
 * @module
 */

/** Entries come out by time, and those of one time by their numbers: always in the same order. */
export class EventHeap {
  #times = new Float64Array(1024);
  #kinds = new Uint8Array(1024);
  #numbers = new Int32Array(1024);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** When the first one is due; `Infinity` if there is none. */
  get nextAt(): number {
    return this.#size === 0 ? Infinity : this.#times[0]!;
  }

  /** Kind and number of the first one, which is taken out. */
  get kind(): number {
    return this.#kinds[0]!;
  }

  get number(): number {
    return this.#numbers[0]!;
  }

  push(at: number, kind: number, number: number): void {
    if (this.#size === this.#times.length) this.#grow();
    let index = this.#size++;
    while (index > 0) {
      const up = (index - 1) >> 1;
      if (!this.#isBefore(at, kind, number, up)) break;
      this.#move(up, index);
      index = up;
    }
    this.#put(index, at, kind, number);
  }

  /** Takes the first one out. */
  drop(): void {
    const last = --this.#size;
    if (last === 0) return;
    const at = this.#times[last]!;
    const kind = this.#kinds[last]!;
    const number = this.#numbers[last]!;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= last) break;
      if (child + 1 < last && this.#isEarlier(child + 1, child)) child++;
      if (this.#isBefore(at, kind, number, child)) break;
      this.#move(child, index);
      index = child;
    }
    this.#put(index, at, kind, number);
  }

  #isEarlier(one: number, other: number): boolean {
    return this.#isBefore(this.#times[one]!, this.#kinds[one]!, this.#numbers[one]!, other);
  }

  #isBefore(at: number, kind: number, number: number, other: number): boolean {
    if (at !== this.#times[other]) return at < this.#times[other]!;
    if (kind !== this.#kinds[other]) return kind < this.#kinds[other]!;
    return number < this.#numbers[other]!;
  }

  #put(index: number, at: number, kind: number, number: number): void {
    this.#times[index] = at;
    this.#kinds[index] = kind;
    this.#numbers[index] = number;
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#times[from]!, this.#kinds[from]!, this.#numbers[from]!);
  }

  #grow(): void {
    const length = this.#times.length * 2;
    const times = new Float64Array(length);
    const kinds = new Uint8Array(length);
    const numbers = new Int32Array(length);
    times.set(this.#times);
    kinds.set(this.#kinds);
    numbers.set(this.#numbers);
    this.#times = times;
    this.#kinds = kinds;
    this.#numbers = numbers;
  }
}
