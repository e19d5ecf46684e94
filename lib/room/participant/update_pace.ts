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

/**
 * How long each participant's next change has to wait: not at all while changes are small and few,
 * and never longer than a second.
 */
export class UpdatePace<P extends object> {
  readonly #levels = new WeakMap<P, { level: number; at: number }>();

  /** Until the next change of `participant` may be told, ms; 0 is now. */
  waitMs(participant: P, now: number): number {
    const level = this.#refill(participant, now).level;
    return level > 0 ? 0 : Math.min(MAX_WAIT_MS, Math.floor(-level / BYTES_PER_MS) + 1);
  }

  /** One was told: an info of `bytes` to `receivers`. */
  told(participant: P, bytes: number, receivers: number, now: number): void {
    const state = this.#refill(participant, now);
    // What waits longest waits MAX_WAIT_MS, so that debts do not add up.
    const debt = -MAX_WAIT_MS * BYTES_PER_MS;
    state.level = Math.max(debt, state.level - (bytes + MESSAGE_BYTES) * receivers);
  }

  #refill(participant: P, now: number): { level: number; at: number } {
    let state = this.#levels.get(participant);
    if (state === undefined) {
      state = { level: BURST_BYTES, at: now };
      this.#levels.set(participant, state);
    }
    state.level = Math.min(BURST_BYTES, state.level + (now - state.at) * BYTES_PER_MS);
    state.at = now;
    return state;
  }
}
