/**
 * Shares what one connection may send among the video it is to get: which spatial and temporal
 * layer of each track, and which tracks have to wait.
 *
 * Contract: audio is not here, so it is never shared away. A shared screen comes first, then every
 * video has its lowest layer before any has a higher one; then those of higher priority get what
 * they want before others get more, and among equals nobody gets a second step before everybody had
 * the first. Frame rate comes before size, and of a camera no larger picture is given at a frame
 * rate at which it jerks. Layers are taken away at once, or after a while where less than 15 % are
 * too much, and given only where 15 % of room is left, which has to be seen for a while; what had
 * to be taken back is given again only after a pause that doubles.
 *
 * Pure: bits per second and monotonic milliseconds are arguments. Nothing allocates but joining and
 * leaving.
 *
 * @module
 */
import {
  above,
  AllocatedTrack,
  costOf,
  decisiveOf,
  endOfRank,
  hadLevels,
  hasLargeFrames,
  HIGHEST,
  highest,
  isFreeing,
  LEVELS,
  lowest,
  nearest,
  neededFor,
  PAUSED,
  soonest,
  sort,
  spareOf,
  stepOf,
  TEMPORAL_STEPS,
  usableLevels,
} from "./allocated_track.ts";

export { AllocatedTrack, LEVELS, PAUSED, TEMPORAL_STEPS };

/** Room that has to be left above what is given, so that a small dip takes nothing back. */
export const ROOM = 1.15;
/** A share that is exceeded by more than this is taken back at once… */
const DEEP = 1.15;
/** …and one exceeded by less if that lasts so long, ms: estimates shake. */
const SHALLOW_MS = 2_500;
/** How slowly the budget that raises rely on follows a higher one, ms. */
const CLIMB_MS = 700;
/** What has come so near to it has reached it. */
const REACHED = 0.99;
/** Between two rounds of raises, ms; longer where something was taken back lately. */
const SETTLE_MS = 1_000;
const UNSETTLED_MS = 5_000;
/** Where a probe has carried what the next step needs. */
const PROBED_SETTLE_MS = 200;
/** Something was taken back lately, ms. */
const LATELY_MS = 15_000;
/** Pause after something was taken back, ms; doubled while it was given less than so long ago. */
const HOLD_MS = 5_000;
const MAX_HOLD_MS = 160_000;
const SHORT_LIVED_MS = 60_000;
/** Room for the next step has to be seen so long, ms: what is sent shakes, too… */
const ROOM_SEEN_MS = 2_000;
/** …and for a step for which others have to give something back, longer… */
const TAKEN_SEEN_MS = 10_000;
/** …unless there is so many times of it. */
const CLEARLY = 1.3;
/** What may be shared out at once, of what was too much… */
const FAR = 0.5;
/** …and up to where nothing waits, as it is another question. */
const BELOW = 0.7;
/** With so many times of what was too much nothing waits. */
const MUCH = 1.5;
/** …nor, where single frames were too much, with less of what was relied on than this. */
const NEWS = 1.1;
/** How slowly what was carried falls to what is sent, ms: rates fall before a layer is gone. */
const FALL_MS = 5_000;
/** What was carried when room was given up lately, ms, may be sent again without waiting. */
const FREED_MS = 60_000;
/**
 * Where nothing has changed for so long, ms, less room does for the next step, seen for so long:
 * who has a layer keeps it with less, so what somebody gets would depend on what was before.
 */
const QUIET_MS = 5_000;
const TIGHT_SEEN_MS = 6_000;
const TIGHT_ROOM = 1.07;

