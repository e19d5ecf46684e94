/**
 * Which frames of a stream with dependency descriptors (AV1, VP9, VP8) one subscriber gets.
 *
 * Contract: all packets of a frame share one fate. A frame is sent only if the decode target that
 * is being sent needs it and nothing it refers to was left out. Targets change between pictures,
 * and only to one whose chain (the frames it can't do without) is unbroken; until then the old one
 * is kept, for a picture of the wrong size beats none. Without chains, as libwebrtc describes VP8,
 * the frames of the lowest temporal layer are taken for one.
 *
 * Pure; fixed memory; nothing allocates.
 *
 * @module
 */
import type { DependencyDescriptor } from "../../wire/dependency_descriptor.ts";
import {
  type DependencyStructure,
  DTI,
  MAX_CHAINS,
  MAX_DECODE_TARGETS,
} from "../../wire/dependency_structure.ts";
import type { SvcStream } from "../layer/svc_stream.ts";

/**
 * Frames remembered, a power of two; references reach 4096 frames back at most, in practice eight.
 */
const WINDOW = 256;
const MASK = WINDOW - 1;
/**
 * Fates of a frame: sent as part of decode target `fate - SENT`, or to be if it comes (`PENDING`).
 */
const UNKNOWN = 0;
const LEFT_OUT = 1;
const SENT = 2;
const PENDING = SENT + MAX_DECODE_TARGETS;
/** It has not come, and nothing was being sent when its turn was. */
const PENDING_NONE = PENDING + MAX_DECODE_TARGETS;
const NO_TARGET = -1;
/**
 * So long, in frames, all targets are announced after there were fewer: without a word they would
 * stay as they were announced last (AV1 RTP, appendix A.8.2).
 */
const WIDENED_FRAMES = 128;

/**
 * One subscriber's choice of frames: all packets of a frame share one fate, and no frame is sent
 * whose references were left out. Fixed memory; nothing allocates.
 */
export class SvcSelection {
  /** The decode target being sent, or -1. */
  target = NO_TARGET;
  /** Spatial layer of that target, or -1. */
  spatial = -1;
  /** The best target cannot be sent before a key frame. */
  needsKeyFrame = false;
  /** After `decide`: whether the marker is to be set, the frame being the last of its picture. */
  marker = false;
  readonly #fate = new Uint8Array(WINDOW);
  readonly #chainIntact = new Uint8Array(MAX_CHAINS);
  /** There are no chains, and the newest frame of the lowest temporal layer was left out. */
  #isBroken = false;
  /** Extended number of the newest frame, -1 before the first. */
  #highest = -1;
  #timestamp = -1;
  /** Up to this frame all targets are announced if all are sent. */
  #widenedUntil = -1;

  /** Forgets the stream: the next frame starts one. */
  restart(): void {
    this.target = NO_TARGET;
    this.spatial = -1;
    this.needsKeyFrame = false;
    this.#highest = -1;
    // Streams of one publisher may show the same time.
    this.#timestamp = -1;
    this.#isBroken = false;
    this.#widenedUntil = -1;
    this.#chainIntact.fill(0);
    this.#fate.fill(UNKNOWN);
  }

  /**
   * Decides about one packet.
   *
   * @param d Its descriptor, frame fields included.
   * @param timestamp Its RTP timestamp, which all frames of one picture share.
   * @returns Whether it is sent.
   */
  decide(
    d: DependencyDescriptor,
    stream: SvcStream,
    timestamp: number,
    maxSpatial: number,
    maxTemporal: number,
  ): boolean {
    const structure = stream.structure;
    if (structure === undefined) return false;
    let frame = this.#extend(d.frameNumber);
    if (frame <= this.#highest - WINDOW) {
      if (!d.keyFrameStart) return false;
      // The encoder started counting anew; a key frame needs nothing before it.
      this.restart();
      frame = this.#extend(d.frameNumber);
    }
    if (frame > this.#highest) {
      this.#open(frame);
      this.#followChains(frame, d, structure);
      if (timestamp !== this.#timestamp) {
        this.#timestamp = timestamp;
        this.#chooseTarget(stream, structure, maxSpatial, maxTemporal);
      }
      this.#seal(frame, d, this.target);
      if (structure.chainCount === 0 && structure.maxSpatial === 0) this.#followLowest(frame, d);
    } else {
      const fate = this.#fate[frame & MASK]!;
      if (fate >= PENDING) this.#seal(frame, d, fate === PENDING_NONE ? -1 : fate - PENDING);
    }
    const fate = this.#fate[frame & MASK]!;
    if (fate < SENT) return false;
    this.marker = d.endOfFrame && d.spatialId === structure.targetSpatial[fate - SENT];
    return true;
  }

