/**
 * How much one sender may send in the long run. Pure; `now` is monotonic ms.
 *
 * @module
 */
import type { DataLimits } from "../messages/data_messages.ts";

/** What may be sent at once, as the time in which it would be earned, ms. */
const BURST_MS = 1_000;

/**
 * An account of messages and bytes. What has come is charged whatever is left, so that it may be
 * overdrawn; until it is not, nothing more should be taken.
 */
export class SendAllowance {
  #limits: DataLimits = { messagesPerS: 0, bytesPerS: 0 };
  /** What is left, as the time in which it was earned, ms. */
  #messagesMs = BURST_MS;
  #bytesMs = BURST_MS;
  #at = 0;

  setLimits(limits: DataLimits): void {
    this.#limits = limits;
  }

  /** Charges one message, or what is found to be more of one that was charged (`messages` 0). */
  charge(bytes: number, now: number, messages = 1): void {
    const { messagesPerS, bytesPerS } = this.#limits;
    const earned = now - this.#at;
    this.#at = now;
    this.#messagesMs = Math.min(BURST_MS, this.#messagesMs + earned);
    this.#bytesMs = Math.min(BURST_MS, this.#bytesMs + earned);
    if (messagesPerS > 0) this.#messagesMs -= 1000 * messages / messagesPerS;
    if (bytesPerS > 0) this.#bytesMs -= 1000 * bytes / bytesPerS;
  }

  isOverdrawn(now: number): boolean {
    return this.freeAt() > now;
  }

  /** When it is no longer overdrawn; in the past if it is not. */
  freeAt(): number {
    return Math.ceil(this.#at - Math.min(this.#messagesMs, this.#bytesMs));
  }
}
