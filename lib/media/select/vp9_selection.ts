/**
 * Which packets of a VP9 stream with spatial layers one subscriber gets, by the payload descriptor
 * (RFC 9628 §4.2), where the publisher sends no dependency descriptors.
 *
 * Contract: spatial layers are added only where one starts without reference to earlier pictures,
 * temporal ones one by one at switching points; both are removed between pictures. Late packets are
 * judged by what held when their number was passed.
 *
 * Pure; fixed memory; nothing allocates.
 *
 * @module
 */
import type { Vp9Descriptor } from "../../wire/vp9_descriptor.ts";

/** Source numbers remembered, a power of two. */
const WINDOW = 512;
const MASK = WINDOW - 1;

/**
 * One subscriber's choice of packets. Layers are added only where they can be decoded, and removed
 * between pictures. Fixed memory; nothing allocates.
 */
export class Vp9Selection {
  /** The highest spatial layer being sent. */
  spatial = 0;
  /** The wanted layer is there, but can't be added before a key picture. */
  needsKeyFrame = false;
  /** After `decide`: whether the marker is to be set, the packet being the last of its picture. */
  marker = false;
  #temporal = 0;
  #timestamp = -1;
  #highest = -1;
  /** Highest spatial layer of the picture being received, and of the one before. */
  #top = 0;
  #topBefore = 0;
  /** Layers in force when a number was passed, `spatial << 4 | temporal`. */
  readonly #inForce = new Uint8Array(WINDOW);

  /** Forgets the stream: the next packet starts it, with the base layer. */
  restart(): void {
    this.spatial =
      this.#temporal =
      this.#top =
      this.#topBefore =
        0;
    this.#timestamp = this.#highest = -1;
    this.needsKeyFrame = false;
  }

  /** Decides about the packet with extended source number `seq`; whether it is sent. */
  decide(
    d: Vp9Descriptor,
    seq: number,
    timestamp: number,
    maxSpatial: number,
    maxTemporal: number,
  ): boolean {
    if (seq > this.#highest) {
      const first = this.#highest < 0 ? seq : Math.max(this.#highest + 1, seq - WINDOW + 1);
      this.#highest = seq;
      let skipped = (this.spatial << 4) | this.#temporal;
      if (timestamp !== this.#timestamp) this.#beginPicture(timestamp, maxSpatial, maxTemporal);
      const climbed = this.#climb(d, maxSpatial, maxTemporal);
      const now = (this.spatial << 4) | this.#temporal;
      // What is missing before a new layer's packet may be the start of that layer.
      if (climbed) skipped = now;
      for (let s = first; s < seq; s++) this.#inForce[s & MASK] = skipped;
      this.#inForce[seq & MASK] = now;
    }
    const inForce = this.#inForce[seq & MASK]!;
    const spatial = inForce >> 4;
    if (d.spatialId > spatial || d.temporalId > (inForce & 15)) return false;
    // In a picture that starts layers anew a wanted higher one may still follow.
    this.marker = d.endOfFrame && d.spatialId === spatial &&
      (d.interPicturePredicted || maxSpatial <= spatial);
    return true;
  }

  #beginPicture(timestamp: number, maxSpatial: number, maxTemporal: number): void {
    this.#timestamp = timestamp;
    this.#topBefore = this.#top;
    this.#top = 0;
    if (this.spatial > maxSpatial) this.spatial = maxSpatial;
    if (this.#temporal > maxTemporal) this.#temporal = maxTemporal;
    this.needsKeyFrame = Math.min(maxSpatial, this.#topBefore) > this.spatial;
  }

  /** Adds the layers that may be added here; whether a spatial one was. */
  #climb(d: Vp9Descriptor, maxSpatial: number, maxTemporal: number): boolean {
    if (d.spatialId > this.#top) this.#top = d.spatialId;
    if (d.keyFrameStart) this.#temporal = maxTemporal;
    else if (
      // One at a time: encoders call a picture a switching point that needs the layer below its
      // own, and not only the lowest.
      d.startOfFrame && d.switchingUpPoint && d.temporalId === this.#temporal + 1 &&
      d.temporalId <= maxTemporal && d.spatialId === 0
    ) {
      this.#temporal = d.temporalId;
    }
    const climbs = !d.interPicturePredicted && d.spatialId > this.spatial &&
      d.spatialId <= maxSpatial;
    if (climbs) {
      this.spatial = d.spatialId;
      this.needsKeyFrame = false;
    }
    return climbs;
  }
}
