/**
 * One video of one subscriber, as it is shared out: the levels that it could get, what they cost,
 * and who comes before whom.
 *
 * Pure; nothing allocates but a track itself.
 *
 * @module
 */

/** Temporal layers of each spatial one. */
export const TEMPORAL_STEPS = 4;
/** Levels of a track: `spatial * 4 + temporal`. */
export const LEVELS = 12;
/** The level of a track that gets nothing. */
export const PAUSED = -1;

/** A larger picture with fewer frames a second than this jerks, unless its camera has no more. */
const SMOOTH_FPS = 7;
/** A frame rate is reached from this part of it on, as the frames themselves are chosen… */
const REACHED_FPS = 0.9;
/** …and what was reached is while it is no less than this part of that: cameras sway. */
const KEPT_FPS = 0.85;
/** The level of a track that gets everything. */
export const HIGHEST = LEVELS - 1;
/** Of part of a larger picture a frame of its lowest temporal layer may take so long, ms. */
const FRAME_MS = 125;
const ALL_TEMPORAL = (1 << TEMPORAL_STEPS) - 1;
const ALL_LEVELS = (1 << LEVELS) - 1;
/** Bit of whoever speaks in what decides about a share. */
const SPEAKER = 1 << 13;
/** Behind every priority that can be set, and behind every screen. */
const UNSET_RANK = 0x100;
const SCREEN_RANK = 0x200;

/**
 * One video of one subscriber. The owner fills what is wanted and what it costs, and reads the
 * level.
 */
export class AllocatedTrack {
  isScreen = false;
  /** `UpdateTrackSettings.priority`: 1 is the highest, 0 unset and lower than all. */
  priority = 0;
  isSpeaker = false;
  /** Wanted by the subscriber, and not muted by its publisher. */
  enabled = true;
  maxSpatial = 2;
  /** 0–3. */
  maxTemporal = 3;
  /** Frames per second that are enough; 0: no limit. */
  maxFps = 0;
  /**
   * Bits per second of each level with all that it is built on; 0 where the publisher sends
   * nothing. A level that adds nothing costs as much as the one below.
   */
  readonly costBps: Float64Array = new Float64Array(LEVELS);
  /** Frames per second of each level; 0 where they are not known. */
  readonly frameRates: Float64Array = new Float64Array(LEVELS);
  /** What it gets: `spatial * 4 + temporal`, or {@linkcode PAUSED}. */
  level: number = HIGHEST;
  // What follows is the allocation's own.
  /** Bit per level that it could get. */
  usable = 0;
  next = PAUSED;
  isBlocked = false;
  /** What decided about its share when it was last looked at. */
  seen = -1;

  /** Bits per second of what it gets. */
  get bps(): number {
    return this.level < 0 || this.usable === 0 ? 0 : this.costBps[this.level]!;
  }
}

/**
 * Bit per level that `track` could get: what is wanted, or the lowest layer there is if none of
 * that is. Lower frame rates are for the lowest layer: a larger picture that jerks is no gain.
 */
export function usableLevels(track: AllocatedTrack): number {
  const { costBps, maxSpatial } = track;
  if (!track.enabled) return 0;
  const wanted = (maxSpatial + 1) * TEMPORAL_STEPS;
  let usable = 0;
  for (let layer = 0; layer < LEVELS; layer += TEMPORAL_STEPS) {
    // A picture that is too good beats none.
    if (layer >= wanted && usable !== 0) return usable;
    const last = lastTemporal(track, layer);
    const first = usable === 0 ? 0 : firstTemporal(track, layer, last);
    for (let t = first; t <= last; t++) {
      if (costBps[layer + t]! > 0) usable |= 1 << (layer + t);
    }
  }
  return usable;
}

