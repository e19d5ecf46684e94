/**
 * The VP9 payload descriptor (RFC 9628 §4.2), as far as a forwarder needs it: frame boundaries,
 * layer indices, whether a key frame starts, and how many spatial layers the scalability structure
 * names.
 *
 * @module
 */

/** Fields of one descriptor, reused; meaningless after `parse` returned `false`. */
export class Vp9Descriptor {
  hasPictureId = false;
  pictureId = 0;
  /** P: the frame refers to earlier pictures. */
  interPicturePredicted = false;
  hasLayerIndices = false;
  temporalId = 0;
  spatialId = 0;
  /** U: a receiver may switch up to this temporal layer here. */
  switchingUpPoint = false;
  /** D: the frame refers to the spatial layer below. */
  interLayerDependent = false;
  startOfFrame = false;
  endOfFrame = false;
  /** V: a scalability structure follows. */
  hasScalabilityStructure = false;
  /** Spatial layers by the scalability structure; 0 without one that can be read. */
  spatialLayers = 0;
  /** Of the largest layer the scalability structure sizes, pixels; 0 without. */
  width = 0;
  height = 0;
  /** The first packet of the base layer of a key picture. */
  keyFrameStart = false;

  /** Reads the payload `bytes[offset, offset + length)`; `false` if it is no VP9 payload. */
  parse(bytes: Uint8Array, offset: number, length: number): boolean {
    const end = offset + length;
    if (length < 1 || end > bytes.length) return false;
    const flags = bytes[offset]!;
    let at = offset + 1;
    this.hasPictureId = (flags & 0x80) !== 0;
    this.interPicturePredicted = (flags & 0x40) !== 0;
    this.hasLayerIndices = (flags & 0x20) !== 0;
    this.startOfFrame = (flags & 0x08) !== 0;
    this.endOfFrame = (flags & 0x04) !== 0;
    this.hasScalabilityStructure = (flags & 0x02) !== 0;
    this.pictureId =
      this.temporalId =
      this.spatialId =
      this.spatialLayers =
      this.width =
      this.height =
        0;
    this.switchingUpPoint = this.interLayerDependent = false;
    if (this.hasPictureId) {
      if (at >= end) return false;
      const first = bytes[at++]!;
      this.pictureId = first & 0x7f;
      if ((first & 0x80) !== 0) {
        if (at >= end) return false;
        this.pictureId = (this.pictureId << 8) | bytes[at++]!;
      }
    }
    if (this.hasLayerIndices) {
      if (at >= end) return false;
      const layers = bytes[at++]!;
      this.temporalId = layers >> 5;
      this.switchingUpPoint = (layers & 0x10) !== 0;
      this.spatialId = (layers >> 1) & 0x07;
      this.interLayerDependent = (layers & 0x01) !== 0;
      // TL0PICIDX, in non-flexible mode only.
      if ((flags & 0x10) === 0) at++;
    }
    if (this.hasScalabilityStructure) this.#readSpatialLayers(bytes, flags, at, end);
    this.keyFrameStart = this.startOfFrame && !this.interPicturePredicted && this.spatialId === 0 &&
      !this.interLayerDependent;
    return true;
  }

  /** `at` is behind the layer indices; up to three reference indices may be in between. */
  #readSpatialLayers(bytes: Uint8Array, flags: number, at: number, end: number): void {
    const isFlexible = (flags & 0x10) !== 0;
    for (let i = 0; isFlexible && this.interPicturePredicted && i < 3; i++) {
      if (at >= end) return;
      if ((bytes[at++]! & 0x01) === 0) break;
    }
    if (at >= end) return;
    this.spatialLayers = (bytes[at]! >> 5) + 1;
    const last = at + 1 + 4 * (this.spatialLayers - 1);
    if ((bytes[at]! & 0x10) === 0 || last + 4 > end) return;
    this.width = (bytes[last]! << 8) | bytes[last + 1]!;
    this.height = (bytes[last + 2]! << 8) | bytes[last + 3]!;
  }
}