/** How the video of one connection shares what there is. */
export class Allocation {
  /** Bits per second of what was given. */
  totalBps = 0;
  /** If everybody had only the lowest level, and if everybody had all that is wanted. */
  baseBps = 0;
  idealBps = 0;
  /** What has to fit for the next step up, room included; 0 if there is none. */
  nextBps = 0;
  /** What has to be carried for it to be made: more, while one that was too much is not tried. */
  goalBps = 0;
  /** The budget is a guess so far: what has to be taken back of it has not failed. */
  isGuess = false;
  /** Somebody gets nothing. One picture more has its whole room: the others would miss it. */
  isOnePaused = false;
  readonly #tracks: AllocatedTrack[] = [];
  #isDirty = true;
  /** The same, but of those that had a share: what was too much is so, whoever of them speaks. */
  #isReordered = false;
  /** The budget that raises rely on, and when it was brought up to date. */
  #steadyBps = -1;
  #steadyAt = 0;
  #exceededSince = Infinity;
  #raisedAt = -Infinity;
  #loweredAt = -Infinity;
  #holdMs = HOLD_MS;
  /** Since when the next step would fit, and how many may be made at once. */
  #roomSince = Infinity;
  #stepsLeft = Infinity;
  /** What was too much when something was taken back last. */
  #failedBps = 0;
  /** What the newest raise relied on, and that did where large frames were taken back soon. */
  #reliedBps = 0;
  #misledBps = 0;
  /** What has to fit so that many may: those behind catch up one by one. */
  #manyBps = 0;
  /** For the next step others have to give back what comes behind it; and so it was at last. */
  #isNextTaken = false;
  #wasNextTaken = false;
  #takenAt = -Infinity;
  #nextStepBps = 0;
  /** What all together take with it. */
  #nextSumBps = 0;
  /** What raises rely on. */
  #limitBps = 0;
  /** What is sent and is not too much, or was a moment ago, and when this was updated. */
  #carriedBps = 0;
  #carriedAt = 0;
  /** As much as that when something else was wanted or sent lately: others may have it. */
  #isFreed = false;
  #freedBps = 0;
  #freedAt = -Infinity;
  /** Since when nothing has changed, and what room the next step needs for that. */
  #quietSince = -Infinity;
  #room = ROOM;

  #allowPause: boolean;

  /** @param allowPause Whether a track may get nothing; else each keeps its lowest level. */
  constructor(allowPause: boolean) {
    this.#allowPause = allowPause;
  }

