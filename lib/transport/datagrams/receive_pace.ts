/**
 * When to receive what has come: at once while little comes, and a moment later while much does, so
 * that one turn takes what would otherwise have been several.
 *
 * Packets come in bursts (a frame's, within a few hundred µs) and from many at once (reports of
 * every subscriber). Waking up for each costs more than forwarding it, and a run of packets leaves
 * as one message only if it was received together.
 *
 * Reports and feedback, where they have a socket of their own, are received once in each
 * {@linkcode REPORTS_GRAIN_US}, or along with media after half of that: a thousand of them a second
 * would be a thousand turns, and what they lead to is timed work of a longer grain. Where nothing
 * but acknowledgements of data comes by it, the grain is {@linkcode SACKS_GRAIN_US}. While somebody
 * waits for what is said there, to send more, they are received as all else is.
 *
 * While nobody waits for what comes (checks that keep consent, reports, heartbeats: no media, no
 * data, no handshake), what has that socket is received once in each
 * {@linkcode QUIET_REPORTS_GRAIN_US}, checks among it, and what else comes once in each
 * {@linkcode QUIET_GRAIN_US}, together with the timers of that grain.
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

/** Reports are received once in so long: the grain of timed work, so one wake-up is for both. */
export const REPORTS_GRAIN_US = 10_000;
/**
 * Of acknowledgements of data, where nothing else comes by their socket: the last one says all, so
 * fewer of them are opened, and nothing waits for them. SCTP's timeouts leave room for one and a
 * half, which is the longest they rest. A multiple of the grain.
 */
export const SACKS_GRAIN_US = 2 * REPORTS_GRAIN_US;
/** Everything else, while it is quiet; a multiple of that. */
export const QUIET_GRAIN_US = 2 * REPORTS_GRAIN_US;
/** Reports and checks, while it is quiet: those of a client are two seconds apart and more. */
export const QUIET_REPORTS_GRAIN_US = 5 * REPORTS_GRAIN_US;
/** So long after somebody was last waiting for reports they are received without delay, µs. */
const PROMPT_US = 20_000;
/** So long after the last of what somebody waits for it is quiet; voice that pauses says less. */
const ACTIVE_US = 1_000_000;
/**
 * So long after a report more of them are to be expected: of media, and a packet that is asked for
 * again is waited for. Reports of sound are up to 7.5 s apart (RFC 3550 §6.3.1).
 */
const REPORTED_US = 8_000_000;

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
  #reportsAt = -Infinity;
  /** Until when reports are to be expected among what comes by their socket. */
  #reportedUntil = -Infinity;
  /** Of what comes by that socket. */
  #reportsGrainUs = REPORTS_GRAIN_US;
  #promptUntil = -Infinity;

  /** Somebody waits for what comes next: media, data or a handshake is on its way. */
  active(nowUs: number): void {
    this.#activeUntil = nowUs + ACTIVE_US;
  }

  /** Somebody waits for what is said among reports. */
  prompt(nowUs: number): void {
    this.#promptUntil = nowUs + PROMPT_US;
  }

  /** Whether reports are as urgent as all else. */
  isPrompt(nowUs: number): boolean {
    return nowUs < this.#promptUntil;
  }

  /** Whether nobody waits for what comes. */
  isQuiet(nowUs: number): boolean {
    return nowUs >= this.#activeUntil;
  }

  /** Until when nothing is to be received, monotonic µs; not after `nowUs` if it may be now. */
  restsUntil(nowUs: number): number {
    return this.isQuiet(nowUs) ? nextOf(QUIET_GRAIN_US, this.#receivedAt) : -Infinity;
  }

  /**
   * Until when reports wake nobody, monotonic µs; in the past if they may now. A turn that is taken
   * for media takes them along before that.
   */
  reportsRestUntil(nowUs: number): number {
    if (this.isPrompt(nowUs)) return -Infinity;
    return this.isQuiet(nowUs)
      ? nextOf(QUIET_REPORTS_GRAIN_US, this.#reportsAt)
      : nextOf(this.#reportsGrainUs, this.#reportsAt + this.#reportsGrainUs / 2);
  }

  /** Whether a turn that is taken anyway is to receive reports, too. */
  takesReports(nowUs: number): boolean {
    return this.isPrompt(nowUs) || nowUs >= this.#reportsAt + this.#reportsGrainUs / 2;
  }

  /** Something has come. @returns How long to leave it there, µs; 0 for not at all. */
  delayUs(nowUs: number): number {
    if (nowUs >= this.#windowEndsAt) this.#nextWindow(nowUs);
    if (!this.#isBusy || this.isQuiet(nowUs)) return 0;
    const sinceUs = nowUs - this.#receivedAt;
    return sinceUs >= SPACING_US ? BURST_US : SPACING_US - sinceUs;
  }

  /** `count` datagrams are about to be, or were, received in the turn that began at `nowUs`. */
  received(count: number, nowUs: number): void {
    this.#inWindow += count;
    this.#receivedAt = nowUs;
  }

  /**
   * The same of reports. Where they are many, media comes in bursts that are worth a wait.
   *
   * @param sacks How many of them were acknowledgements of data.
   */
  receivedReports(count: number, nowUs: number, sacks = 0): void {
    if (count === 0) return;
    this.#inWindow += count;
    this.#reportsAt = nowUs;
    if (sacks < count) this.#reportedUntil = nowUs + REPORTED_US;
    this.#reportsGrainUs = nowUs < this.#reportedUntil ? REPORTS_GRAIN_US : SACKS_GRAIN_US;
  }

  #nextWindow(nowUs: number): void {
    // After a pause of more than a window the last one says nothing about now.
    const isRecent = nowUs < this.#windowEndsAt + WINDOW_US;
    this.#isBusy = isRecent && this.#inWindow >= BUSY_IN_WINDOW;
    this.#inWindow = 0;
    this.#windowEndsAt = nowUs + WINDOW_US;
  }
}

/** When the grain behind the one of `atUs` begins. */
function nextOf(grainUs: number, atUs: number): number {
  return (Math.floor(atUs / grainUs) + 1) * grainUs;
}
