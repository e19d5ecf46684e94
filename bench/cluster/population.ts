/**
 * Who meets whom in the busiest hour of a day: rooms of all sizes, and when each of their people
 * comes and goes. Seeded. Sizes and habits are assumptions, told in the table below; people at the
 * same time, and rooms at the same time, are what was asked for.
 *
 * @module
 */
import { SeededRandom } from "../../tests/support/virtual/seeded_random.ts";
import { REGIONS } from "./regions.ts";

const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
/** Whoever came longer ago than this has gone. */
const BEFORE_MS = 2 * HOUR_MS;
/** The hour begins a quarter before the full one, so that it has both kinds of rush in it, ms. */
const FULL_HOUR_MS = 15 * MINUTE_MS;
/** Of scheduled meetings so many begin at the full hour, the others at the half. */
const AT_FULL_HOUR = 0.65;
/** Of those who are in rooms of several regions, so many are in the room's own. */
const AT_HOME = 0.6;
/** How often it is tried to come near the number that is wanted: webinars make it jump. */
const PILOTS = 6;

/** One kind of rooms. */
export interface RoomKind {
  readonly name: string;
  /** Of all rooms at a time. */
  readonly share: number;
  /** People, drawn evenly on a logarithmic scale. */
  readonly size: readonly [from: number, to: number];
  readonly minutes: number;
  /** So many begin by the calendar. */
  readonly scheduled: number;
  /** People come within so long, a mean, ms. */
  readonly gatherMs: number;
  /** So many have people of one region alone. */
  readonly local: number;
  /** Who publishes: everybody, or a few in front of an audience. */
  readonly speakers: number;
}

export const ROOM_KINDS: readonly RoomKind[] = [
  kind("1:1", 0.445, [2, 2], 12, 0.2, 15_000, 0.85, 2),
  kind("3-5", 0.29, [3, 5], 32, 0.7, 45_000, 0.8, 5),
  kind("6-15", 0.17, [6, 15], 40, 0.85, 60_000, 0.7, 15),
  kind("16-50", 0.07, [16, 50], 45, 0.9, 90_000, 0.6, 50),
  kind("51-300", 0.0233, [51, 300], 50, 0.95, 120_000, 0.5, 30),
  kind("301-1,000", 0.0013, [301, 1000], 55, 1, 180_000, 0.3, 10),
  kind("webinars", 0.0004, [1000, 10_000], 55, 1, 300_000, 0, 3),
];

function kind(
  name: string,
  share: number,
  size: readonly [number, number],
  minutes: number,
  scheduled: number,
  gatherMs: number,
  local: number,
  speakers: number,
): RoomKind {
  return { name, share, size, minutes, scheduled, gatherMs, local, speakers };
}

/** All sessions that touch the time from 0 on, by when they begin. */
export interface Population {
  readonly sessions: number;
  readonly rooms: number;
  readonly room: Int32Array;
  readonly region: Uint8Array;
  /** ms; before 0 for those who are there when the hour begins. */
  readonly joinAt: Float64Array;
  readonly leaveAt: Float64Array;
  /** Sessions by when they end. */
  readonly byLeave: Int32Array;
  /** Of each room. */
  readonly kindOfRoom: Uint8Array;
  /** People at the busiest moment of the hour, and when that is, ms. */
  readonly peak: number;
  readonly peakAt: number;
}

/** @param participants At the busiest moment, within a few percent; rooms are a tenth of that. */
export function makePopulation(
  { participants, seed, untilMs }: {
    readonly participants: number;
    readonly seed: number;
    readonly untilMs: number;
  },
): Population {
  let rooms = participants / 10;
  let population = draw(rooms, seed, untilMs);
  for (let tries = 0; tries < PILOTS && isFarFrom(population.peak, participants); tries++) {
    rooms *= participants / population.peak;
    population = draw(rooms, seed, untilMs);
  }
  return population;
}

function isFarFrom(peak: number, wanted: number): boolean {
  return Math.abs(peak / wanted - 1) > 0.02;
}

/** How busy it is so many hours from the peak, as a share of that: three fifths in the mean. */
function dailyRate(hours: number): number {
  return 0.6 + 0.4 * Math.cos(2 * Math.PI * hours / 24);
}

class Draft {
  readonly room: number[] = [];
  readonly region: number[] = [];
  readonly joinAt: number[] = [];
  readonly leaveAt: number[] = [];
  readonly kindOfRoom: number[] = [];
}

