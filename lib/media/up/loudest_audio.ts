/**
 * Which audio tracks of a room are passed on where only its loudest are: by the levels in their
 * packets (RFC 6464), with as much inertia as words need.
 *
 * What packets say need not be true: voices go up and down, and a level that has not for five
 * seconds, a hum or a constant made up by a client, is heard as quiet beside them.
 *
 * Contract: of the tracks that carry levels at most {@linkcode LoudestRooms.limit} of a room pass;
 * one without levels always passes. Who becomes loud passes with its second loud packet if nobody
 * among those that pass was as loud lately; who passed keeps its place for two seconds of silence
 * against whoever is as loud.
 *
 * Pure; nothing allocates but joining and leaving.
 *
 * @module
 */

/** What is heard of a track sinks in memory by so much, dB per ms… */
const DECAY = 0.003;
/** …and who is quieter by more than this, dB, loses a place: after 2 s if equally loud. */
const MARGIN = 6;
/** A level says this of silence, -dBov… */
const SILENCE = 127;
/** …and what is said to be louder than this is a shout at most. */
const LOUDEST = 15;
/** A level that stays within so many dB for two such times, ms, is not a voice's… */
const STEADY_DB = 6;
const STEADY_MS = 2_500;
/** …and counts as this at most, -dBov. */
const HUM = 70;
/** Who has sent nothing for so long has no claim to a place, ms: DTX sends each 400 ms. */
const STALE_MS = 2_000;
/** What is known of the quietest that passes is looked at anew after so long, ms. */
const LOOK_MS = 500;

/**
 * How loud it was at most lately, with the time in it; when anything was heard, and since when its
 * range is measured, ms.
 */
const STANDING = 0;
const HEARD_AT = 1;
const RANGE_AT = 2;

/** All rooms of an engine of which only the loudest tracks may be wanted. */
export class LoudestRooms {
  readonly #limits = new Map<string, number>();
  readonly #rooms = new Map<string, LoudestAudio>();

  /** From now on so many tracks of `room` pass; 0 is all. */
  limit(room: string, tracks: number, now: number): void {
    if (tracks > 0) this.#limits.set(room, tracks);
    else this.#limits.delete(room);
    this.#rooms.get(room)?.limit(tracks, now);
  }

  /**
   * A track of `room`, which passes until its first level is heard.
   *
   * @param turned It passes from now on, or no more.
   */
  join(room: string, turned: (passes: boolean, now: number) => void): RankedAudio {
    let tracks = this.#rooms.get(room);
    if (tracks === undefined) {
      tracks = new LoudestAudio(this.#limits.get(room) ?? 0);
      this.#rooms.set(room, tracks);
    }
    const ranked = new RankedAudio(tracks, turned);
    tracks.add(ranked);
    return ranked;
  }

  /** Ends what {@linkcode LoudestRooms.join} began. */
  leave(room: string, ranked: RankedAudio): void {
    const tracks = this.#rooms.get(room);
    tracks?.remove(ranked);
    if (tracks?.isEmpty) this.#rooms.delete(room);
  }
}

/** One track among those of a room. */
export class RankedAudio {
  /** Whether it is passed on. */
  passes = true;
  /** It carries levels, so that it can be compared. */
  hasLevels = false;
  /** In a typed array: numbers of this size would be boxed anew. */
  readonly #known = Float64Array.of(-Infinity, -Infinity, -Infinity);
  #before = 0;
  /** The range of its loudness, of the present time and of the one before. */
  #least = SILENCE;
  #most = 0;
  #leastBefore = SILENCE;
  #mostBefore = 0;
  #isSteady = false;

  constructor(
    private readonly room: LoudestAudio,
    private readonly turned: (passes: boolean, now: number) => void,
  ) {}

