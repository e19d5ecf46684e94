/**
 * RTMP's chunk stream (Adobe's "Real-Time Messaging Protocol", 1.0, §5.3): messages cut into chunks
 * that take turns.
 *
 * Total and bounded: memory grows with what has come, never with what is announced, and a stream
 * that breaks the rules has a fault, after which nothing more is read of it.
 *
 * @module
 */
import { readUint16, readUint24, readUint32, writeUint16, writeUint32 } from "./big_endian.ts";

/** Types of messages that are used (§5.4, §7.1). */
export const RTMP_TYPE = {
  setChunkSize: 1,
  abort: 2,
  acknowledgement: 3,
  userControl: 4,
  windowSize: 5,
  peerBandwidth: 6,
  audio: 8,
  video: 9,
  data: 18,
  command: 20,
} as const;

/** One message; its payload is its own. */
export interface RtmpMessage {
  readonly type: number;
  readonly streamId: number;
  /** Milliseconds, 32 bits. */
  readonly timestamp: number;
  readonly payload: Uint8Array<ArrayBuffer>;
}

/** Of a picture: a key frame of 4K at a high rate has less. */
const MAX_MEDIA_BYTES = 4 * 1024 * 1024;
/** Of a command or of metadata. */
const MAX_OTHER_BYTES = 64 * 1024;
/** Messages that may be under way at a time; encoders have four. */
const MAX_STREAMS = 16;
/** Of all messages that are under way. */
const MAX_HELD_BYTES = 8 * 1024 * 1024;
const FIRST_CHUNK_BYTES = 128;
/** Until more has come. */
const FIRST_ROOM_BYTES = 4096;
const EXTENDED = 0xffffff;
/** Basic header, message header and extended timestamp. */
const MAX_HEADER_BYTES = 3 + 11 + 4;
const HEADER_BYTES = [11, 7, 3, 0] as const;

/** What chunks of one number have in common. */
interface ChunkStream {
  timestamp: number;
  delta: number;
  length: number;
  type: number;
  streamId: number;
  isExtended: boolean;
  /** What has come of a message. */
  room: Uint8Array<ArrayBuffer>;
  filled: number;
}

/** Reads one peer's chunks. After a fault nothing more is read. */
export class RtmpChunkReader {
  /** In words, what was wrong. */
  fault: string | undefined;
  readonly #streams = new Map<number, ChunkStream>();
  #chunkBytes = FIRST_CHUNK_BYTES;
  #held = 0;
  /** A header that is not whole yet. */
  readonly #header = new Uint8Array(MAX_HEADER_BYTES);
  #headerLength = 0;
  /** The chunk being read, and what is left of it. */
  #current: ChunkStream | undefined;
  #left = 0;