function draw(rooms: number, seed: number, untilMs: number): Population {
  const random = new SeededRandom(seed);
  const draft = new Draft();
  for (const [index, kind] of ROOM_KINDS.entries()) {
    const perMs = rooms * kind.share / (kind.minutes * MINUTE_MS);
    const begun = Math.round(perMs * (BEFORE_MS + untilMs));
    for (let i = 0; i < begun; i++) {
      const startAt = startOf(kind, -BEFORE_MS + unit(random) * (BEFORE_MS + untilMs), random);
      const isKept = unit(random) < dailyRate((startAt - HOUR_MS / 2) / HOUR_MS);
      if (isKept) fill(draft, index, startAt, untilMs, random);
    }
  }
  return sorted(draft);
}

/** When a room begins that would begin at `at` if nobody had a calendar. */
function startOf(kind: RoomKind, at: number, random: SeededRandom): number {
  if (unit(random) >= kind.scheduled) return at;
  const hour = Math.floor((at - FULL_HOUR_MS) / HOUR_MS) * HOUR_MS + FULL_HOUR_MS;
  const slot = hour + (unit(random) < AT_FULL_HOUR ? 0 : HOUR_MS / 2);
  return slot + (unit(random) - 0.4) * 2 * MINUTE_MS;
}

function fill(
  draft: Draft,
  index: number,
  startAt: number,
  untilMs: number,
  random: SeededRandom,
): void {
  const kind = ROOM_KINDS[index]!;
  const isPlanned = kind.scheduled >= 0.7;
  const spread = isPlanned ? 0.5 + unit(random) : exponential(random);
  const endAt = startAt + Math.max(1, kind.minutes * spread) * MINUTE_MS;
  if (endAt < 0) return;
  const [from, to] = kind.size;
  const size = Math.round(from * (to / from) ** unit(random));
  const home = regionBy(random);
  const isLocal = unit(random) < kind.local;
  const room = draft.kindOfRoom.length;
  let isEmpty = true;
  for (let i = 0; i < size; i++) {
    const region = isLocal || unit(random) < AT_HOME ? home : regionBy(random);
    const joinAt = startAt + exponential(random) * kind.gatherMs;
    const isEarly = unit(random) < 0.15;
    const stays = isEarly ? unit(random) : 1;
    const leaveAt = joinAt + (endAt - joinAt) * stays + exponential(random) * 10_000;
    if (leaveAt <= Math.max(0, joinAt) || joinAt > untilMs) continue;
    isEmpty = false;
    draft.room.push(room);
    draft.region.push(region);
    draft.joinAt.push(joinAt);
    draft.leaveAt.push(leaveAt);
  }
  if (!isEmpty) draft.kindOfRoom.push(index);
}

function sorted(draft: Draft): Population {
  const sessions = draft.room.length;
  const order = orderBy(draft.joinAt);
  const joinAt = Float64Array.from(order, (i) => draft.joinAt[i]!);
  const leaveAt = Float64Array.from(order, (i) => draft.leaveAt[i]!);
  const byLeave = orderBy(leaveAt);
  return {
    sessions,
    rooms: draft.kindOfRoom.length,
    room: Int32Array.from(order, (i) => draft.room[i]!),
    region: Uint8Array.from(order, (i) => draft.region[i]!),
    joinAt,
    leaveAt,
    byLeave,
    kindOfRoom: Uint8Array.from(draft.kindOfRoom),
    ...peakOf(joinAt, leaveAt, byLeave),
  };
}

/** Indices by value: sorted as numbers that hold both, as sorting those is native. */
function orderBy(values: ArrayLike<number>): Int32Array {
  const room = 2 ** 23;
  const keys = Float64Array.from(values, (value, i) => {
    return (Math.round(value) + BEFORE_MS * 2) * room + i;
  });
  keys.sort();
  return Int32Array.from(keys, (key) => key % room);
}

function peakOf(joinAt: Float64Array, leaveAt: Float64Array, byLeave: Int32Array) {
  let [present, peak, peakAt, left] = [0, 0, 0, 0];
  for (const at of joinAt) {
    while (left < byLeave.length && leaveAt[byLeave[left]!]! <= at) {
      left++;
      present--;
    }
    present++;
    if (at >= 0 && at < HOUR_MS && present > peak) [peak, peakAt] = [present, at];
  }
  return { peak, peakAt };
}

function regionBy(random: SeededRandom): number {
  let at = unit(random);
  for (const [index, { share }] of REGIONS.entries()) {
    at -= share;
    if (at < 0) return index;
  }
  return 0;
}

/** From 0 to below 1. */
function unit(random: SeededRandom): number {
  return random.uint32() / 2 ** 32;
}

/** Of mean 1. */
function exponential(random: SeededRandom): number {
  return -Math.log(1 - unit(random));
}
