/**
 * What an SFU has to send: tracks of three simulcast layers of three temporal ones each, shared out
 * by the allocation in use, with a key frame for each change of layer, and audio.
 *
 * @module
 */
import { AllocatedTrack, Allocation, LEVELS, ROOM } from "../../lib/bandwidth/allocation.ts";
import { SENT } from "../../lib/bandwidth/sent_packets.ts";
import type { MediaFlow, Source } from "./media_flow.ts";

/** What a camera's encoder makes. */
export interface Encoding {
  /** Bits per second of each layer. */
  readonly layerBps: readonly number[];
  /** Share of a layer's rate up to each temporal layer… */
  readonly temporalShare: readonly number[];
  /** …and the size of a frame of each, in frames of mean size. */
  readonly frameSize: readonly number[];
}

/** Layers as LiveKit's clients send them: 180, 360 and 720 lines. */
const LINES_720: Encoding = {
  layerBps: [160_000, 450_000, 1_700_000],
  temporalShare: [0.5, 0.7, 1],
  frameSize: [2, 0.8, 0.6],
};
/** As they were measured of Chromium's VP8: 135, 270 and 540 lines. */
export const LINES_540: Encoding = {
  layerBps: [160_000, 375_000, 1_600_000],
  temporalShare: [0.4, 0.6, 1],
  frameSize: [1.6, 0.8, 0.8],
};
/** Temporal layer of each frame. */
const PATTERN = [0, 2, 1, 2] as const;
const KEY_FRAME_SIZE = 6;
/** Of all frames, up to each temporal layer. */
const FRAME_SHARE = [0.25, 0.5, 1] as const;
const FPS = 30;
const PACKET_BYTES = 1_100;
/** Publishers' pacers send a frame at so many times the rate. */
const PACE = 2.5;
/** Until a key frame that was asked for comes, ms. */
const KEY_FRAME_MS = 100;
const ALLOCATE_MS = 50;
const AUDIO_MS = 20;
const AUDIO_BYTES = 90;
const AUDIO_BPS = AUDIO_BYTES * 8_000 / AUDIO_MS;
/** A picture that stands for so long is frozen, ms. */
const FREEZE_MS = 500;
const NOTHING = -1;
const VARIATION = 0.1;
/** More than this part of the estimate is not kept free for what is sent again. */
const MAX_REPAIRS = 0.2;

interface Track {
  readonly allocated: AllocatedTrack;
  /** What is sent, and what will be from a time on. */
  spatial: number;
  pending: number;
  switchAt: number;
  frameAt: number;
  frame: number;
  /** Bytes of begun frames that wait for the publisher's pacer. */
  left: number;
  budget: number;
  heardAt: number;
}

export interface LayeredOptions {
  readonly tracks: number;
  readonly chance: () => number;
  /** All publishers send key frames at once, so often, ms. */
  readonly keyFramesEveryMs?: number;
  /** Absent: as LiveKit's clients send 720 lines. */
  readonly encoding?: Encoding;
  /** Frames of one layer differ in size by up to this share; a tenth if absent. */
  readonly variation?: number;
  /** Frames a second of each track; 30 if absent. */
  readonly fps?: number;
  /** Publishers send a frame at so many times its layer's rate; `Infinity`: at once. */
  readonly pace?: number;
  /** What is sent again has its room, as in the server; else media has it. */
  readonly keepsRepairs?: boolean;
  /** Nothing is wanted between these times, ms. */
  readonly unwanted?: readonly [fromMs: number, toMs: number];
}

/** A change of layer: what happened to which track. */
export interface LayerChange {
  readonly atMs: number;
  readonly track: number;
  readonly level: number;
}

/** Tracks of one subscriber, shared out by its estimate. */
export class LayeredSource implements Source {
  readonly changes: LayerChange[] = [];
  /** Pictures that stood although they were wanted, s, all tracks together. */
  freezeS = 0;
  /** When each track was first seen, ms; -1 for never. */
  readonly firstSeenAt: number[];
  readonly allocation = new Allocation(true);
  readonly #options: LayeredOptions;
  readonly #encoding: Encoding;
  readonly #tracks: Track[];
  readonly #levels: number[];
  readonly #frameMs: number;
  #allocateAt = 0;
  #audioAt = 0;
  #keyFramesAt = Infinity;
  #startedAt = -1;

