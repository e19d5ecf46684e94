/**
 * The mandatory part of the dependency descriptor header extension (RTP payload format for AV1,
 * appendix A.8), and whether it carries a template structure. The structure itself is forwarded as it
 * is and not read.
 *
 * @module
 */

/** Bytes of the mandatory fields; the flags byte follows if the extension is longer. */
const MANDATORY_BYTES = 3;

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
    return true;
  }

  /** Whether a receiver can start decoding at this packet. */
  get keyFrameStart(): boolean {
    return this.startOfFrame && this.hasTemplateStructure;
  }
}
