/**
 * The dependency descriptor header extension (RTP payload format for AV1, appendix A.8).
 *
 * Contract: `parse` reads what every descriptor says of itself; `readStructure` and `readFrame`
 * read what lies behind it, the latter with the structure of the last key frame. Nothing allocates.
 *
 * @module
 */
import { BitReader } from "./bit_reader.ts";
import {
  type DependencyStructure,
  MAX_CHAINS,
  MAX_DECODE_TARGETS,
  MAX_FRAME_DIFFS,
} from "./dependency_structure.ts";

/** Bytes of the mandatory fields; the flags follow if the extension is longer. */
export const MANDATORY_BYTES = 3;
const FLAG_BITS = 5;

/** Fields of one descriptor, reused; meaningless after `parse` returned `false`. */
export class DependencyDescriptor {
  startOfFrame = false;
  endOfFrame = false;
  templateId = 0;
  /** 16 bits, as on the wire. */
  frameNumber = 0;
  /** Only on the first packet of a key frame. */
  hasTemplateStructure = false;
  hasActiveDecodeTargets = false;
  /** The following are set by `readFrame`. */
  spatialId = 0;
  temporalId = 0;
  targetCount = 0;
  chainCount = 0;
  frameDiffCount = 0;
  readonly dtis = new Uint8Array(MAX_DECODE_TARGETS);
  /** How many frames back the frames it refers to are. */
  readonly frameDiffs = new Uint16Array(MAX_FRAME_DIFFS);
  /** How many frames back each chain's last frame is; 0 if the chain starts anew. */
  readonly chainDiffs = new Uint8Array(MAX_CHAINS);
  /** Bit `1 << target` per decode target that is being sent; if `hasActiveDecodeTargets`. */
  activeTargets = 0;
  #hasCustomDtis = false;
  #hasCustomDiffs = false;
  #hasCustomChains = false;
  readonly #reader = new BitReader();

  /** Reads the extension element `bytes[offset, offset + length)`; `false` if it is cut short. */
  parse(bytes: Uint8Array, offset: number, length: number): boolean {
    if (length < MANDATORY_BYTES || offset + length > bytes.length) return false;
    const first = bytes[offset]!;
    this.startOfFrame = (first & 0x80) !== 0;
    this.endOfFrame = (first & 0x40) !== 0;
    this.templateId = first & 0x3f;
    this.frameNumber = (bytes[offset + 1]! << 8) | bytes[offset + 2]!;
    const flags = length > MANDATORY_BYTES ? bytes[offset + MANDATORY_BYTES]! : 0;
    this.hasTemplateStructure = (flags & 0x80) !== 0;
    this.hasActiveDecodeTargets = (flags & 0x40) !== 0;
    this.#hasCustomDtis = (flags & 0x20) !== 0;
    this.#hasCustomDiffs = (flags & 0x10) !== 0;
    this.#hasCustomChains = (flags & 0x08) !== 0;
    this.#reader.begin(bytes, offset, length);
    this.#reader.skip(MANDATORY_BYTES * 8);
    if (length > MANDATORY_BYTES) this.#reader.skip(FLAG_BITS);
    return true;
  }

