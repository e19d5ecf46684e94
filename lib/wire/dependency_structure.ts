/**
 * The template structure of the dependency descriptor (RTP payload format for AV1, appendix A.8.3):
 * what kinds of frames a stream has, which decode targets need them, and how they refer to each
 * other.
 *
 * Contract: fixed arrays, so reading one allocates nothing; what does not fit the format's own
 * bounds is refused. It comes with key frames; all descriptors up to the next one refer to it.
 *
 * @module
 */
import { BitReader } from "./bit_reader.ts";

const MAX_TEMPLATES = 64;
export const MAX_DECODE_TARGETS = 32;
export const MAX_CHAINS = 32;
/** References of one frame that are kept; encoders use eight at most (AV1's reference slots). */
export const MAX_FRAME_DIFFS = 8;
const MAX_SPATIAL = 3;
const MAX_TEMPORAL = 7;

/** Decode target indications, as on the wire. */
export const DTI = { notPresent: 0, discardable: 1, switch: 2, required: 3 } as const;

/** Reused; meaningless after `read` returned `false`. Columns are indexed by template first. */
export class DependencyStructure {
  templateIdOffset = 0;
  templateCount = 0;
  targetCount = 0;
  chainCount = 0;
  /** Highest spatial id of a template. */
  maxSpatial = 0;
  /** Highest temporal id of a template. */
  maxTemporal = 0;
  hasResolutions = false;
  readonly spatialId = new Uint8Array(MAX_TEMPLATES);
  readonly temporalId = new Uint8Array(MAX_TEMPLATES);
  readonly dtis = new Uint8Array(MAX_TEMPLATES * MAX_DECODE_TARGETS);
  readonly frameDiffs = new Uint8Array(MAX_TEMPLATES * MAX_FRAME_DIFFS);
  readonly frameDiffCount = new Uint8Array(MAX_TEMPLATES);
  readonly chainDiffs = new Uint8Array(MAX_TEMPLATES * MAX_CHAINS);
  /** The chain that protects a decode target. */
  readonly targetChain = new Uint8Array(MAX_DECODE_TARGETS);
  /** The layers a decode target shows at best. */
  readonly targetSpatial = new Uint8Array(MAX_DECODE_TARGETS);
  readonly targetTemporal = new Uint8Array(MAX_DECODE_TARGETS);
  /** Picture size by spatial layer, pixels; only if `hasResolutions`. */
  readonly width = new Uint32Array(MAX_SPATIAL + 1);
  readonly height = new Uint32Array(MAX_SPATIAL + 1);

  /**
   * Reads a structure and leaves the reader behind it; `false` if it is cut short or impossible.
   */
  read(reader: BitReader): boolean {
    this.templateIdOffset = reader.read(6);
    this.targetCount = reader.read(5) + 1;
    if (!this.#readLayers(reader)) return false;
    for (let t = 0; t < this.templateCount; t++) {
      for (let target = 0; target < this.targetCount; target++) {
        this.dtis[t * MAX_DECODE_TARGETS + target] = reader.read(2);
      }
    }
    if (!this.#readFrameDiffs(reader) || !this.#readChains(reader)) return false;
    this.#deriveTargetLayers();
    this.hasResolutions = reader.read(1) === 1;
    for (let s = 0; this.hasResolutions && s <= this.maxSpatial; s++) {
      this.width[s] = reader.read(16) + 1;
      this.height[s] = reader.read(16) + 1;
    }
    return !reader.overrun;
  }

  /** The index of the template a descriptor names, or -1. */
  templateOf(templateId: number): number {
    const index = (templateId + MAX_TEMPLATES - this.templateIdOffset) % MAX_TEMPLATES;
    return index < this.templateCount ? index : -1;
  }

  #readLayers(reader: BitReader): boolean {
    let spatial = 0;
    let temporal = 0;
    this.maxTemporal = 0;
    for (let t = 0; t < MAX_TEMPLATES; t++) {
      if (temporal > this.maxTemporal) this.maxTemporal = temporal;
      this.spatialId[t] = spatial;
      this.temporalId[t] = temporal;
      const next = reader.read(2);
      if (reader.overrun) return false;
      if (next === 3) {
        this.templateCount = t + 1;
        this.maxSpatial = spatial;
        return true;
      }
      if (next === 1) temporal++;
      else if (next === 2) {
        temporal = 0;
        spatial++;
      }
      if (spatial > MAX_SPATIAL || temporal > MAX_TEMPORAL) return false;
    }
    return false;
  }

  #readFrameDiffs(reader: BitReader): boolean {
    for (let t = 0; t < this.templateCount; t++) {
      let count = 0;
      while (reader.read(1) === 1) {
        if (count === MAX_FRAME_DIFFS) return false;
        this.frameDiffs[t * MAX_FRAME_DIFFS + count++] = reader.read(4) + 1;
      }
      this.frameDiffCount[t] = count;
    }
    return !reader.overrun;
  }

  #readChains(reader: BitReader): boolean {
    const count = reader.readBelow(this.targetCount + 1);
    if (count > MAX_CHAINS) return false;
    this.chainCount = count;
    if (count === 0) return true;
    for (let target = 0; target < this.targetCount; target++) {
      const chain = reader.readBelow(count);
      if (chain >= count) return false;
      this.targetChain[target] = chain;
    }
    for (let t = 0; t < this.templateCount; t++) {
      for (let chain = 0; chain < count; chain++) {
        this.chainDiffs[t * MAX_CHAINS + chain] = reader.read(4);
      }
    }
    return true;
  }

  #deriveTargetLayers(): void {
    for (let target = 0; target < this.targetCount; target++) {
      let spatial = 0;
      let temporal = 0;
      for (let t = 0; t < this.templateCount; t++) {
        if (this.dtis[t * MAX_DECODE_TARGETS + target] === DTI.notPresent) continue;
        spatial = Math.max(spatial, this.spatialId[t]!);
        temporal = Math.max(temporal, this.temporalId[t]!);
      }
      this.targetSpatial[target] = spatial;
      this.targetTemporal[target] = temporal;
    }
  }
}