  /** Takes bytes as they come, and gives each message that is whole to `deliver`. */
  push(bytes: Uint8Array, deliver: (message: RtmpMessage) => void): void {
    for (let at = 0; at < bytes.length && this.fault === undefined;) {
      if (this.#current === undefined) {
        at = this.#takeHeader(bytes, at);
        continue;
      }
      const count = Math.min(this.#left, bytes.length - at);
      this.#append(this.#current, bytes, at, count);
      at += count;
      this.#left -= count;
      if (this.#left === 0) this.#endChunk(deliver);
    }
  }

  #takeHeader(bytes: Uint8Array, from: number): number {
    let at = from;
    for (;;) {
      const needed = this.#neededHeader();
      if (this.#headerLength >= needed) break;
      if (at >= bytes.length) return at;
      this.#header[this.#headerLength++] = bytes[at++]!;
    }
    this.#beginChunk();
    return at;
  }

  /** Bytes of the header, as far as can be told by now. */
  #neededHeader(): number {
    if (this.#headerLength === 0) return 1;
    const first = this.#header[0]!;
    const format = first >> 6;
    const basic = basicLength(first);
    const plain = basic + HEADER_BYTES[format]!;
    if (this.#headerLength < plain) return plain;
    if (format === 3) {
      return plain + (this.#streams.get(this.#chunkStreamId())?.isExtended ? 4 : 0);
    }
    return plain + (readUint24(this.#header, basic) === EXTENDED ? 4 : 0);
  }

  #chunkStreamId(): number {
    const id = this.#header[0]! & 0x3f;
    if (id > 1) return id;
    const low = this.#header[1]! + 64;
    return id === 0 ? low : low + this.#header[2]! * 256;
  }

  #beginChunk(): void {
    const header = this.#header;
    const format = header[0]! >> 6;
    const at = basicLength(header[0]!);
    const id = this.#chunkStreamId();
    const headerLength = this.#headerLength;
    this.#headerLength = 0;
    let stream = this.#streams.get(id);
    if (stream === undefined) {
      if (format !== 0 && format !== 1) return this.#fail("a chunk continues nothing");
      if (this.#streams.size >= MAX_STREAMS) return this.#fail("too many chunk streams");
      stream = newStream();
      this.#streams.set(id, stream);
    }
    const isContinued = stream.filled > 0;
    if (isContinued && format !== 3) return this.#fail("a message begins within another");
    if (format < 3) {
      const field = readUint24(header, at);
      stream.isExtended = field === EXTENDED;
      const time = stream.isExtended ? readUint32(header, headerLength - 4) : field;
      stream.delta = format === 0 ? 0 : time;
      stream.timestamp = format === 0 ? time : (stream.timestamp + time) >>> 0;
      if (format < 2) {
        stream.length = readUint24(header, at + 3);
        stream.type = header[at + 6]!;
      }
      if (format === 0) stream.streamId = readLittleEndian(header, at + 7);
    } else if (!isContinued) stream.timestamp = (stream.timestamp + stream.delta) >>> 0;
    if (stream.length > maxBytes(stream.type)) return this.#fail("a message is too long");
    this.#current = stream;
    this.#left = Math.min(this.#chunkBytes, stream.length - stream.filled);
    if (stream.length === 0) this.#left = 0;
  }

  #append(stream: ChunkStream, bytes: Uint8Array, at: number, count: number): void {
    const end = stream.filled + count;
    if (end > stream.room.length) {
      const room = Math.max(FIRST_ROOM_BYTES, Math.min(stream.length, end * 2));
      this.#held += room - stream.room.length;
      if (this.#held > MAX_HELD_BYTES) return this.#fail("too much is under way");
      const larger = new Uint8Array(room);
      larger.set(stream.room.subarray(0, stream.filled));
      stream.room = larger;
    }
    stream.room.set(bytes.subarray(at, at + count), stream.filled);
    stream.filled = end;
  }

  #endChunk(deliver: (message: RtmpMessage) => void): void {
    const stream = this.#current;
    this.#current = undefined;
    if (stream === undefined || stream.filled < stream.length) return;
    const { type, streamId, timestamp, room, length } = stream;
    const payload = room.subarray(0, length);
    this.#release(stream);
    if (type === RTMP_TYPE.setChunkSize) return this.#setChunkSize(payload);
    if (type === RTMP_TYPE.abort) return this.#abort(payload);
    deliver({ type, streamId, timestamp, payload });
  }

  #release(stream: ChunkStream): void {
    this.#held -= stream.room.length;
    stream.room = NOTHING;
    stream.filled = 0;
  }

  #setChunkSize(payload: Uint8Array): void {
    const size = payload.length < 4 ? 0 : readUint32(payload, 0);
    if (size < 1 || size > 0x7fffffff) return this.#fail("a chunk size is none");
    this.#chunkBytes = size;
  }

  #abort(payload: Uint8Array): void {
    const stream = payload.length < 4 ? undefined : this.#streams.get(readUint32(payload, 0));
    if (stream !== undefined) this.#release(stream);
  }

  #fail(reason: string): void {
    this.fault = reason;
    this.#streams.clear();
    this.#current = undefined;
  }
}

const NOTHING = new Uint8Array(0);

function newStream(): ChunkStream {
  return {
    timestamp: 0,
    delta: 0,
    length: 0,
    type: 0,
    streamId: 0,
    isExtended: false,
    room: NOTHING,
    filled: 0,
  };
}

function basicLength(first: number): number {
  const id = first & 0x3f;
  return id === 0 ? 2 : id === 1 ? 3 : 1;
}

function maxBytes(type: number): number {
  return type === RTMP_TYPE.audio || type === RTMP_TYPE.video ? MAX_MEDIA_BYTES : MAX_OTHER_BYTES;
}

function readLittleEndian(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>>
    0;
}

/**
 * Writes a message as chunks.
 *
 * @param chunkStreamId 2 to 63.
 * @param chunkBytes As was told to the peer; 128 before.
 */
export function writeRtmpMessage(
  chunkStreamId: number,
  { type, streamId, timestamp, payload }: RtmpMessage,
  chunkBytes = FIRST_CHUNK_BYTES,
): Uint8Array<ArrayBuffer> {
  const isExtended = timestamp >= EXTENDED;
  const extra = isExtended ? 4 : 0;
  const cuts = Math.max(0, Math.ceil(payload.length / chunkBytes) - 1);
  const out = new Uint8Array(12 + extra + payload.length + cuts * (1 + extra));
  const field = isExtended ? EXTENDED : timestamp;
  out[0] = chunkStreamId;
  out[1] = field >>> 16;
  writeUint16(out, 2, field);
  out[4] = payload.length >>> 16;
  writeUint16(out, 5, payload.length);
  out[7] = type;
  new DataView(out.buffer).setUint32(8, streamId, true);
  let at = 12;
  if (isExtended) writeUint32(out, at, timestamp);
  at += extra;
  for (let from = 0; from < payload.length; from += chunkBytes) {
    if (from > 0) {
      out[at++] = 0xc0 | chunkStreamId;
      if (isExtended) writeUint32(out, at, timestamp);
      at += extra;
    }
    const part = payload.subarray(from, from + chunkBytes);
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** The first two bytes of a user control message (§6.2). */
export function userControlEvent(payload: Uint8Array): number {
  return payload.length < 2 ? -1 : readUint16(payload, 0);
}