  constructor(options: LayeredOptions) {
    this.#options = options;
    const { fps = FPS, encoding = LINES_720 } = options;
    this.#encoding = encoding;
    this.#frameMs = Math.floor(1_000 / fps);
    this.#keyFramesAt = options.keyFramesEveryMs ?? Infinity;
    this.#levels = Array.from({ length: options.tracks }, () => NOTHING);
    this.firstSeenAt = Array.from({ length: options.tracks }, () => -1);
    this.#tracks = this.#levels.map(() => {
      const allocated = new AllocatedTrack();
      for (let level = 0; level < LEVELS; level++) {
        const share = encoding.temporalShare[level & 3];
        if (share === undefined) continue;
        allocated.costBps[level] = encoding.layerBps[level >> 2]! * share;
        allocated.frameRates[level] = fps * FRAME_SHARE[level & 3]!;
      }
      this.allocation.add(allocated);
      return {
        allocated,
        spatial: NOTHING,
        pending: NOTHING,
        switchAt: Infinity,
        frameAt: options.chance() * this.#frameMs,
        frame: 0,
        left: 0,
        budget: 0,
        heardAt: 0,
      };
    });
  }

  /** Level of each track now: `spatial * 4 + temporal`, or -1. */
  get levels(): readonly number[] {
    return this.#levels;
  }

  step(now: number, flow: MediaFlow): void {
    if (this.#startedAt < 0) {
      this.#startedAt = now;
      for (const track of this.#tracks) track.heardAt = now;
    }
    if (now >= this.#allocateAt) this.#allocate(now, flow);
    if (now >= this.#audioAt) {
      this.#audioAt = now + AUDIO_MS;
      flow.send(AUDIO_BYTES, SENT.audio, NOTHING, now);
    }
    const isKeyTime = now >= this.#keyFramesAt;
    if (isKeyTime) this.#keyFramesAt += this.#options.keyFramesEveryMs!;
    for (const [number, track] of this.#tracks.entries()) {
      this.#stepTrack(track, number, isKeyTime, now, flow);
    }
  }

  arrived(number: number, now: number): void {
    const track = this.#tracks[number];
    if (track === undefined) return;
    if (this.firstSeenAt[number]! < 0) this.firstSeenAt[number] = now;
    else this.#stood(track, now);
    track.heardAt = now;
  }

  /** Counts what stands at the end. */
  end(now: number): void {
    for (const track of this.#tracks) this.#stood(track, now);
  }

  #stood(track: Track, now: number): void {
    const [from, to] = this.#options.unwanted ?? [0, 0];
    // Time in which nothing was wanted is no freeze.
    const unwanted = Math.max(0, Math.min(now, to) - Math.max(track.heardAt, from));
    const stood = now - track.heardAt - unwanted;
    if (stood > FREEZE_MS) this.freezeS += stood / 1000;
  }

  #allocate(now: number, flow: MediaFlow): void {
    this.#allocateAt = now + ALLOCATE_MS;
    const { estimate } = flow;
    const [from, to] = this.#options.unwanted ?? [Infinity, Infinity];
    for (const { allocated } of this.#tracks) allocated.enabled = now < from || now >= to;
    const probedBps = Math.max(0, estimate.probedBps(now) - AUDIO_BPS);
    const repairs = this.#options.keepsRepairs === true ? estimate.lossFraction : 0;
    const media = 1 - Math.min(MAX_REPAIRS, repairs);
    const budgetBps = Math.max(0, estimate.bps * media - AUDIO_BPS);
    this.allocation.isGuess = estimate.limitedBy === "start";
    this.allocation.allocate(budgetBps, estimate.mayRaise, now, probedBps);
    const { baseBps, idealBps, goalBps } = this.allocation;
    const audio = idealBps === 0 ? 0 : AUDIO_BPS;
    const next = goalBps === 0 ? 0 : goalBps + AUDIO_BPS;
    estimate.setDemand(baseBps + audio, idealBps * ROOM + audio, now, next);
    for (const [number, track] of this.#tracks.entries()) {
      const { allocated } = track;
      const level = allocated.usable === 0 ? NOTHING : allocated.level;
      if (level === this.#levels[number]) continue;
      this.#levels[number] = level;
      this.changes.push({ atMs: now, track: number, level });
      const spatial = level < 0 ? NOTHING : level >> 2;
      if (spatial === track.pending) continue;
      track.pending = spatial;
      track.switchAt = spatial === NOTHING ? now : now + KEY_FRAME_MS;
    }
  }

  #stepTrack(
    track: Track,
    number: number,
    isKeyTime: boolean,
    now: number,
    flow: MediaFlow,
  ): void {
    const level = this.#levels[number]!;
    if (now >= track.switchAt) {
      track.spatial = track.pending;
      track.switchAt = Infinity;
      track.left = 0;
      if (track.spatial >= 0) track.left = this.#frameBytes(track, KEY_FRAME_SIZE);
    }
    if (track.spatial < 0) return;
    const bps = this.#encoding.layerBps[track.spatial]!;
    if (isKeyTime) track.left += this.#frameBytes(track, KEY_FRAME_SIZE);
    if (now >= track.frameAt) {
      track.frameAt = now + this.#frameMs;
      const temporal = PATTERN[track.frame++ % PATTERN.length]!;
      if (temporal <= (level & 3)) {
        track.left += this.#frameBytes(track, this.#encoding.frameSize[temporal]!);
      }
    }
    const { pace = PACE } = this.#options;
    track.budget = pace === Infinity
      ? track.left
      : Math.min(PACKET_BYTES, track.budget + bps * pace / 8_000);
    while (track.left >= 1 && track.budget > 0) {
      const bytes = Math.max(60, Math.round(Math.min(PACKET_BYTES, track.left)));
      track.left -= bytes;
      track.budget -= bytes;
      flow.send(bytes, SENT.media, number, now);
    }
  }

  #frameBytes(track: Track, size: number): number {
    const mean = this.#encoding.layerBps[track.spatial]! * this.#frameMs / 8_000;
    const { variation = VARIATION, chance } = this.#options;
    return mean * size * (1 + variation * (2 * chance() - 1));
  }
}
