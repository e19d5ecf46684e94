/**
 * How records travel between two engines of different nodes: datagrams of frames.
 *
 * A datagram is a header, which is authenticated, frames, which are sealed, and a tag. The first
 * byte is one that RFC 7983 leaves free (80 to 95), so the datagrams share the socket of the
 * engine's media. All frames are words of 32 bits, the lower byte first, as they stand in memory.
 *
 * | byte | of a sealed datagram | of a hello |
 * | --- | --- | --- |
 * | 0 | 80 | 81 |
 * | 1 | epoch of the keys, lower 8 bits | flags |
 * | 2–7 | number, 48 bits | 0 |
 * | 8–11 | association, as the receiver has named it | the same |
 * | 12–15 | when it was sent, ms, lower 32 bits | 0 |
 *
 * @module
 */

/** First bytes. A change of the format takes the next two. */
export const HOP_SEALED = 80;
export const HOP_HELLO = 81;
export const HOP_HEADER_BYTES = 16;
export const HOP_TAG_BYTES = 16;
/** Longest datagram. */
const HOP_MTU = 1400;
/** Words of frames in one datagram. */
export const CONTENT_WORDS = (HOP_MTU - HOP_HEADER_BYTES - HOP_TAG_BYTES) >> 2;

/** Kinds of records are 1 to this. */
const MAX_KIND = 127;

/** Kinds of frames. */
export const FRAME = {
  /** Number, number of the control stream it waits for, and (a part of) a record. */
  media: 1,
  /** Number, and a part of a record, in a stream that loses nothing. */
  stream: 2,
  /** What came, what is missing (`hop_feedback.ts`). */
  feedback: 3,
  /** Asks for feedback; the next number of media. */
  probe: 4,
  /** Nothing: the datagram is to show what the way carries. */
  padding: 5,
} as const;
/** Words before a frame's payload, its first word included. */
export const MEDIA_HEAD_WORDS = 3;
export const STREAM_HEAD_WORDS = 2;
export const PROBE_WORDS = 2;

/** Flags of a frame: its payload is the first and the last part of a record. */
export const FIRST_PART = 1 << 4;
export const LAST_PART = 1 << 5;
export const WHOLE = FIRST_PART | LAST_PART;
/** A frame of media that is sent again. */
export const REPAIR = 1 << 6;
/** The stream is that of data, not of control. */
export const OF_DATA = 1 << 7;

/**
 * A frame's first word.
 *
 * @param length Words of the frame, this one included.
 * @param kind The record's, 0 to 127.
 */
export function frameWord(type: number, flags: number, length: number, kind = 0): number {
  return type | flags | (length << 8) | (kind << 24);
}

/** One of {@linkcode FRAME}. */
export function frameType(word: number): number {
  return word & 0xf;
}

/** Words of the frame, the first one included. */
export function frameLength(word: number): number {
  return (word >>> 8) & 0xffff;
}

/** 0 if it is none: a part but the first has none of its own. */
export function recordKind(word: number): number {
  return (word >>> 24) & MAX_KIND;
}

/** The association that a datagram is of, 32 bits; -1 if it is too short to say. */
export function hopAssociation(bytes: Uint8Array, length: number): number {
  return length < HOP_HEADER_BYTES ? -1 : readWord(bytes, 8);
}

/** 32 bits in network order. */
export function readWord(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>>
    0;
}

export function writeWord(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word >>> 24;
  bytes[at + 1] = word >>> 16;
  bytes[at + 2] = word >>> 8;
  bytes[at + 3] = word;
}

/** The number nearest to `near` whose lower 32 bits are `low`; negative if it would be. */
export function extendWord(low: number, near: number): number {
  return near + ((low - near) | 0);
}
