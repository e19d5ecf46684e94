/**
 * What one received stream says about the layers inside it, and how each packet fits in.
 *
 * Contract: per packet the result is one of {@linkcode SVC}; a stream with one layer is `none`, so
 * that nothing is selected from it. Temporal layers alone count where they are described. The
 * dependency descriptor is believed before the VP9 payload descriptor. Allocates once per stream,
 * at its first structure.
 *
 * @module
 */
import type { DependencyDescriptor } from "../../wire/dependency_descriptor.ts";
import { DependencyStructure } from "../../wire/dependency_structure.ts";
import type { Vp9Descriptor } from "../../wire/vp9_descriptor.ts";

/** How a packet's place among the layers is known. */
export const SVC = {
  /** Nothing is to be selected by layers inside the stream. */
  none: 0,
  /** By its dependency descriptor, of which the frame fields are filled. */
  described: 1,
  /** By its VP9 payload descriptor. */
  vp9: 2,
  /**
   * Of a stream with spatial layers, but its descriptor is absent or makes no sense (its structure
   * was lost).
   */
  unknown: 3,
} as const;
/** One value of {@linkcode SVC}. */
export type SvcKind = (typeof SVC)[keyof typeof SVC];

/** One per received stream. */
export class SvcStream {
  /** Of the newest key frame. */
  structure: DependencyStructure | undefined;
  /** Bit `1 << target` per decode target that the publisher sends now. */
  activeTargets = 0;
  /** Of a VP9 stream without dependency descriptors. */
  vp9Layers = 0;
  #spare: DependencyStructure | undefined;
  #structureSeq = -1;
  #activeSeq = -1;
  #vp9Seq = -1;

  /** The highest spatial layer inside it, 0 if there is one alone. */
  get topSpatial(): number {
    return this.structure?.maxSpatial ?? Math.max(0, this.vp9Layers - 1);
  }

  /** Another stream begins; its numbers are above all earlier ones. */
  restart(): void {
    this.#spare ??= this.structure;
    this.structure = undefined;
    this.vp9Layers = 0;
  }

  /**
   * Reads the frame fields of a descriptor that was parsed; `seq` is the packet's extended number.
   */
  readDescribed(descriptor: DependencyDescriptor, seq: number): SvcKind {
    let structure = this.structure;
    if (descriptor.hasTemplateStructure) {
      const read = this.#spare ??= new DependencyStructure();
      if (!descriptor.readStructure(read)) {
        // A structure we can't read: forwarding everything is better than nothing.
        if (seq >= this.#structureSeq) this.restart();
        return SVC.none;
      }
      structure = read;
      if (seq >= this.#structureSeq) this.#adopt(read, seq);
    }
    if (structure === undefined) return SVC.none;
    if (!descriptor.readFrame(structure)) return this.#unknown();
    if (descriptor.hasActiveDecodeTargets && seq >= this.#activeSeq) {
      this.#activeSeq = seq;
      this.activeTargets = descriptor.activeTargets;
    }
    return structure.maxSpatial > 0 || structure.maxTemporal > 0 ? SVC.described : SVC.none;
  }

  #adopt(read: DependencyStructure, seq: number): void {
    this.#spare = this.structure;
    this.structure = read;
    this.#structureSeq = seq;
    if (seq < this.#activeSeq) return;
    this.#activeSeq = seq;
    this.activeTargets = read.targetCount === 32 ? -1 : (1 << read.targetCount) - 1;
  }

  /** Takes a packet without dependency descriptor; `vp9` was parsed if it is a VP9 one. */
  readPlain(vp9: Vp9Descriptor | undefined, seq: number): SvcKind {
    if (this.structure !== undefined) {
      if (vp9 === undefined || !vp9.keyFrameStart) return this.#unknown();
      // The publisher stopped describing.
      this.restart();
    }
    if (vp9 === undefined) return SVC.none;
    if (vp9.keyFrameStart && vp9.spatialLayers > 0 && seq >= this.#vp9Seq) {
      this.#vp9Seq = seq;
      this.vp9Layers = vp9.spatialLayers;
    }
    return this.vp9Layers > 1 ? SVC.vp9 : SVC.none;
  }

  /** Without spatial layers all frames may pass: each can be decoded with all before it. */
  #unknown(): SvcKind {
    return (this.structure?.maxSpatial ?? 0) > 0 ? SVC.unknown : SVC.none;
  }
}
