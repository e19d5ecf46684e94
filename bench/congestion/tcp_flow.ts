/**
 * A bulk transfer beside media: slow start, one packet more each round trip, seven tenths of the
 * window after a loss (as CUBIC backs off), a time-out.
 *
 * @module
 */
import type { Link } from "./link.ts";

const SEGMENT = 1_500;
const FIRST_WINDOW = 10;
const BACK_OFF = 0.7;
const TIMEOUT_MS = 1_000;
/** Acknowledged packets behind a missing one, after which it is lost. */
const REORDERED = 3;

export interface TcpOptions {
  readonly forward: Link;
  readonly delayMs: number;
  /** Bytes to send from a time on; `Infinity` for a transfer without end. */
  readonly transfers: readonly { readonly atMs: number; readonly bytes: number }[];
}

/** One connection. `step` has to be called every millisecond. */
export class TcpFlow {
  /** Bytes acknowledged. */
  acked = 0;
  readonly #options: TcpOptions;
  readonly #flying: { readonly number: number; readonly ackAt: number }[] = [];
  #head = 0;
  #window = FIRST_WINDOW;
  #threshold = Infinity;
  #number = 0;
  #recoverAt = 0;
  #heardAt = 0;
  #left = 0;
  #transfer = 0;

  constructor(options: TcpOptions) {
    this.#options = options;
  }

  step(now: number): void {
    const { transfers, forward, delayMs } = this.#options;
    const next = transfers[this.#transfer];
    if (next !== undefined && next.atMs <= now) {
      this.#left += next.bytes;
      this.#transfer++;
      this.#heardAt = now;
    }
    this.#acknowledge(now);
    while (this.#left > 0 && this.#flying.length - this.#head < this.#window) {
      this.#left -= SEGMENT;
      const out = forward.send(SEGMENT, now);
      this.#flying.push({ number: this.#number++, ackAt: out < 0 ? -1 : out + 2 * delayMs });
    }
  }

  #acknowledge(now: number): void {
    const flying = this.#flying;
    let behind = 0;
    for (let i = this.#head; i < flying.length && behind < REORDERED; i++) {
      const { ackAt } = flying[i]!;
      if (ackAt >= 0 && ackAt <= now) behind++;
      else if (ackAt > now) break;
    }
    while (this.#head < flying.length) {
      const { number, ackAt } = flying[this.#head]!;
      if (ackAt > now) break;
      if (ackAt < 0) {
        if (behind < REORDERED) break;
        this.#lost(number);
      } else this.#arrived(now);
      this.#head++;
    }
    if (this.#head === flying.length) this.#heardAt = now;
    else if (now - this.#heardAt > TIMEOUT_MS) this.#timeOut(now);
    if (this.#head > 4_096) {
      flying.splice(0, this.#head);
      this.#head = 0;
    }
  }

  #arrived(now: number): void {
    this.acked += SEGMENT;
    this.#heardAt = now;
    this.#window += this.#window < this.#threshold ? 1 : 1 / this.#window;
  }

  #lost(number: number): void {
    this.#left += SEGMENT;
    if (number < this.#recoverAt) return;
    this.#recoverAt = this.#number;
    this.#threshold = this.#window = Math.max(2, this.#window * BACK_OFF);
  }

  #timeOut(now: number): void {
    this.#left += (this.#flying.length - this.#head) * SEGMENT;
    this.#head = this.#flying.length;
    this.#threshold = Math.max(2, this.#window / 2);
    this.#window = 1;
    this.#heardAt = now;
  }
}
