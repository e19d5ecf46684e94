/**
 * Where the frames of one or more tracks of an egress go.
 *
 * @module
 */
import type { EncodedFrame, RecordedCodec } from "../recording/frames/encoded_frame.ts";
import type { RecordedStream } from "../recording/recorded_stream.ts";
import type { RecordingFile } from "../recording/recording_file.ts";
import type { StoredFile } from "../recording/recording_storage.ts";

/** One file of an output. */
export interface OutputPart {
  readonly file: RecordingFile;
  /** Absent before anything is written. */
  readonly stored: StoredFile | undefined;
  /** The file is there. */
  readonly isOpen: boolean;
  /** Codecs of what is in it, by stream. */
  readonly codecs: ReadonlyMap<RecordedStream, RecordedCodec>;
  /** Unix ms of its first frame; 0 before. */
  readonly startedAtMs: number;
}

/** Segments so far; times are Unix ms. */
export interface SegmentsState {
  readonly playlist: StoredFile;
  readonly livePlaylist: StoredFile | undefined;
  /** Those that stand in the playlist. */
  readonly count: number;
  readonly durationMs: number;
  readonly bytes: number;
  readonly startedAtMs: number;
  /** 0 before. */
  readonly endedAtMs: number;
}

/** One output. */
export interface EgressOutput {
  /** Its files, the oldest first; none if it makes segments. */
  readonly parts: readonly OutputPart[];
  /** Absent if it makes files. */
  readonly segments?: SegmentsState | undefined;
  /** How often it needs a key frame, ms; absent: as seldom as can be. */
  readonly keyEveryMs?: number;
  readonly bytes: number;
  add(stream: RecordedStream, frame: EncodedFrame, timeMs: number, codec: RecordedCodec): void;
  tick(now: number): void;
  /** Writes the rest and waits until it is kept. */
  end(): Promise<void>;
}

/** From the first file's beginning to the last one's end, Unix ms and ms. */
export function wholeSpan(
  parts: readonly OutputPart[],
): { readonly startedAtMs: number; readonly durationMs: number } {
  const startedAtMs = Math.min(...parts.map((part) => part.startedAtMs));
  const endMs = Math.max(...parts.map((part) => part.startedAtMs + part.file.durationMs));
  return { startedAtMs, durationMs: Math.max(0, endMs - startedAtMs) };
}
