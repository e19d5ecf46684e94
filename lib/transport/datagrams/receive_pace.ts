/**
 * When to receive what has come: at once while little comes, and a moment later while much does, so
 * that one turn takes what would otherwise have been several.
 *
 * Packets come in bursts (a frame's, within a few hundred µs) and from many at once (reports of
 * every subscriber). Waking up for each costs more than forwarding it, and a run of packets leaves
 * as one message only if it was received together.
 *
 * While nobody waits for what comes (checks that keep consent, reports, heartbeats: no media, no
 * data, no handshake), it is received once in each {@linkcode QUIET_GRAIN_US}, together with the
 * timers of that grain.
 *
 * Pure: `nowUs` is monotonic microseconds.
 *
 * @module
 */

/** Below so many datagrams in a window waiting gains nothing. */
const BUSY_IN_WINDOW = 20;
const WINDOW_US = 100_000;
/** After a pause the first of a burst is waited upon so long: most of a frame is there then. */
const BURST_US = 500;
/** Receives are at least so far apart. Together with the burst's wait: what is added at most. */
const SPACING_US = 1_000;

/** The grain of timed work, on the same clock: one wake-up for both. */
export const QUIET_GRAIN_US = 10_000;
/** So long after the last of what somebody waits for it is quiet; voice that pauses says less. */
const ACTIVE_US = 1_000_000;

/**
 * One thread's pace. Never asks for more than {@linkcode SPACING_US} for what somebody waits for,
 * or for a grain when that begins anew.
 */
export class ReceivePace {
  #activeUntil = -Infinity;
  #windowEndsAt = 0;
  #inWindow = 0;
  #isBusy = false;
  #receivedAt = -Infinity;

  /** Somebody waits for what comes next: media, data or a handshake is on its way. */
  active(nowUs: number): void {
    this.#activeUntil = nowUs + ACTIVE_US;
  }

  /** Until when nothing is to be received, monotonic µs; not after `nowUs` if it may be now. */
  restsUntil(nowUs: number): number {
    if (nowUs < this.#activeUntil) return -Infinity;
    return (Math.floor(this.#receivedAt / QUIET_GRAIN_US) + 1) * QUIET_GRAIN_US;
  }

  /** Something has come. @returns How long to leave it there, µs; 0 for not at all. */
  delayUs(nowUs: number): number {
    if (nowUs >= this.#windowEndsAt) this.#nextWindow(nowUs);
    if (!this.#isBusy || nowUs >= this.#activeUntil) return 0;
    const sinceUs = nowUs - this.#receivedAt;
    return sinceUs >= SPACING_US ? BURST_US : SPACING_US - sinceUs;
  }

  /** `count` datagrams are about to be, or were, received in the turn that began at `nowUs`. */
  received(count: number, nowUs: number): void {
    this.#inWindow += count;
    this.#receivedAt = nowUs;
  }

  #nextWindow(nowUs: number): void {
    // After a pause of more than a window the last one says nothing about now.
    const isRecent = nowUs < this.#windowEndsAt + WINDOW_US;
    this.#isBusy = isRecent && this.#inWindow >= BUSY_IN_WINDOW;
    this.#inWindow = 0;
    this.#windowEndsAt = nowUs + WINDOW_US;
  }
}
