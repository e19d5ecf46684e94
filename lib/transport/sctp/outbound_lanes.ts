/**
 * Messages that wait for the SCTP stack, in two lanes: those that are worth nothing when late go
 * before those that must arrive, whatever waits there.
 *
 * Order is kept within a lane. Taking is O(1) however many wait.
 *
 * @module
 */

/**
 * Waiting messages in two lanes, each first in, first out; the urgent lane is always taken from
 * first.
 */
export class OutboundLanes<T> {
  #urgent: T[] = [];
  #patient: (T | undefined)[] = [];
  /** First of `#patient` that was not taken. */
  #head = 0;

  push(message: T, urgent: boolean): void {
    (urgent ? this.#urgent : this.#patient).push(message);
  }

  /** Takes the next message, if there is one. */
  take(): T | undefined {
    if (this.#urgent.length > 0) return this.#urgent.shift();
    if (this.#head === this.#patient.length) return undefined;
    const message = this.#patient[this.#head];
    this.#patient[this.#head++] = undefined; // a large message must not outlive its turn
    if (this.#head >= 1024 && this.#head * 2 >= this.#patient.length) {
      this.#patient = this.#patient.slice(this.#head);
      this.#head = 0;
    }
    return message;
  }

  clear(): void {
    this.#urgent = [];
    this.#patient = [];
    this.#head = 0;
  }
}
