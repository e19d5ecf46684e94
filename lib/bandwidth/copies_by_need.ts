/**
 * Whether a subscriber's audio is sent with copies of earlier frames, and with how many: they
 * protect it against loss, and take two or three times what the frames themselves do.
 *
 * Copies are inside later packets, or packets that are sent again. Those hide losses from reports:
 * what is told then was lost with all its copies, so it takes longer to find that nothing is lost.
 *
 * Contract: they are sent until a path has shown for a while that it loses nothing, and again from
 * the first loss on that is told. They stay longer each time that they were left out too soon. A
 * path of which nothing is told keeps them. More than publishers send are needed where much is
 * lost.
 *
 * Pure: `now` is monotonic ms. Nothing allocates, and nothing waits for a timer: copies are left
 * out when it is told that sound came whole.
 *
 * @module
 */

/** A path that is new has to carry everything for so long first, ms. */
const START_MS = 5_000;
/** So many packets have to come without a loss, too: who is silent sends few. */
const LEAST_WHOLE = 100;
/** So long after the last loss copies are left out, ms, … */
const HOLD_MS = 20_000;
/** … and longer, up to this, where something was lost so soon after they were. */
const MOST_HOLD_MS = 120_000;
const RELAPSE_MS = 120_000;
/**
 * A share of loss at which one copy leaves gaps that are heard, and one at which it does not: by
 * chance the square of it is lost with both.
 */
const MUCH_LOSS = 0.02;
const LITTLE_LOSS = 0.01;
/** So many packets are more than chance, and so many are looked at: older ones count by half. */
const LEAST_LOST = 3;
const COUNTED_PACKETS = 500;
/** Where copies hide what is lost it has to be whole for so many times as long. */
const HIDDEN_TIMES = 3;

/** Packets that were told of lately. */
class LatelyTold {
  expected = 0;
  lost = 0;

  add(expected: number, lost: number): void {
    while (this.expected > COUNTED_PACKETS) {
      this.expected /= 2;
      this.lost /= 2;
    }
    this.expected += expected;
    this.lost += Math.min(lost, expected);
  }

  clear(): void {
    this.expected = this.lost = 0;
  }
}

/** Of one path. */
export class CopiesByNeed {
  isNeeded = true;
  /** By reports on audio, and by numbers of all packets, much is lost. */
  #isMuchOfAudio = false;
  #isMuchOfAll = false;
  readonly #told = new LatelyTold();
  /** The same of what was sent again: what is lost with its copies is little of what is lost. */
  readonly #toldHidden = new LatelyTold();
  #holdMs = START_MS;
  /** The last loss, or when the path was first heard of; `Infinity` before that. */
  #since = Infinity;
  #leftOutAt = -Infinity;
  /** Packets that came since the last loss. */
  #came = 0;

  /**
   * A report says that all sound came since the one before, so many packets.
   *
   * @param isHidden They were sent again.
   */
  whole(packets: number, now: number, isHidden = false): void {
    if (this.#since === Infinity) this.#since = now;
    this.#came += packets;
    if (!this.isNeeded) return;
    const mayEase = isHidden && this.#isMuchOfAudio;
    const holdMs = mayEase ? HOLD_MS : this.#holdMs;
    const longMs = isHidden ? Math.min(MOST_HOLD_MS, HIDDEN_TIMES * holdMs) : holdMs;
    if (now - this.#since < longMs || this.#came < LEAST_WHOLE) return;
    if (mayEase) return this.#ease(now);
    this.isNeeded = false;
    this.#leftOutAt = now;
  }

  /** Of what comes with two copies little is known: with one it shows whether they are needed. */
  #ease(now: number): void {
    this.#isMuchOfAudio = false;
    this.#told.clear();
    this.#toldHidden.clear();
    this.#came = 0;
    this.#since = now;
  }

  /** Some sound did not come. */
  lost(now: number): void {
    if (this.isNeeded) this.#holdMs = Math.max(HOLD_MS, this.#holdMs);
    else if (now - this.#leftOutAt >= RELAPSE_MS) this.#holdMs = HOLD_MS;
    else this.#holdMs = Math.min(MOST_HOLD_MS, Math.max(HOLD_MS, 2 * this.#holdMs));
    this.#since = now;
    this.#came = 0;
    this.isNeeded = true;
  }

  /**
   * A report says how many packets should have come, and how many did not.
   *
   * @param isHidden They were sent again.
   */
  counted(expected: number, lost: number, isHidden = false): void {
    const told = isHidden ? this.#toldHidden : this.#told;
    told.add(expected, lost);
    if (isHidden) {
      if (told.lost >= LEAST_LOST) this.#isMuchOfAudio = true;
      return;
    }
    const share = told.lost / told.expected;
    if (share >= MUCH_LOSS && told.lost >= LEAST_LOST) this.#isMuchOfAudio = true;
    else if (!(share >= LITTLE_LOSS)) this.#isMuchOfAudio = false;
  }

  /** Of all packets, most of them video, so much was lost lately, 0–1: audio loses as much. */
  lostOfAll(share: number, now: number): void {
    if (share < LITTLE_LOSS) this.#isMuchOfAll = false;
    if (share < MUCH_LOSS) return;
    this.#isMuchOfAll = true;
    this.lost(now);
  }

  /** They are needed, and the path is known to lose some. */
  get isLossy(): boolean {
    return this.isNeeded && this.#holdMs >= HOLD_MS;
  }

  /** Much is lost: one copy is not enough. */
  get isMuch(): boolean {
    return this.#isMuchOfAudio || this.#isMuchOfAll;
  }

  /** They are left out, and what this path has lost before it may soon lose again. */
  mayReturn(now: number): boolean {
    return !this.isNeeded && this.#holdMs >= HOLD_MS && now - this.#leftOutAt < RELAPSE_MS;
  }

  /** Packets take another path from now on, of which nothing is known. */
  pathChanged(): void {
    this.#isMuchOfAudio = this.#isMuchOfAll = false;
    this.#told.clear();
    this.#toldHidden.clear();
    this.#came = 0;
    this.isNeeded = true;
    this.#holdMs = START_MS;
    this.#since = Infinity;
    this.#leftOutAt = -Infinity;
  }
}