  /** Reads the structure, which must be there, into `out`; call between `parse` and `readFrame`. */
  readStructure(out: DependencyStructure): boolean {
    return this.hasTemplateStructure && out.read(this.#reader);
  }

  /**
   * Reads the frame's layers, indications and references. A structure in the descriptor must have
   * been read by `readStructure`; `structure` is that one, or the last before.
   *
   * @returns `false` if the descriptor is cut short or refers to another structure.
   */
  readFrame(structure: DependencyStructure): boolean {
    const template = structure.templateOf(this.templateId);
    if (template < 0) return false;
    const reader = this.#reader;
    const { targetCount, chainCount } = structure;
    this.spatialId = structure.spatialId[template]!;
    this.temporalId = structure.temporalId[template]!;
    this.targetCount = targetCount;
    this.chainCount = chainCount;
    if (this.hasActiveDecodeTargets) {
      // In two halves: a mask of 32 bits.
      const high = reader.read(targetCount >> 1);
      this.activeTargets = (high << (targetCount - (targetCount >> 1))) |
        reader.read(targetCount - (targetCount >> 1));
    }
    for (let i = 0; i < targetCount; i++) {
      this.dtis[i] = this.#hasCustomDtis
        ? reader.read(2)
        : structure.dtis[template * MAX_DECODE_TARGETS + i]!;
    }
    if (!this.#readFrameDiffs(structure, template)) return false;
    for (let i = 0; i < chainCount; i++) {
      this.chainDiffs[i] = this.#hasCustomChains
        ? reader.read(8)
        : structure.chainDiffs[template * MAX_CHAINS + i]!;
    }
    return !reader.overrun;
  }

  #readFrameDiffs(structure: DependencyStructure, template: number): boolean {
    if (!this.#hasCustomDiffs) {
      const count = this.frameDiffCount = structure.frameDiffCount[template]!;
      for (let i = 0; i < count; i++) {
        this.frameDiffs[i] = structure.frameDiffs[template * MAX_FRAME_DIFFS + i]!;
      }
      return true;
    }
    const reader = this.#reader;
    let count = 0;
    for (let size = reader.read(2); size > 0; size = reader.read(2)) {
      if (count === MAX_FRAME_DIFFS) return false;
      this.frameDiffs[count++] = reader.read(4 * size) + 1;
    }
    this.frameDiffCount = count;
    return true;
  }

  /** Whether a receiver can start decoding at this packet. */
  get keyFrameStart(): boolean {
    return this.startOfFrame && this.hasTemplateStructure;
  }
}

/**
 * Whether {@linkcode writeActiveTargets} can say something in the descriptor at `bytes[offset…]`.
 */
export function takesActiveTargets(bytes: Uint8Array, offset: number, length: number): boolean {
  return length >= MANDATORY_BYTES &&
    (length === MANDATORY_BYTES || (bytes[offset + MANDATORY_BYTES]! & 0x80) === 0);
}

/** Adds to the frame's number, 16 bits, in the descriptor at `bytes[at…]`. */
export function addToFrameNumber(bytes: Uint8Array, at: number, offset: number): void {
  const frame = (bytes[at + 1]! << 8 | bytes[at + 2]!) + offset;
  bytes[at + 1] = frame >> 8 & 0xff;
  bytes[at + 2] = frame & 0xff;
}

/** Bytes that {@linkcode writeActiveTargets} will write. */
export function activeTargetsLength(
  bytes: Uint8Array,
  offset: number,
  length: number,
  targetCount: number,
): number {
  if (length === MANDATORY_BYTES) return MANDATORY_BYTES + ((FLAG_BITS + targetCount + 7) >> 3);
  const replaces = (bytes[offset + MANDATORY_BYTES]! & 0x40) !== 0;
  return replaces ? length : length + ((targetCount + 7) >> 3);
}

/**
 * Copies a descriptor without a structure ({@linkcode takesActiveTargets}) to `out[at…]` and makes
 * it say that only the decode targets in `mask` are sent.
 *
 * @param mask Bit `1 << target` per decode target.
 * @param targetCount Decode targets of the structure it refers to.
 * @returns Bytes written, {@linkcode activeTargetsLength}.
 */
export function writeActiveTargets(
  out: Uint8Array,
  at: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  mask: number,
  targetCount: number,
): number {
  const written = activeTargetsLength(bytes, offset, length, targetCount);
  out.fill(0, at, at + written);
  const flagged = length > MANDATORY_BYTES;
  const head = MANDATORY_BYTES * 8 + (flagged ? FLAG_BITS : 0);
  copyBits(out, at * 8, bytes, offset * 8, head);
  const replaces = flagged && (bytes[offset + MANDATORY_BYTES]! & 0x40) !== 0;
  out[at + MANDATORY_BYTES]! |= 0x40;
  const maskAt = at * 8 + MANDATORY_BYTES * 8 + FLAG_BITS;
  for (let i = 0; i < targetCount; i++) {
    const bit = (mask >>> (targetCount - 1 - i)) & 1;
    out[(maskAt + i) >> 3]! |= bit << (7 - ((maskAt + i) & 7));
  }
  if (flagged) {
    const from = offset * 8 + head + (replaces ? targetCount : 0);
    // A descriptor too short for its own mask has nothing behind it.
    const rest = Math.max(0, (offset + length) * 8 - from);
    copyBits(out, maskAt + targetCount, bytes, from, rest);
  }
  return written;
}

/** Copies bits to zeroed ones; positions are in bits. */
function copyBits(out: Uint8Array, at: number, bytes: Uint8Array, from: number, count: number) {
  for (let i = 0; i < count; i++) {
    const bit = (bytes[(from + i) >> 3]! >> (7 - ((from + i) & 7))) & 1;
    out[(at + i) >> 3]! |= bit << (7 - ((at + i) & 7));
  }
}
