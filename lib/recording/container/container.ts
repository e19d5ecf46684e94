/**
 * What a file of frames is, whatever its format: a head of fixed length that may be written anew,
 * and behind it pieces that are each whole, so that a file is good up to its last piece whenever
 * writing ends.
 *
 * @module
 */
import type { EncodedFrame, RecordedCodec } from "../frames/encoded_frame.ts";

/** Formats by the ending of their files. */
export type ContainerFormat = "webm" | "mkv" | "mp4" | "ogg";

/** What is one file's: sound and pictures of somebody, and as much again. */
export const MOST_TRACKS = 4;

/** A track of a file. */
export interface ContainerTrack {
  /** From 1 on, in the order in which they were added. */
  readonly number: number;
  readonly codec: RecordedCodec;
  /** Pixels; 0 for audio. */
  readonly width: number;
  readonly height: number;
  /** avcC or av1C; absent where a codec has none. */
  readonly decoderConfig?: Uint8Array<ArrayBuffer>;
}

/** A frame with its time in the file, ms from its beginning. */
export interface TimedFrame {
  readonly track: number;
  readonly timeMs: number;
  readonly frame: EncodedFrame;
}

/** Writes one format. Pure: what it makes are bytes. */
export interface Container {
  /** The head of a file with these tracks; it is as long whatever they are. */
  head(tracks: readonly ContainerTrack[], facts: FileFacts): Uint8Array<ArrayBuffer>;
  /** Takes a frame; frames of one track come in the order of their times. */
  add(frame: TimedFrame): void;
  /** Nothing will come that is before this time, ms: for formats that have to fill gaps. */
  pass?(timeMs: number): void;
  /** Everything that can be written now, whole; `undefined` if nothing. */
  flush(): Uint8Array<ArrayBuffer> | undefined;
  /**
   * Everything that was added, whole, because a track's next frame, at this time, ms, needs another
   * head; absent where heads do not matter to what follows them.
   */
  cut?(timeMs: number): Uint8Array<ArrayBuffer> | undefined;
  /** The rest, and what stands at the end of a file. */
  end(): Uint8Array<ArrayBuffer> | undefined;
  /** Where `end` has put an index, bytes behind the head; absent or 0 if there is none. */
  readonly indexAt?: number;
}

/** What is known of a whole file once it is complete. */
export interface FileFacts {
  /** 0 while it grows. */
  readonly durationMs: number;
  /** Of everything behind the head, bytes; 0 while it grows. */
  readonly bodyBytes: number;
  /** Where the index stands, bytes behind the head; 0 if there is none. */
  readonly indexAt: number;
}

export const GROWING: FileFacts = { durationMs: 0, bodyBytes: 0, indexAt: 0 };