  /** A packet of the stream whose frame fields can't be read: its frame can't be sent whole. */
  leaveOut(d: DependencyDescriptor): void {
    if (this.#highest < 0) return;
    const frame = this.#extend(d.frameNumber);
    if (frame > this.#highest) this.#open(frame);
    else if (frame <= this.#highest - WINDOW) return;
    this.#fate[frame & MASK] = LEFT_OUT;
  }

  /** The decode targets to announce to the subscriber, as a mask; -1 if nothing need be said. */
  announcedTargets(structure: DependencyStructure): number {
    const { target } = this;
    if (target < 0 || target >= structure.targetCount) return -1;
    const spatial = structure.targetSpatial[target]!;
    const temporal = structure.targetTemporal[target]!;
    let mask = 0;
    let all = true;
    for (let i = 0; i < structure.targetCount; i++) {
      if (structure.targetSpatial[i]! <= spatial && structure.targetTemporal[i]! <= temporal) {
        mask |= 1 << i;
      } else all = false;
    }
    if (all) return this.#highest <= this.#widenedUntil ? mask : -1;
    this.#widenedUntil = this.#highest + WIDENED_FRAMES;
    return mask;
  }

  /** Makes `frame` the newest; those it skips may still come, and are for the present target. */
  #open(frame: number): void {
    const pending = this.target < 0 ? PENDING_NONE : PENDING + this.target;
    const first = this.#highest < 0 ? frame : Math.max(this.#highest + 1, frame - WINDOW + 1);
    for (let f = first; f < frame; f++) this.#fate[f & MASK] = pending;
    this.#fate[frame & MASK] = UNKNOWN;
    this.#highest = frame;
  }

  /** Notes which chains the frame shows to be broken, and which it starts anew. */
  #followChains(frame: number, d: DependencyDescriptor, structure: DependencyStructure): void {
    const intact = this.#chainIntact;
    for (let chain = 0; chain < d.chainCount; chain++) {
      const diff = d.chainDiffs[chain]!;
      if (diff === 0) intact[chain] = 1;
      else if (intact[chain] === 1) {
        const fate = this.#fateOf(frame - diff);
        const protects = fate >= PENDING && fate !== PENDING_NONE &&
          structure.targetChain[fate - PENDING] === chain;
        const isSent = fate >= SENT && fate < PENDING;
        if (!isSent && !protects) intact[chain] = 0;
      }
    }
  }

  /** Notes whether frames of the lowest layer are missing, on which all that follow are built. */
  #followLowest(frame: number, d: DependencyDescriptor): void {
    if (d.temporalId === 0) this.#isBroken = this.#fate[frame & MASK] === LEFT_OUT;
    if (this.#isBroken) this.needsKeyFrame = true;
  }

  #chooseTarget(
    stream: SvcStream,
    structure: DependencyStructure,
    maxSpatial: number,
    maxTemporal: number,
  ): void {
    let chosen = NO_TARGET;
    let bestRank = -1;
    let chosenRank = -1;
    let lowest = NO_TARGET;
    for (let i = 0; i < structure.targetCount; i++) {
      if ((stream.activeTargets & (1 << i)) === 0) continue;
      const rank = structure.targetSpatial[i]! * 8 + structure.targetTemporal[i]!;
      const isIntact = this.#isIntact(i, structure);
      const isLower = lowest === NO_TARGET || rank <
          structure.targetSpatial[lowest]! * 8 + structure.targetTemporal[lowest]!;
      if (isIntact && isLower) lowest = i;
      const s = structure.targetSpatial[i]!;
      if (s > maxSpatial || structure.targetTemporal[i]! > maxTemporal) continue;
      if (rank > bestRank) bestRank = rank;
      if (isIntact && rank > chosenRank) {
        chosen = i;
        chosenRank = rank;
      }
    }
    if (chosen === NO_TARGET) {
      // What is wanted can't be decoded (yet): keep what can.
      const keeps = this.target >= 0 && this.target < structure.targetCount &&
        this.#isIntact(this.target, structure) &&
        (stream.activeTargets & (1 << this.target)) !== 0;
      chosen = keeps ? this.target : lowest;
    }
    this.target = chosen;
    this.spatial = chosen < 0 ? -1 : structure.targetSpatial[chosen]!;
    this.needsKeyFrame = chosen < 0 || (bestRank >= 0 && this.spatial !== bestRank >> 3);
  }

  #isIntact(target: number, structure: DependencyStructure): boolean {
    return structure.chainCount === 0 || this.#chainIntact[structure.targetChain[target]!] === 1;
  }

  /** Decides whether a frame whose first packet came now is sent, under `target`. */
  #seal(frame: number, d: DependencyDescriptor, target: number): void {
    this.#fate[frame & MASK] = this.#isSent(frame, d, target) ? SENT + target : LEFT_OUT;
  }

  #isSent(frame: number, d: DependencyDescriptor, target: number): boolean {
    if (target < 0 || target >= d.targetCount || d.dtis[target] === DTI.notPresent) return false;
    for (let i = 0; i < d.frameDiffCount; i++) {
      const fate = this.#fateOf(frame - d.frameDiffs[i]!);
      if (fate === LEFT_OUT) return false;
      // It may come, but will be sent only if its own target needs it.
      if (fate >= PENDING && !isPartOf(d, fate - PENDING)) return false;
    }
    return true;
  }

  #fateOf(frame: number): number {
    return frame > this.#highest - WINDOW && frame >= 0 ? this.#fate[frame & MASK]! : UNKNOWN;
  }

  #extend(frameNumber: number): number {
    if (this.#highest < 0) return frameNumber + 0x1_0000;
    let delta = (frameNumber - this.#highest) & 0xffff;
    if (delta >= 0x8000) delta -= 0x1_0000;
    return this.#highest + delta;
  }
}

/** Whether a target needs the frame, and with it all that the frame refers to. */
function isPartOf(d: DependencyDescriptor, target: number): boolean {
  return target < d.targetCount && d.dtis[target] !== DTI.notPresent;
}
