/**
 * Silence behind audio that is cut off: a mute in the middle of a word would leave its receiver to
 * make up how the word goes on.
 *
 * Pure and bounded.
 *
 * @module
 */
import type { CodecParameters } from "../../base/media_vocabulary.ts";

/** Between two frames, ms, and how many there are: as long as what is made up would be heard. */
const INTERVAL_MS = 20;
const FRAMES = 10;
/** 20 ms of Opus in which nothing is heard (RFC 6716 §3.1: CELT, full band, one frame). */
const OPUS = Uint8Array.of(0xf8, 0xff, 0xfe);

/** The silence of one stream: due only behind what was cut off, and for a bounded time. */
export class SilenceFrames {
  /** Of a frame, once one was due. */
  payload: Uint8Array = OPUS;
  #nextAt = Infinity;
  #left = 0;

  /** The stream is cut off. @returns When the first frame is due. */
  begin(now: number): number {
    this.#left = FRAMES;
    return this.#nextAt = now + INTERVAL_MS;
  }

  /** It goes on, or ends. */
  end(): void {
    this.#left = 0;
    this.#nextAt = Infinity;
  }

  /** When {@linkcode SilenceFrames.isDue} is next to be asked. */
  get nextAt(): number {
    return this.#nextAt;
  }

  /**
   * Whether a frame is due, which counts as sent; where none is known it ends.
   *
   * @param codec What the stream is sent in, of those the subscriber accepted.
   */
  isDue(now: number, codec: CodecParameters, accepted: readonly CodecParameters[]): boolean {
    if (now < this.#nextAt) return false;
    const payload = silencePayload(codec, accepted);
    if (payload === undefined) {
      this.end();
      return false;
    }
    this.payload = payload;
    this.#nextAt = --this.#left > 0 ? this.#nextAt + INTERVAL_MS : Infinity;
    return true;
  }
}

/** A frame of silence as a packet's payload; `undefined` where none is known. */
function silencePayload(
  codec: CodecParameters,
  accepted: readonly CodecParameters[],
): Uint8Array | undefined {
  if (codec.mime === "audio/opus") return OPUS;
  const opus = accepted.find(({ mime }) => mime === "audio/opus");
  // The last block of RFC 2198 §3, which has no more before it than what it is.
  if (codec.mime !== "audio/red" || opus === undefined) return undefined;
  return Uint8Array.of(opus.payloadType & 0x7f, ...OPUS);
}
