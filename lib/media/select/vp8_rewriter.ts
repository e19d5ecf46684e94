/**
 * Keeps a subscriber's VP8 picture ids, TL0PICIDX and KEYIDX continuous over switches of source and
 * frames left out, and decides which frames of higher temporal layers are left out (RFC 7741 §4.2).
 *
 * Invariant: all packets of one picture share one fate and one outgoing id, whatever order they
 * come in. A picture first seen late is sent, because its id is already kept free. Nothing
 * allocates.
 *
 * @module
 */
import type { Vp8Descriptor } from "../../wire/vp8_descriptor.ts";

/** Pictures remembered, a power of two: 4 s at 30 frames/s. */
const WINDOW = 128;
const MASK = WINDOW - 1;
/** Outgoing ids start above one cycle, so that none is negative. */
const FIRST_CYCLE = 0x8000;

/**
 * One subscriber's picture ids. All packets of a picture share one fate and id; the three `…Out`
 * fields hold the result of the last `decide`, until the next.
 */
export class Vp8Rewriter {
  pictureIdOut = 0;
  tl0PicIdxOut = 0;
  keyIdxOut = 0;
  /** Outgoing id by extended source id; -1 for a picture that was left out. */
  readonly #out = new Int32Array(WINDOW);
  #started = false;
  #first = 0;
  #highest = 0;
  #offset = 0;
  #lastOut = 0;
  #tl0Offset = 0;
  #lastTl0 = 0;
  #keyIdxOffset = 0;
  #lastKeyIdx = 0;
  #temporal = 0;

  /** Makes the key frame that `d` starts the first picture of a new source. */
  switchTo(d: Vp8Descriptor, maxTemporal: number): void {
    const source = FIRST_CYCLE + d.pictureId;
    this.#offset = this.#started ? source - (this.#lastOut + 1) : 0;
    this.#tl0Offset = this.#started ? d.tl0PicIdx - (this.#lastTl0 + 1) : 0;
    this.#keyIdxOffset = this.#started ? d.keyIdx - (this.#lastKeyIdx + 1) : 0;
    this.#started = true;
    this.#first = source;
    this.#highest = source - 1;
    this.#temporal = maxTemporal;
  }

  /**
   * Decides about one packet and sets the numbers to write if it is sent.
   *
   * @param late Whether newer packets were forwarded before.
   * @returns `false` if the packet is to be left out.
   */
  decide(d: Vp8Descriptor, late: boolean, maxTemporal: number): boolean {
    if (!d.hasPictureId) return this.#decideWithoutId(d, maxTemporal);
    let picture = this.#extend(d);
    if (!late && d.keyFrameStart && Math.abs(picture - this.#highest) > WINDOW) {
      // The encoder started counting anew; a key frame needs nothing before it.
      this.switchTo(d, maxTemporal);
      picture = this.#first;
    }
    if (picture > this.#highest) this.#begin(picture, d, maxTemporal);
    else if (picture < this.#first || picture <= this.#highest - WINDOW) return false;
    const out = this.#out[picture & MASK]!;
    if (out === -1) return false;
    this.#setOut(out, d, late);
    return true;
  }

  /** A picture newer than all before: the ids between are kept free, its own fate is sealed. */
  #begin(picture: number, d: Vp8Descriptor, maxTemporal: number): void {
    for (let p = Math.max(this.#highest + 1, picture - WINDOW + 1); p < picture; p++) {
      this.#out[p & MASK] = p - this.#offset;
    }
    this.#highest = picture;
    this.#adjustTemporal(d, maxTemporal);
    if (d.hasTemporalId && d.temporalId > this.#temporal) {
      this.#out[picture & MASK] = -1;
      this.#offset++;
    } else {
      this.#out[picture & MASK] = picture - this.#offset;
    }
  }

  #decideWithoutId(d: Vp8Descriptor, maxTemporal: number): boolean {
    this.#adjustTemporal(d, maxTemporal);
    if (d.hasTemporalId && d.temporalId > this.#temporal) return false;
    this.#setOut(0, d, true);
    return true;
  }

  /** Down at once; up at a key frame, or one layer at a frame that needs the base layer only. */
  #adjustTemporal(d: Vp8Descriptor, maxTemporal: number): void {
    if (maxTemporal <= this.#temporal || d.keyFrameStart) this.#temporal = maxTemporal;
    else if (d.layerSync && d.startOfPartition && d.temporalId === this.#temporal + 1) {
      this.#temporal = d.temporalId;
    }
  }

  #setOut(out: number, d: Vp8Descriptor, late: boolean): void {
    this.pictureIdOut = out & 0x7fff;
    this.tl0PicIdxOut = (d.tl0PicIdx - this.#tl0Offset) & 0xff;
    this.keyIdxOut = (d.keyIdx - this.#keyIdxOffset) & 0x1f;
    if (out > this.#lastOut) this.#lastOut = out;
    if (late) return;
    this.#lastTl0 = this.tl0PicIdxOut;
    this.#lastKeyIdx = this.keyIdxOut;
  }

  /** The source id nearest to the highest one, in the width the source uses. */
  #extend(d: Vp8Descriptor): number {
    const range = d.pictureIdBits === 7 ? 0x80 : 0x8000;
    let delta = (d.pictureId - this.#highest) & (range - 1);
    if (delta >= range / 2) delta -= range;
    return this.#highest + delta;
  }
}