  /** As when it was made: tracks that have nothing get their lowest level once they may not. */
  set allowPause(allowPause: boolean) {
    if (!allowPause && this.#allowPause && this.isOnePaused) this.#isDirty = true;
    this.#allowPause = allowPause;
  }

  /** A track wants a share; it has none before {@linkcode Allocation.allocate}. */
  add(track: AllocatedTrack): void {
    track.level = PAUSED;
    track.seen = -1;
    this.#tracks.push(track);
    this.#isDirty = true;
  }

  remove(track: AllocatedTrack): void {
    const at = this.#tracks.indexOf(track);
    if (at < 0) return;
    this.#tracks.splice(at, 1);
    this.#isDirty = true;
    this.#isFreed = true;
  }

  /** Whether everybody has all that is wanted. */
  get isComplete(): boolean {
    for (const track of this.#tracks) {
      if (track.usable !== 0 && track.level < highest(track.usable)) return false;
    }
    return true;
  }

  /**
   * Shares `budgetBps` among the video; levels are in the tracks afterwards. To be called a few
   * times a second, and at once when something else is wanted or sent.
   *
   * @param mayRaise Whether more than now may be sent: the path shows no sign of congestion.
   * @param probedBps What a probe has carried a moment ago, 0 if none has: so much need not be
   *   seen for long.
   * @param unseenBps What else takes the path and is no part of the budget. A burst has the path to
   *   itself for a moment, so what it shows may be more by that: a step up leaves room for both.
   * @returns Whether a level changed.
   */
  allocate(
    budgetBps: number,
    mayRaise: boolean,
    now: number,
    probedBps = 0,
    unseenBps = 0,
  ): boolean {
    const steadyBps = this.#steady(budgetBps, probedBps, now) - unseenBps;
    this.#limitBps = steadyBps;
    this.#look();
    const isQuiet = now - this.#quietSince >= QUIET_MS;
    this.#room = isQuiet && !this.isOnePaused ? TIGHT_ROOM : ROOM;
    this.#sumUp();
    const roomBps = budgetBps - unseenBps;
    const seenBps = probedBps - unseenBps;
    const changes = this.#decide(budgetBps, roomBps, steadyBps, mayRaise, seenBps, now);
    this.#carry(now);
    this.goalBps = this.nextBps;
    if (this.nextBps > 0 && now - this.#loweredAt < this.#holdMs && !this.#isKnownToFit()) {
      this.goalBps = Math.max(this.nextBps, this.#failedBps * MUCH);
    }
    return changes;
  }

  /**
   * Decides about all shares.
   *
   * @param roomBps Of the budget, what steps up may rely on; of `steadyBps` and `probedBps` all.
   * @returns Whether a level changed.
   */
  #decide(
    budgetBps: number,
    roomBps: number,
    steadyBps: number,
    mayRaise: boolean,
    probedBps: number,
    now: number,
  ): boolean {
    const before = this.totalBps;
    if (this.#isDirty || this.#isReordered) {
      const hasNew = this.#isDirty;
      const isHeld = this.#isHeld(steadyBps, now);
      this.#isDirty = this.#isReordered = false;
      this.#quietSince = now;
      this.#stepsLeft = Infinity;
      sort(this.#tracks);
      // What others have may be given away, but no more is sent than before if nothing may be.
      const most = Math.min(roomBps / ROOM, mayRaise ? Infinity : before);
      const freedBps = this.#isFreed ? this.#free(now) : 0;
      const held = isHeld ? Math.max(before, freedBps, this.#failedBps * FAR) : Infinity;
      const raiseBps = Math.min(most, held);
      this.#share(PAUSED, budgetBps, raiseBps, hasNew ? most : raiseBps);
      return this.#adopt(now);
    }
    if (this.#isExceeded(before, budgetBps, now)) {
      this.#share(PAUSED, budgetBps, 0);
      return this.isGuess ? this.#adopt(now) : this.#takeBack(before, now);
    }
    if (this.#isRaiseDue(steadyBps, probedBps, now) && mayRaise) {
      const room = this.#isNextTaken ? ROOM : this.#room;
      const mostBps = Math.min(steadyBps / room, this.#mostBps(steadyBps, now));
      // What is given back goes first; the step comes when that is seen to have made its room.
      if (this.#isNextTaken) {
        this.#takenAt = now;
        this.#share(PAUSED, mostBps - this.#nextStepBps, 0);
      } else this.#share(HIGHEST, 0, mostBps);
      return this.#adopt(now);
    }
    return false;
  }

  /** A budget rises slowly for those who rely on it and falls at once. */
  #steady(budgetBps: number, probedBps: number, now: number): number {
    const before = this.#steadyBps < 0 ? budgetBps : this.#steadyBps;
    const weight = Math.min(1, (now - this.#steadyAt) / CLIMB_MS);
    this.#steadyAt = now;
    const risen = before + (budgetBps - before) * weight;
    const steady = risen > budgetBps * REACHED ? budgetBps : risen;
    return this.#steadyBps = Math.max(steady, Math.min(budgetBps, probedBps));
  }

  /** Reads what is wanted and what it costs, and whether that is another question than before. */
  #look(): void {
    this.baseBps = this.idealBps = 0;
    this.isOnePaused = false;
    for (const track of this.#tracks) {
      const usable = usableLevels(track);
      track.usable = usable;
      const seen = decisiveOf(track);
      if (seen !== track.seen) {
        if (!hadLevels(track)) this.#isDirty = true;
        else {
          this.#isReordered = true;
          // Speakers change all the time, and cameras sway: these alone give nothing up.
          this.#isFreed ||= isFreeing(track.seen, seen);
        }
        track.seen = seen;
      }
      if (usable === 0) continue;
      if (track.level === PAUSED) this.isOnePaused = true;
      else track.level = nearest(usable, track.level);
      this.baseBps += track.costBps[lowest(usable)]!;
      this.idealBps += track.costBps[highest(usable)]!;
    }
  }

  #sum(): number {
    let sum = 0;
    for (const track of this.#tracks) sum += costOf(track, track.level);
    return sum;
  }

  #isExceeded(sum: number, budgetBps: number, now: number): boolean {
    if (sum <= budgetBps) {
      this.#exceededSince = Infinity;
      return false;
    }
    this.#quietSince = now;
    if (this.#exceededSince === Infinity) this.#exceededSince = now;
    if (sum > budgetBps * DEEP) return true;
    const isTried = now - this.#raisedAt < UNSETTLED_MS;
    return !isTried && now - this.#exceededSince >= SHALLOW_MS;
  }

  /**
   * Whether the next step fits, has done so for long enough, and nothing speaks against it; how
   * many may be made is noted.
   */
  #isRaiseDue(steadyBps: number, probedBps: number, now: number): boolean {
    if (this.nextBps === 0 || steadyBps < this.nextBps) {
      this.#roomSince = Infinity;
      return false;
    }
    const isTakenNow = this.#isNextTaken && !this.#wasNextTaken;
    this.#wasNextTaken = this.#isNextTaken;
    if (this.#roomSince === Infinity || isTakenNow) this.#roomSince = now;
    const isAmple = probedBps >= this.nextBps || steadyBps >= this.nextBps * CLEARLY;
    const roomSeenMs = this.#room === ROOM ? ROOM_SEEN_MS : TIGHT_SEEN_MS;
    const seenMs = this.#isNextTaken ? TAKEN_SEEN_MS : roomSeenMs;
    if (!isAmple && now - this.#roomSince < seenMs) return false;
    if (now - this.#takenAt < UNSETTLED_MS) return false;
    const isForMany = probedBps >= this.#manyBps || steadyBps >= this.#manyBps * CLEARLY;
    this.#stepsLeft = isForMany ? Infinity : 1;
    const sinceLowered = now - this.#loweredAt;
    if (this.#isHeld(steadyBps, now)) {
      if (!this.#isKnownToFit()) return false;
      this.#stepsLeft = 1;
    }
    const isUnsettled = sinceLowered < LATELY_MS && !this.#isClearlyBetter(steadyBps);
    const settleMs = probedBps >= this.nextBps ? PROBED_SETTLE_MS : SETTLE_MS;
    return now - this.#raisedAt >= (isUnsettled ? UNSETTLED_MS : settleMs);
  }

  /** Whether what was too much is not to be tried yet. */
  #isHeld(steadyBps: number, now: number): boolean {
    return now - this.#loweredAt < this.#holdMs && !this.#isClearlyBetter(steadyBps);
  }

  /** Whether there is so much more than what was too much that nothing waits. */
  #isClearlyBetter(steadyBps: number): boolean {
    return steadyBps >= Math.max(this.#failedBps * MUCH, this.#misledBps * NEWS);
  }

  /** Whether the next step need not wait with what was too much. */
  #isKnownToFit(): boolean {
    return this.#isFarBelow() || this.#nextSumBps <= this.#freedBps;
  }

  /** Whether all together are far below what was too much with the next step. */
  #isFarBelow(): boolean {
    return !this.#isNextTaken && this.#nextSumBps < this.#failedBps * BELOW;
  }

  /** Limit of the sum for a raise: who comes first may not try with it what is still held. */
  #mostBps(steadyBps: number, now: number): number {
    if (!this.#isHeld(steadyBps, now)) return Infinity;
    return Math.max(this.#freedBps, this.#isFarBelow() ? this.#failedBps * BELOW : 0);
  }

  /** What is sent was not too much so far. */
  #carry(now: number): void {
    const kept = Math.max(0, 1 - (now - this.#carriedAt) / FALL_MS);
    this.#carriedBps = Math.max(this.totalBps, this.#carriedBps * kept);
    this.#carriedAt = now;
    if (now - this.#freedAt >= FREED_MS) this.#freedBps = 0;
  }

  /** Others may have what somebody gives up. @returns What may be sent without waiting for it. */
  #free(now: number): number {
    this.#isFreed = false;
    if (this.#carriedBps > this.#freedBps) {
      this.#freedBps = this.#carriedBps;
      this.#freedAt = now;
    }
    return this.#freedBps;
  }

  /**
   * Gives step after step in order.
   *
   * @param from Where tracks begin: with nothing, or with what they have.
   * @param keepBps Limit of the sum for steps to what a track has already.
   * @param raiseBps Limit for steps beyond…
   * @param lowestBps …but for those to the lowest layers: whoever is new does not wait for one.
   */
  #share(from: number, keepBps: number, raiseBps: number, lowestBps = raiseBps): void {
    const tracks = this.#tracks;
    let sum = 0;
    for (const track of tracks) {
      track.next = Math.min(from, track.level);
      track.isBlocked = false;
      sum += costOf(track, track.next);
    }
    // A screen's lowest layer at its full rate, then everybody's lowest level.
    for (let i = 0; i < tracks.length; i++) {
      const track = tracks[i]!;
      if (track.usable === 0) continue;
      const end = lowest(track.usable) + 1;
      const layerEnd = track.isScreen ? (end + TEMPORAL_STEPS - 1) & -TEMPORAL_STEPS : end;
      sum = this.#climb(i, i + 1, layerEnd, sum, keepBps, lowestBps);
    }
    // By priority: who comes first has all that fits before the others have a second level.
    for (let first = 0; first < tracks.length;) {
      const end = endOfRank(tracks, first);
      sum = this.#climb(first, end, LEVELS, sum, keepBps, raiseBps);
      first = end;
    }
  }

  /** Raises tracks `[first, end)` level by level below `levels`. @returns The new sum. */
  #climb(
    first: number,
    end: number,
    levels: number,
    sum: number,
    keepBps: number,
    raiseBps: number,
  ): number {
    let after = sum;
    for (let level = 0; level < levels; level++) {
      for (let i = first; i < end; i++) {
        const track = this.#tracks[i]!;
        if ((track.usable & (1 << level)) === 0 || track.isBlocked || level <= track.next) continue;
        const limit = level <= track.level ? Math.max(keepBps, raiseBps) : raiseBps;
        const stepped = after - costOf(track, track.next) + track.costBps[level]!;
        const isPaid = level > track.level && stepped > after;
        if (
          (stepped <= limit && this.#hasRoomFor(track, level, stepped) &&
            !(isPaid && this.#stepsLeft === 0)) ||
          this.#isDue(track, level, stepped <= after)
        ) {
          if (isPaid) this.#stepsLeft--;
          track.next = level;
          after = stepped;
        } else track.isBlocked = true;
      }
    }
    return after;
  }

  /** Whether single frames have room, too, where all together take `sum`. */
  #hasRoomFor(track: AllocatedTrack, level: number, sum: number): boolean {
    const moreBps = neededFor(track, level) - track.costBps[level]!;
    const limit = level <= track.level ? this.#limitBps : this.#limitBps / this.#room;
    return moreBps === 0 || sum + moreBps <= limit;
  }

  /** Whether a step is made though it does not fit: nobody may be paused, or it adds nothing. */
  #isDue({ next }: AllocatedTrack, level: number, isFree: boolean): boolean {
    if (next === PAUSED) return !this.#allowPause;
    return isFree && (next ^ level) < TEMPORAL_STEPS;
  }

  /** Adopts what was shared out. @returns Whether a level changed. */
  #adopt(now: number): boolean {
    let changes = false;
    for (const track of this.#tracks) {
      if (track.usable === 0 || track.next === track.level) continue;
      if (costOf(track, track.next) > costOf(track, track.level)) {
        this.#raisedAt = now;
        this.#reliedBps = this.#limitBps;
      }
      track.level = track.next;
      changes = true;
    }
    if (changes) {
      this.#quietSince = now;
      this.#room = ROOM;
    }
    this.#sumUp();
    return changes;
  }

  /** As {@linkcode Allocation.#adopt}; what `sum` there was has proved to be too much. */
  #takeBack(sum: number, now: number): boolean {
    const isShortLived = now - this.#raisedAt < SHORT_LIVED_MS;
    // What is taken back in several steps was too much once.
    const isAgain = this.#raisedAt > this.#loweredAt;
    let isLarge = false;
    for (const track of this.#tracks) isLarge ||= track.next < track.level && hasLargeFrames(track);
    const changes = this.#adopt(now);
    if (!changes) return false;
    if (!isShortLived) this.#holdMs = Math.max(HOLD_MS, this.#holdMs / 2);
    else if (isAgain) this.#holdMs = Math.min(MAX_HOLD_MS, this.#holdMs * 2);
    this.#failedBps = sum;
    this.#misledBps = isShortLived && isLarge ? this.#reliedBps : 0;
    this.#loweredAt = now;
    this.#carriedBps = this.totalBps;
    this.#freedBps = 0;
    return true;
  }

  /**
   * Finds the next step: somebody's lowest level before a second one of anybody, then of each rank
   * what comes soonest. What never fits is passed over, as where all is shared from the beginning.
   */
  #sumUp(): void {
    const tracks = this.#tracks;
    this.totalBps = this.#sum();
    this.nextBps = this.#manyBps = 0;
    this.#isNextTaken = false;
    let isFound = this.#consider(soonest(tracks, 0, tracks.length, true), 0);
    for (let first = 0; first < tracks.length && !isFound;) {
      const end = endOfRank(tracks, first);
      isFound = this.#consider(soonest(tracks, first, end, false), end);
      first = end;
    }
    for (const track of tracks) {
      if (above(track) === LEVELS) continue;
      this.#manyBps = Math.max(this.nextBps, this.#withStep(track));
      return;
    }
  }

  /**
   * Notes the next step of `track` as that of all if it costs less than what was noted, or fits.
   *
   * @param behind From here on tracks give back for it what they have beyond the least.
   * @returns Whether it fits.
   */
  #consider(track: AllocatedTrack | undefined, behind: number): boolean {
    if (track === undefined) return false;
    const stepBps = stepOf(track);
    const next = above(track);
    let takenBps = 0;
    for (let i = behind; i < this.#tracks.length; i++) takenBps += spareOf(this.#tracks[i]!);
    const wholeBps = this.#withStep(track);
    const isWhole = wholeBps <= this.#limitBps;
    const leastBps = (this.totalBps - takenBps + stepBps) * ROOM;
    const neededBps = isWhole ? wholeBps : Math.min(wholeBps, leastBps);
    const isFitting = neededBps <= this.#limitBps;
    if (!isFitting && this.nextBps !== 0 && neededBps >= this.nextBps) return false;
    this.nextBps = neededBps;
    this.#nextStepBps = stepBps;
    this.#nextSumBps = neededBps / this.#room - neededFor(track, next) + track.costBps[next]!;
    this.#isNextTaken = isFitting && !isWhole;
    return isFitting;
  }

  /** What has to fit if that one has its next level. */
  #withStep(track: AllocatedTrack): number {
    return (this.totalBps + stepOf(track)) * this.#room;
  }
}