/** The temporal layer with which `layer` has as many frames as are wanted. */
function lastTemporal(track: AllocatedTrack, layer: number): number {
  const { costBps, frameRates, maxFps, usable } = track;
  let last = track.maxTemporal;
  while (last > 0 && costBps[layer + last] === 0) last--;
  if (maxFps === 0) return last;
  for (let t = 0; t < last; t++) {
    const wasLast = ((usable >> (layer + t)) & 0b11) === 0b01;
    if (isReached(frameRates[layer + t]!, maxFps * REACHED_FPS, wasLast)) return t;
  }
  return last;
}

/**
 * The lowest temporal layer of a spatial one above the lowest: never the lowest of several, and of
 * a camera none with which it jerks. Screens hold text, which is read and does not move.
 */
function firstTemporal(track: AllocatedTrack, layer: number, last: number): number {
  const { frameRates, isScreen, usable } = track;
  const second = Math.min(1, last);
  if (isScreen) return second;
  for (let t = second; t < last; t++) {
    if (isReached(frameRates[layer + t]!, SMOOTH_FPS, ((usable >> (layer + t)) & 1) === 1)) {
      return t;
    }
  }
  return last;
}

/** What decides about the share of a track, in one number; usable levels are its lowest bits. */
export function decisiveOf({ usable, isScreen, isSpeaker, maxSpatial, priority }: AllocatedTrack) {
  return usable | (isScreen ? 1 << 12 : 0) | (isSpeaker ? SPEAKER : 0) | (maxSpatial << 14) |
    ((priority & 0xff) << 16);
}

/** Whether `track` could have a share when it was last looked at. */
export function hadLevels({ seen }: AllocatedTrack): boolean {
  return seen >= 0 && (seen & ALL_LEVELS) !== 0;
}

/** Whether more decides differently now than who speaks, and at how many frames layers come. */
export function isFreeing(before: number, now: number): boolean {
  const isOther = ((before ^ now) & ~SPEAKER) >>> LEVELS !== 0;
  return isOther || layersOf(before) !== layersOf(now);
}

/** Bit per spatial layer of which there is a level. */
function layersOf(usable: number): number {
  return ((usable & 0xf) === 0 ? 0 : 1) | ((usable & 0xf0) === 0 ? 0 : 2) |
    ((usable & 0xf00) === 0 ? 0 : 4);
}

function isReached(fps: number, wantedFps: number, wasReached: boolean): boolean {
  return fps >= wantedFps * (wasReached ? KEPT_FPS : 1);
}

/** The lowest of `usable` levels; there is one. */
export function lowest(usable: number): number {
  return 31 - Math.clz32(usable & -usable);
}

/** The highest of `usable` levels; there is one. */
export function highest(usable: number): number {
  return 31 - Math.clz32(usable);
}

/** The lowest usable level above what it has; {@linkcode LEVELS} if there is none. */
export function above({ usable, level }: AllocatedTrack): number {
  const higher = level === PAUSED ? usable : usable & ~((2 << level) - 1);
  return higher === 0 ? LEVELS : lowest(higher);
}

/** The highest usable level up to `level`; else the lowest there is. */
export function nearest(usable: number, level: number): number {
  const below = usable & ((2 << level) - 1);
  return below === 0 ? lowest(usable) : highest(below);
}

/** Whether what `track` has needs more than it takes, for its single frames. */
export function hasLargeFrames(track: AllocatedTrack): boolean {
  const { level, usable } = track;
  return level !== PAUSED && usable !== 0 && neededFor(track, level) > track.costBps[level]!;
}

/** What all frames take of the layer that `level` is of; one of these is usable. */
function wholeBps({ costBps, usable }: AllocatedTrack, level: number): number {
  return costBps[highest(usable & (ALL_TEMPORAL << (level & -TEMPORAL_STEPS)))]!;
}

/**
 * Bits per second that have to be there for `track` to have `level`: what it takes, or for part of
 * a camera's larger picture what sends each frame of its lowest temporal layer soon enough, at
 * most what all of its frames take. Such a frame is much larger than the mean of those that are
 * sent, and a queue that grows with each of them is taken for congestion.
 */
