/**
 * Counts frames of video by what their packets show to anybody on the way: SSRC and RTP timestamp.
 * What the machine does to encoders, decoders and looks at statistics changes nothing of it.
 *
 * @module
 */

const RTP_HEADER_BYTES = 12;
const PADDED = 0x20;

/** Frames of all streams that pass. */
export class RelayedFrames {
  readonly #timestamps = new Map<number, Set<number>>();

  /** Of any kind; what is no RTP with a payload is passed over. */
  readonly note = (bytes: Uint8Array): void => {
    const [first = 0, second = 0] = bytes;
    const isRtp = first >> 6 === 2 && (second < 192 || second > 223);
    if (!isRtp || bytes.length <= RTP_HEADER_BYTES || (first & PADDED) !== 0) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const ssrc = view.getUint32(8);
    const known = this.#timestamps.get(ssrc);
    if (known === undefined) this.#timestamps.set(ssrc, new Set([view.getUint32(4)]));
    else known.add(view.getUint32(4));
  };

  /** How many of that stream have passed so far. */
  of(ssrc: number): number {
    return this.#timestamps.get(ssrc)?.size ?? 0;
  }
}