  /** A packet in order came. @param dbov Its level, -dBov; negative without one. */
  hear(dbov: number, now: number): void {
    const known = this.#known;
    if (dbov < 0) {
      // One that has stopped telling its level is as one that never did.
      if (this.hasLevels && now - known[HEARD_AT]! > STALE_MS) this.room.unranked(this, now);
      return;
    }
    // A single loud packet is a click.
    const loudness = this.#voice(SILENCE - Math.max(LOUDEST, dbov), now);
    const standing = Math.min(loudness, this.#before) + DECAY * now;
    this.#before = loudness;
    known[HEARD_AT] = now;
    if (standing > known[STANDING]!) known[STANDING] = standing;
    if (this.hasLevels && this.passes) return;
    this.room.heard(this, now);
  }

  /** How loud that is as a voice. */
  #voice(loudness: number, now: number): number {
    const known = this.#known;
    if (now - known[RANGE_AT]! >= STEADY_MS) this.#measureAnew(loudness, now);
    if (loudness < this.#least) this.#least = loudness;
    if (loudness > this.#most) this.#most = loudness;
    if (this.#most - this.#least >= STEADY_DB) this.#isSteady = false;
    return this.#isSteady ? Math.min(loudness, SILENCE - HUM) : loudness;
  }

  #measureAnew(loudness: number, now: number): void {
    const known = this.#known;
    const least = Math.min(this.#least, this.#leastBefore);
    const isFirst = known[RANGE_AT] === -Infinity;
    if (!isFirst && Math.max(this.#most, this.#mostBefore) - least < STEADY_DB) {
      this.#isSteady = true;
      known[STANDING] = Math.min(known[STANDING]!, SILENCE - HUM + DECAY * now);
    }
    this.#leastBefore = isFirst ? 0 : this.#least;
    this.#mostBefore = isFirst ? SILENCE : this.#most;
    this.#least = this.#most = loudness;
    known[RANGE_AT] = now;
  }

  /** Nothing comes of it for now, because its publisher has muted it. */
  silence(now: number): void {
    this.#known.fill(-Infinity);
    this.#before = 0;
    this.#isSteady = false;
    this.room.silenced(this, now);
  }

  /** How loud it was lately, comparable with others whenever they were heard. */
  get standing(): number {
    return this.#known[STANDING]!;
  }

  isStale(now: number): boolean {
    return now - this.#known[HEARD_AT]! > STALE_MS;
  }

  /** Says whether it passes; the room's word. */
  turn(passes: boolean, now: number): void {
    if (this.passes === passes) return;
    this.passes = passes;
    this.turned(passes, now);
  }
}

/** The tracks of one room, and which of those with levels have a place. */
class LoudestAudio {
  readonly #tracks = new Set<RankedAudio>();
  readonly #passing: RankedAudio[] = [];
  #limit: number;
  /** Nobody with a place stands lower; brought up to date now and then. */
  readonly #floor = Float64Array.of(-Infinity);
  readonly #lookAt = Float64Array.of(-Infinity);

  constructor(limit: number) {
    this.#limit = limit;
  }

  get isEmpty(): boolean {
    return this.#tracks.size === 0;
  }

  add(track: RankedAudio): void {
    this.#tracks.add(track);
  }

  remove(track: RankedAudio): void {
    this.#tracks.delete(track);
    this.#giveUp(track);
  }

  limit(tracks: number, now: number): void {
    if (tracks === this.#limit) return;
    this.#limit = tracks;
    this.#passing.length = 0;
    this.#floor[0] = -Infinity;
    if (tracks > 0) {
      const ranked = [...this.#tracks].filter((track) => track.hasLevels && !track.isStale(now));
      ranked.sort((a, b) => b.standing - a.standing);
      this.#passing.push(...ranked.slice(0, tracks));
    }
    for (const track of this.#tracks) {
      track.turn(tracks === 0 || !track.hasLevels || this.#passing.includes(track), now);
    }
  }

  /** A level was heard of a track without a place. */
  heard(track: RankedAudio, now: number): void {
    track.hasLevels = true;
    if (this.#limit === 0) return;
    if (this.#passing.length < this.#limit) {
      this.#fill(now);
      return track.turn(this.#passing.includes(track), now);
    }
    const isLoud = track.standing > this.#floor[0]! + MARGIN;
    if (!isLoud && now < this.#lookAt[0]!) return track.turn(false, now);
    const quietest = this.#quietest(now);
    const standing = quietest.isStale(now) ? -Infinity : quietest.standing;
    if (track.standing <= standing + MARGIN) return track.turn(false, now);
    this.#giveUp(quietest);
    quietest.turn(false, now);
    this.#admit(track, now);
  }

  silenced(track: RankedAudio, now: number): void {
    if (!track.hasLevels || this.#limit === 0) return;
    this.#giveUp(track);
    track.turn(false, now);
  }

  unranked(track: RankedAudio, now: number): void {
    track.hasLevels = false;
    this.#giveUp(track);
    track.turn(true, now);
  }

  #admit(track: RankedAudio, now: number): void {
    this.#passing.push(track);
    this.#floor[0] = Math.min(this.#floor[0]!, track.standing);
    track.turn(true, now);
  }

  #giveUp(track: RankedAudio): boolean {
    const at = this.#passing.indexOf(track);
    if (at >= 0) this.#passing.splice(at, 1);
    return at >= 0;
  }

  /** Free places go to the loudest of those who still send. */
  #fill(now: number): void {
    while (this.#passing.length < this.#limit) {
      let loudest: RankedAudio | undefined;
      for (const track of this.#tracks) {
        if (!track.hasLevels || track.isStale(now) || this.#passing.includes(track)) continue;
        if (loudest === undefined || track.standing > loudest.standing) loudest = track;
      }
      if (loudest === undefined) return;
      this.#admit(loudest, now);
    }
  }

  #quietest(now: number): RankedAudio {
    let quietest = this.#passing[0]!;
    let lowest = Infinity;
    for (const track of this.#passing) {
      const standing = track.isStale(now) ? -Infinity : track.standing;
      if (standing >= lowest) continue;
      lowest = standing;
      quietest = track;
    }
    this.#floor[0] = lowest;
    this.#lookAt[0] = now + LOOK_MS;
    return quietest;
  }
}