export function neededFor(track: AllocatedTrack, level: number): number {
  const { costBps, frameRates, isScreen } = track;
  const bps = costBps[level]!;
  if (isScreen || level < TEMPORAL_STEPS) return bps;
  const first = level & -TEMPORAL_STEPS;
  const fps = frameRates[first]!;
  if (fps === 0) return bps;
  const frameBps = costBps[first]! * 1_000 / (fps * FRAME_MS);
  return Math.max(bps, Math.min(wholeBps(track, level), frameBps));
}

/** Bits per second that `track` takes at `level`. */
export function costOf(track: AllocatedTrack, level: number): number {
  return level === PAUSED || track.usable === 0 ? 0 : track.costBps[level]!;
}

/** Whether the next step of `track` is to more frames of its lowest layer. */
function isSmooth(track: AllocatedTrack): boolean {
  return track.level !== PAUSED && above(track) < TEMPORAL_STEPS;
}

/**
 * Whether the next step of `a` is to be made before that of `b`, if there is room for it: frames of
 * a lowest layer before a larger picture of anybody, else what costs less. Whoever is behind mostly
 * needs less, and nobody waits for a step that will never fit.
 */
function isSooner(a: AllocatedTrack, b: AllocatedTrack): boolean {
  const isOther = isSmooth(a) !== isSmooth(b) && a.level !== PAUSED && b.level !== PAUSED;
  return isOther ? isSmooth(a) : stepOf(a) < stepOf(b);
}

/** What has to be there for the next step beyond what it has, bits per second. */
export function stepOf(track: AllocatedTrack): number {
  return neededFor(track, above(track)) - costOf(track, track.level);
}

/** What `track` has beyond what comes before all second steps, bits per second. */
export function spareOf(track: AllocatedTrack): number {
  const { usable, level, isScreen, costBps } = track;
  if (usable === 0 || level === PAUSED) return 0;
  const first = lowest(usable);
  const least = isScreen ? nearest(usable, first | (TEMPORAL_STEPS - 1)) : first;
  return Math.max(0, costBps[level]! - costBps[least]!);
}

/** Of `tracks` in `[first, end)` that are paused, or of those that are not, whose step is next. */
export function soonest(
  tracks: readonly AllocatedTrack[],
  first: number,
  end: number,
  isPaused: boolean,
): AllocatedTrack | undefined {
  let next: AllocatedTrack | undefined;
  for (let i = first; i < end; i++) {
    const track = tracks[i]!;
    if ((track.level === PAUSED) !== isPaused || above(track) === LEVELS) continue;
    if (next === undefined || isSooner(track, next)) next = track;
  }
  return next;
}

/** Where the tracks end that are equal to that at `first`. */
export function endOfRank(tracks: readonly AllocatedTrack[], first: number): number {
  let end = first + 1;
  while (end < tracks.length && rank(tracks[first]!) === rank(tracks[end]!)) end++;
  return end;
}

/** Smaller comes first; equal ones share level by level. */
function rank({ isScreen, priority }: AllocatedTrack): number {
  return (isScreen ? 0 : SCREEN_RANK) + (priority === 0 ? UNSET_RANK : priority & 0xff);
}

/** Whether `a` comes before `b`: by rank, who speaks, and size wanted; else as they came. */
function precedes(a: AllocatedTrack, b: AllocatedTrack): boolean {
  const ranks = rank(a) - rank(b);
  if (ranks !== 0) return ranks < 0;
  if (a.isSpeaker !== b.isSpeaker) return a.isSpeaker;
  return a.maxSpatial > b.maxSpatial;
}

/** Puts tracks in order; those that are equal keep theirs. */
export function sort(tracks: AllocatedTrack[]): void {
  for (let i = 1; i < tracks.length; i++) {
    const track = tracks[i]!;
    let at = i;
    for (; at > 0 && precedes(track, tracks[at - 1]!); at--) tracks[at] = tracks[at - 1]!;
    tracks[at] = track;
  }
}
