/**
 * Where recordings are kept, as whoever makes them sees it. Nothing here is waited for but the end
 * of a file; what goes wrong on the way is told once, and what was kept until then stays.
 *
 * @module
 */
import type { FileSink } from "./recording_file.ts";

/** A file that is being written. */
export interface StoredFile extends FileSink {
  /** Its path below the folder, which no other file has; as asked for before it is there. */
  readonly name: string;
  /** Where it can be found, for people and programs. */
  readonly location: string;
  /** Writes what is left, or what can be. @returns Its size, bytes; never rejects. */
  close(): Promise<number>;
}

/** A place for files. */
export interface RecordingStorage {
  /** Where pages are kept by which recordings of rooms are found again; absent: no such are. */
  readonly indexFolder?: string | undefined;
  /**
   * Begins a file; one of that name is never touched, the new one gets a number.
   *
   * @param path Below the folder, as of `recordingPath`, with its ending.
   * @param failed Called at most once, in words for people; the file takes nothing after that.
   * @param opened The file is there. Not called before this returns.
   */
  open(path: string, failed: (why: string) => void, opened?: () => void): StoredFile;
  /** A recording has ended: what is too old, or too much, may go. */
  tidy(): void;
  /** The server ends: what is not kept in a moment is kept for when it begins again. */
  hurry?(): void;
  /** Resolves when nothing is being written. */
  close(): Promise<void>;
}
