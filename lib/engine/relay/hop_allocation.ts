/**
 * Fits the video that crosses a hop to what the way there carries: the allocation that subscribers'
 * connections have, over whole layers and by what is wished at the other end.
 *
 * Contract: audio and data are never given less, and what they take is left to them. A track costs
 * what all the layers cost that would be needed at the other end, as subscribers there may want
 * different ones. Who would have a layer that finds no room gets the highest below it that does; a
 * track none of whose layers does stands.
 *
 * @module
 */
import { AllocatedTrack, Allocation, PAUSED, ROOM } from "../../bandwidth/allocation.ts";
import { isOfScreen, layersOf, priorityOf } from "../../media/packet/layer_wish.ts";
import type { UpTrack } from "../../media/up/up_track.ts";
import type { HopBudget } from "./hop_estimate.ts";

/** Between two looks, ms. */
const INTERVAL_MS = 100;
/** More than this part of the estimate is not kept free for what is sent again. */
const MAX_REPAIRS = 0.2;
/** Data does not take more than this part of it from pictures: it waits, and they cannot. */
const MAX_DATA = 0.5;
/** What headers, tags and frames add to the packets in datagrams. */
const OVERHEAD = 1.06;
/** Audio until it was measured, and audio of another node, whose rate is not told. */
const AUDIO_BPS = 40_000;
const LAYERS = 3;
const TEMPORAL_STEPS = 4;
/** Every layer. */
export const ALL_SPATIAL = 2;
/** No layer. */
const NO_SPATIAL = -1;

/** A track on its way to the other end. */
export interface CrossingTrack {
  readonly upTrack: UpTrack;
  /** What is wished at the other end (`layer_wish.ts`). */
  readonly farWish: number;
  /** It is not left out now, as it is not loud. */
  readonly isGiven: boolean;
  /**
   * Says how high it may go: {@linkcode ALL_SPATIAL}, {@linkcode NO_SPATIAL}, or between.
   *
   * @returns Whether that is less than before.
   */
  allow(spatial: number): boolean;
}

/** One hop's sharing. */
export class HopAllocation {
  /** How often a track was given less than before. */
  lowered = 0;
  readonly #estimate: HopBudget;
  readonly #allocation = new Allocation(true);
  readonly #videos = new Map<CrossingTrack, AllocatedTrack>();
  readonly #audio = new Set<CrossingTrack>();
  readonly #rates = new Float64Array(LAYERS);
  #lookedAt = -Infinity;
  #isStale = false;
  #isIdle = true;

  constructor(estimate: HopBudget) {
    this.#estimate = estimate;
  }

  add(track: CrossingTrack): void {
    if (track.upTrack.kind === "audio") {
      this.#audio.add(track);
      return;
    }
    const share = new AllocatedTrack();
    this.#videos.set(track, share);
    this.#allocation.add(share);
    this.#isStale = true;
  }

  remove(track: CrossingTrack): void {
    this.#audio.delete(track);
    const share = this.#videos.get(track);
    if (share === undefined) return;
    this.#videos.delete(track);
    this.#allocation.remove(share);
    this.#isStale = true;
  }

  /** Something else is wished, or sent. */
  changed(): void {
    this.#isStale = true;
  }

  /** Shares the estimate out, if that is due; to be called in every turn. */
  share(now: number): void {
    if (this.#videos.size === 0 && this.#isIdle) return;
    const estimate = this.#estimate;
    const isFallen = estimate.bps < this.#allocation.totalBps;
    if (!this.#isStale && !isFallen && now - this.#lookedAt < INTERVAL_MS) return;
    this.#lookedAt = now;
    this.#isStale = false;
    // Neither gives way to pictures, and both are part of what is acknowledged.
    const dataBps = Math.min(estimate.dataBps(now) * OVERHEAD, estimate.bps * MAX_DATA);
    const otherBps = this.#audioBps() * OVERHEAD + dataBps;
    for (const [track, share] of this.#videos) this.#read(track, share);
    const repairs = Math.min(MAX_REPAIRS, estimate.lossFraction);
    const bps = Math.max(0, estimate.bps * (1 - repairs) - otherBps);
    this.#allocation.isGuess = estimate.limitedBy === "start";
    this.#allocation.allocate(
      bps,
      estimate.mayRaise,
      now,
      Math.max(0, estimate.probedBps(now) - otherBps),
    );
    for (const [track, share] of this.#videos) this.#allow(track, share);
    const { baseBps, idealBps, goalBps } = this.#allocation;
    this.#isIdle = idealBps === 0;
    if (this.#isIdle) return estimate.setDemand(0, 0, now, 0);
    const next = goalBps === 0 ? 0 : goalBps + otherBps;
    estimate.setDemand(baseBps + otherBps, idealBps * ROOM + otherBps, now, next);
  }

  #audioBps(): number {
    let bps = 0;
    for (const { upTrack, farWish, isGiven } of this.#audio) {
      if (farWish === 0 || !isGiven || upTrack.muted) continue;
      const rates = upTrack.layer(0)?.rates;
      bps += rates?.isKnown === true ? rates.totalBps : AUDIO_BPS;
    }
    return bps;
  }

  #read({ upTrack, farWish }: CrossingTrack, share: AllocatedTrack): void {
    const rates = this.#rates;
    for (let s = 0; s < LAYERS; s++) rates[s] = upTrack.streamBps(s) * OVERHEAD;
    const layers = livingLayers(layersOf(farWish), upTrack.liveLayers);
    share.enabled = layers !== 0 && !upTrack.muted;
    share.isScreen = isOfScreen(farWish);
    share.priority = priorityOf(farWish);
    share.maxSpatial = 31 - Math.clz32(layers | 1);
    share.maxTemporal = 0;
    share.costBps.fill(0);
    let below = 0;
    for (let s = 0; s <= share.maxSpatial; s++) {
      if (rates[s]! > 0) share.costBps[s * TEMPORAL_STEPS] = below + rates[s]!;
      if ((layers & (1 << s)) !== 0) below += rates[s]!;
    }
  }

  #allow(track: CrossingTrack, share: AllocatedTrack): void {
    const { level, usable } = share;
    const isWhole = usable === 0 || level >= 31 - Math.clz32(usable);
    const spatial = level === PAUSED ? NO_SPATIAL : Math.floor(level / TEMPORAL_STEPS);
    if (track.allow(isWhole ? ALL_SPATIAL : spatial)) this.lowered++;
  }
}

/** Layers that stand for those wished: each itself, or the next below it that lives, or above. */
function livingLayers(wished: number, live: number): number {
  let layers = 0;
  for (let s = 0; s < LAYERS; s++) {
    if ((wished & (1 << s)) === 0) continue;
    const below = live & ((2 << s) - 1);
    layers |= below !== 0 ? 1 << (31 - Math.clz32(below)) : live & -live;
  }
  return layers;
}
