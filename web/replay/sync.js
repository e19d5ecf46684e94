// @ts-check
/**
 * How the files of a recording are kept together: each follows one clock, a little faster or slower
 * where it is a little off, and by a leap where it is far off. Pure.
 *
 * @module
 */

/** Nobody hears or sees less than this, s. */
const EXACT_S = 0.015;
/** More is made up at once, s. */
const LEAP_S = 0.3;
/** By so much of the difference a second… */
const PULL = 1.5;
/** …and never by more: voices keep their sound, and pictures may hurry. */
const MOST = { audio: 0.06, video: 0.2 };

/**
 * What to do with a player.
 *
 * @param {number} actual where it is, s
 * @param {number} wanted where it should be, s
 * @param {number} rate of the clock
 * @param {"audio" | "video"} kind
 * @returns {{ leap: boolean, rate: number }}
 */
export function correction(actual, wanted, rate, kind) {
  const off = actual - wanted;
  if (Math.abs(off) > LEAP_S * Math.max(1, rate)) return { leap: true, rate };
  if (Math.abs(off) <= EXACT_S) return { leap: false, rate };
  const pull = Math.max(-MOST[kind], Math.min(MOST[kind], -off * PULL));
  return { leap: false, rate: rate * (1 + pull) };
}

/** A time that runs with the wall clock, at a rate, while it may; ms. */
export class ReplayClock {
  #base = 0;
  #since = 0;
  #rate = 1;
  #runs = false;

  /** @param {number} now of a clock that never goes back, ms @returns {number} */
  at(now) {
    return this.#runs ? this.#base + (now - this.#since) * this.#rate : this.#base;
  }

  get runs() {
    return this.#runs;
  }

  get rate() {
    return this.#rate;
  }

  /** @param {boolean} runs @param {number} now */
  run(runs, now) {
    this.#set(this.at(now), now);
    this.#runs = runs;
  }

  /** @param {number} rate @param {number} now */
  setRate(rate, now) {
    this.#set(this.at(now), now);
    this.#rate = rate;
  }

  /** @param {number} position @param {number} now */
  goTo(position, now) {
    this.#set(position, now);
  }

  /** @param {number} position @param {number} now */
  #set(position, now) {
    this.#base = position;
    this.#since = now;
  }
}
