/**
 * What one down-track may send: what its subscriber wants, within what the connection's bandwidth
 * allows.
 *
 * Contract: `wanted` is the smaller of both in each respect. While a layer above it is still being
 * sent, because the lower one has no key frame yet, `frames` lets only its lowest frame rate pass;
 * of a layer below it everything passes.
 *
 * Pure; allocates only when one of the two changes.
 *
 * @module
 */
import type { LayerTarget, SpatialLayer } from "../../base/media_vocabulary.ts";
import { NO_WISH, wishOf } from "../packet/layer_wish.ts";

/** All spatial layers, and all temporal ones. */
const ALL_SPATIAL = 2;
const ALL_TEMPORAL = 3;
/** Nothing at all. */
export const NOTHING_ALLOWED = -1;

/** One down-track's limit. */
export class LayerLimit {
  /** What the subscriber wants. */
  target: LayerTarget;
  /** What of it may be sent. */
  wanted: LayerTarget;
  /** The same, with the lowest frame rate alone, and with all that the subscriber wants. */
  #slow: LayerTarget;
  #smooth: LayerTarget;
  #spatial = ALL_SPATIAL;
  #temporal = ALL_TEMPORAL;

  constructor(target: LayerTarget) {
    this.target = this.wanted = this.#smooth = target;
    this.#slow = { ...target, maxTemporal: 0 };
  }

  setTarget(target: LayerTarget): void {
    this.target = target;
    this.#combine();
  }

  /**
   * @param spatial Highest layer that bandwidth allows, or {@linkcode NOTHING_ALLOWED}.
   * @returns Whether that is news.
   */
  setAllowance(spatial: number, temporal: number): boolean {
    if (spatial === this.#spatial && temporal === this.#temporal) return false;
    this.#spatial = spatial;
    this.#temporal = temporal;
    this.#combine();
    return true;
  }

  /** Wanted, and not allowed for want of bandwidth. */
  get isPaused(): boolean {
    return this.target.enabled && this.#spatial === NOTHING_ALLOWED;
  }

  /**
   * What it would have if everything found room on its way to here (`layer_wish.ts`): all that is
   * wanted, unless bandwidth does not allow even the layers that there are.
   *
   * @param liveLayers Bit `1 << spatial` for each.
   */
  wish(liveLayers: number): number {
    const { enabled, maxSpatial } = this.target;
    if (!enabled) return NO_WISH;
    const isHeld = this.#spatial < 31 - Math.clz32(liveLayers);
    if (isHeld && this.#spatial === NOTHING_ALLOWED) return NO_WISH;
    return wishOf(this.target, isHeld ? Math.min(this.#spatial, maxSpatial) : maxSpatial);
  }

  /**
   * What to let pass of the layer that is being sent.
   *
   * @param current The layer, and what is to follow it.
   */
  frames(current: number, wanted: number): LayerTarget {
    if (current >= 0 && current < wanted) return this.#smooth;
    return current > wanted && this.#spatial < this.target.maxSpatial ? this.#slow : this.wanted;
  }

  /** Whether `frames` is of a layer above what is allowed. */
  isExcess(frames: LayerTarget): boolean {
    return frames === this.#slow;
  }

  #combine(): void {
    const { target } = this;
    if (this.#spatial === NOTHING_ALLOWED) this.wanted = { ...target, enabled: false };
    else {
      this.wanted = {
        ...target,
        maxSpatial: Math.min(target.maxSpatial, this.#spatial) as SpatialLayer,
        maxTemporal: Math.min(target.maxTemporal, this.#temporal),
      };
    }
    this.#slow = { ...this.wanted, maxTemporal: 0 };
    this.#smooth = { ...this.wanted, maxTemporal: target.maxTemporal };
  }
}
