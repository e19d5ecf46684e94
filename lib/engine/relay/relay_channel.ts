/**
 * What joins two engines that relay tracks to each other: records in, records out, whole. Within a
 * process that is a ring of shared memory each way (`relay_ring.ts`), between nodes a hop of
 * datagrams (`hop_link.ts`).
 *
 * Contract: a record that was committed comes out as it went in and after those before it, or the
 * channel has ended; but what a hop carries of packets may be lost or overtaken by others. What
 * there is no room for is refused, never waited for. Nothing that is read is believed before it is
 * checked.
 *
 * @module
 */
import type { HopBudget } from "./hop_estimate.ts";

/** The part of a channel that one class of data may fill. */
export interface DataShare {
  readonly isLossy: boolean;
  /** Words of that class alone that may wait for the reader. */
  readonly words: number;
  /** Words up to which it may fill a channel that does not tell the classes apart. */
  readonly wordsOfAll: number;
}

/** Where records go. */
export interface RecordWriter {
  /** Packets may be lost on the way, so that the far end may miss any; absent: none is. */
  readonly loses?: boolean;
  /** Words that it holds at most. */
  readonly size: number;
  /** Where payloads are written: between `reserve` and `commit`, from the index that was given. */
  readonly words: Int32Array;
  /**
   * Makes room for a record of `kind` (1 to 127) with `length` words.
   *
   * @param share What records of its class may fill, this one included; absent: everything.
   * @returns Index of the payload in `words`, or -1 if there is no room now.
   */
  reserve(kind: number, length: number, share?: DataShare): number;
  /** Writes bytes of the payload, from index `at` of `words` on. */
  writeBytes(at: number, bytes: Uint8Array): void;
  /** Gives the reader the record that was reserved last. */
  commit(): void;
  /** Lets the reader know; to be called once after a batch of commits. */
  wake(): void;
}

/** Where records come from. */
export interface RecordReader {
  /** Where payloads are, from `at` on, until the next `next` or `release`. */
  readonly words: Int32Array;
  /**
   * The record read last: its kind, where its payload begins in `words`, and its length in words.
   */
  readonly kind: number;
  readonly at: number;
  readonly length: number;
  /** How often what came made no sense. */
  readonly corrupted: number;
  /** Bytes of the payload as text, from index `at` of `words` on. */
  readText(at: number, bytes: number): string;
  /** A copy of bytes of the payload, from index `at` of `words` on. */
  readBytes(at: number, bytes: number): Uint8Array<ArrayBuffer>;
  /** Goes on to the next record; `false` if there is none. */
  next(): boolean;
  /** Gives the room of everything read so far back to the writer. */
  release(): void;
  /**
   * Settles when there may be something to read again; at once, but in a later turn, if there is.
   */
  more(): Promise<unknown>;
  /** Ends a pending {@linkcode RecordReader.more}. */
  interrupt(): void;
}

/** One engine's end of it. */
export interface RelayChannel {
  readonly reader: RecordReader;
  readonly writer: RecordWriter;
  /** What its way carries, which video has to share; absent: everything. */
  readonly estimate?: HopBudget;
}
