/**
 * Who speaks in one room, and what has changed about it since that was last told.
 *
 * Pure: levels of microphones go in, changes come out. Levels are rounded up to eighths, so that
 * only audible changes are told; when somebody speaks or stops is the measurement's decision (its
 * windows and smoothing are what keeps speakers from flickering), except that a microphone of which
 * nothing is heard for two intervals has stopped. Each speaker that was told of ends with one
 * inactive entry.
 *
 * @module
 */
import type { UpTrackId } from "../../base/ids.ts";

/** Levels are told in steps of one over this (LiveKit 1.13.5, `pkg/rtc/room.go`). */
const STEPS = 8;
/** A microphone is silent when nothing was heard of it for this many intervals. */
const STALE_INTERVALS = 2;

/** One entry of `SpeakersChanged`. */
export interface SpeakerChange {
  /** Sid of the participant. */
  readonly sid: string;
  /** Linear, 0–1; 0 exactly if inactive. */
  readonly level: number;
  readonly active: boolean;
}

interface Microphone {
  readonly sid: string;
  level: number;
  active: boolean;
  heardAt: number;
}

/**
 * One room's speakers, levels in, changes out. Every speaker that was told of ends with one
 * inactive entry.
 */
export class ActiveSpeakers {
  readonly #microphones = new Map<UpTrackId, Microphone>();
  /** Rounded level that was last told, by participant. */
  readonly #told = new Map<string, number>();

  /** @param intervalMs How often levels of speaking microphones come. */
  constructor(readonly intervalMs: number) {}

  /** A level of one of a participant's microphones. */
  hear(sid: string, upTrack: UpTrackId, level: number, active: boolean, now: number): void {
    const microphone = this.#microphones.get(upTrack);
    if (microphone !== undefined) {
      microphone.level = level;
      microphone.active = active;
      microphone.heardAt = now;
    } else if (active) this.#microphones.set(upTrack, { sid, level, active, heardAt: now });
  }

  /** The microphone is muted or gone. */
  silence(upTrack: UpTrackId): void {
    this.#microphones.delete(upTrack);
  }

  /** What is to be told now: speakers, the loudest first, then those that stopped. */
  collect(now: number): SpeakerChange[] {
    const loudest = this.#loudest(now);
    const changes: SpeakerChange[] = [];
    const stopped = [...this.#told.keys()].filter((sid) => !loudest.has(sid));
    for (const [sid, exact] of [...loudest].sort(([, a], [, b]) => b - a)) {
      const level = roundedUp(exact);
      if (this.#told.get(sid) === level) continue;
      this.#told.set(sid, level);
      changes.push({ sid, level, active: true });
    }
    for (const sid of stopped) {
      this.#told.delete(sid);
      changes.push({ sid, level: 0, active: false });
    }
    return changes;
  }

  /** What was last told of a participant; `undefined` if it does not speak. */
  speaking(sid: string): SpeakerChange | undefined {
    const level = this.#told.get(sid);
    return level === undefined ? undefined : { sid, level, active: true };
  }

  /** When somebody's last level becomes stale; `undefined` while nobody speaks. */
  nextWakeAt(): number | undefined {
    let earliest: number | undefined;
    for (const { heardAt } of this.#microphones.values()) {
      const staleAt = heardAt + STALE_INTERVALS * this.intervalMs;
      if (earliest === undefined || staleAt < earliest) earliest = staleAt;
    }
    return earliest;
  }

  /** Exact level of each speaking participant: its loudest microphone's. */
  #loudest(now: number): Map<string, number> {
    const loudest = new Map<string, number>();
    for (const [upTrack, { sid, level, active, heardAt }] of this.#microphones) {
      if (!active || now - heardAt >= STALE_INTERVALS * this.intervalMs) {
        this.#microphones.delete(upTrack);
      } else loudest.set(sid, Math.max(level, loudest.get(sid) ?? 0));
    }
    return loudest;
  }
}

function roundedUp(level: number): number {
  return Math.min(1, Math.ceil(level * STEPS) / STEPS);
}
