/**
 * One frame as it goes into a file, and what makes frames of a track's packets.
 *
 * @module
 */

/** What can be recorded, by the name that files have for it. */
export type RecordedCodec = "opus" | "vp8" | "vp9" | "av1" | "h264";

/** Its size is only known of key frames. */
export interface EncodedFrame {
  readonly data: Uint8Array<ArrayBuffer>;
  /** RTP timestamp, 32 bits. */
  readonly timestamp: number;
  /** A decoder can begin here; always so for audio. */
  readonly isKey: boolean;
  /** Pixels; 0 for audio, and between key frames. */
  readonly width: number;
  readonly height: number;
  /** What a decoder has to know before (avcC, av1C); absent if nothing, or nothing new. */
  readonly decoderConfig?: Uint8Array<ArrayBuffer>;
}

/**
 * Makes frames of one track's payloads, which come in order. Whoever feeds it says where some are
 * missing; a frame that is not whole is never given out.
 */
export interface FrameAssembly {
  /**
   * Takes the next payload, `bytes[offset, offset + length)`, which is only read during the call.
   *
   * @param marker The RTP marker bit.
   * @returns A frame that is complete now.
   */
  push(
    bytes: Uint8Array,
    offset: number,
    length: number,
    timestamp: number,
    marker: boolean,
  ): EncodedFrame | undefined;
  /** Packets are missing before the next: what is begun cannot be completed. */
  gap(): void;
}

/** No sender packs more units together; each costs as much as a packet does otherwise. */
export const MAX_UNITS_IN_PACKET = 32;

/** No frame of a call is larger; what pretends to be is dropped. */
export const MAX_FRAME_BYTES = 4 * 1024 * 1024;
