/**
 * Files that nobody ended, because the process was killed: they play, but have no length and no
 * index to go anywhere by. Both are made of what is there.
 *
 * @module
 */

/** A file to be read. */
export interface FileReader {
  /** Up to so many bytes; fewer at its end. */
  read(at: number, length: number): Promise<Uint8Array>;
}

/** What makes a file whole. */
export interface FileMending {
  /** In place of its first bytes, of which there are as many. */
  readonly head: Uint8Array<ArrayBuffer>;
  /** Where its last whole piece ends: what is behind is of no use. */
  readonly end: number;
  /** Goes there. */
  readonly tail: Uint8Array<ArrayBuffer>;
  readonly durationMs: number;
}
