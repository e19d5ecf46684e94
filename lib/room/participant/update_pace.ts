/**
 * How fast one participant's changes are told: at once while they are few, and beyond a rate
 * together.
 *
 * What a change weighs is what it is told in: its bytes times its receivers. So two hundred mutes
 * in a row are a few updates, while in a small room, or at the pace of people, each is one. Pure.
 *
 * @module
 */

/** What may be told of one participant at once, and each second, bytes. */
const BURST_BYTES = 1024 * 1024;
const BYTES_PER_MS = BURST_BYTES / 1000;
/** Nobody waits longer for the newest state, ms. */
const MAX_WAIT_MS = 1_000;
/** What one message costs beside its content, bytes. */
const MESSAGE_BYTES = 64;

/** From the largest debt to all there may be at once, ms. */
const FULL_AFTER_MS = 2 * MAX_WAIT_MS;

/**
 * How long each participant's next change has to wait: not at all while changes are small and few,
 * and never longer than a second. Who leaves and comes back under its name has what it had left.
 */
export class UpdatePace {
  /** Of those who may have less than all, by identity; who was told of last stands last. */
  readonly #levels = new Map<string, { readonly level: number; readonly at: number }>();

  /** Until the next change of `identity` may be told, ms; 0 is now. */
  waitMs(identity: string, now: number): number {
    const level = this.#level(identity, now);
    return level > 0 ? 0 : Math.min(MAX_WAIT_MS, Math.floor(-level / BYTES_PER_MS) + 1);
  }

  /** One was told: an info of `bytes` to `receivers`. */
  told(identity: string, bytes: number, receivers: number, now: number): void {
    // What waits longest waits MAX_WAIT_MS, so that debts do not add up.
    const debt = -MAX_WAIT_MS * BYTES_PER_MS;
    const cost = (bytes + MESSAGE_BYTES) * receivers;
    const level = Math.max(debt, this.#level(identity, now) - cost);
    this.#levels.delete(identity);
    this.#levels.set(identity, { level, at: now });
    for (const [other, { at }] of this.#levels) {
      if (now - at < FULL_AFTER_MS) break;
      this.#levels.delete(other);
    }
  }

  #level(identity: string, now: number): number {
    const known = this.#levels.get(identity);
    if (known === undefined) return BURST_BYTES;
    return Math.min(BURST_BYTES, known.level + (now - known.at) * BYTES_PER_MS);
  }
}
