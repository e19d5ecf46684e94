/**
 * The last lines of the log, for whoever asks a running server what it said.
 *
 * @module
 */

const MAX_LINES = 1_000;
const MAX_LENGTH = 512 * 1024;

/** Keeps the last lines, no more than 1,000, and of half a million characters together. */
export class RecentLines {
  readonly #lines: string[] = [];
  #length = 0;

  push(line: string): void {
    const kept = line.slice(0, MAX_LENGTH / 16).trimEnd();
    this.#lines.push(kept);
    this.#length += kept.length;
    while (this.#lines.length > MAX_LINES || this.#length > MAX_LENGTH) {
      this.#length -= this.#lines.shift()!.length;
    }
  }

  /** The oldest first. */
  all(): readonly string[] {
    return [...this.#lines];
  }
}
