/**
 * LiveKit's `DataPacket` as a server needs it: who a packet is for is read out of its bytes, and
 * who it is from is written into them; everything else, known or not, stays byte for byte.
 *
 * Contract: {@linkcode DataPacketReader.read} is total and looks at a bounded number of fields;
 * {@linkcode DataPacketReader.stamp} writes one new buffer of the right size, once, which decodes
 * as the packet with its stamped fields replaced. A field that appears several times counts as
 * protobuf says: of a scalar the last, of messages all together, of a `oneof` the last.
 *
 * Source: `livekit_models.proto` (protocol 1.52.1), and LiveKit's server 1.13.5
 * (`pkg/rtc/participant.go`) for what is stamped.
 *
 * @module
 */
import type { DataKind } from "../base/media_vocabulary.ts";
import { ProtobufFields, varintBytes, WIRE, writeVarint } from "./protobuf_fields.ts";

/** Fields of a packet, those within it included: 64 KiB could hold 32,000 empty ones. */
const MAX_FIELDS = 8192;

/** Longest MIME type that is told of; those that are registered have at most some 80 letters. */
const MAX_MIME_BYTES = 128;

/** Numbers of the fields of a packet. */
const PACKET = { kind: 1, identity: 4, destinations: 5, sequence: 16, sid: 17 } as const;

/** What a packet can hold, by field number. */
export const DATA_VALUE = {
  none: 0,
  user: 2,
  speaker: 3,
  sipDtmf: 6,
  transcription: 7,
  metrics: 8,
  chatMessage: 9,
  rpcRequest: 10,
  rpcAck: 11,
  rpcResponse: 12,
  streamHeader: 13,
  streamChunk: 14,
  streamTrailer: 15,
  encryptedPacket: 18,
} as const;

const VALUES: ReadonlySet<number> = new Set(Object.values(DATA_VALUE));

const USER = {
  sid: 1,
  payload: 2,
  sids: 3,
  topic: 4,
  identity: 5,
  destinations: 6,
  nonce: 11,
} as const;
const HEADER = { topic: 3, mimeType: 4, totalLength: 5, text: 9, bytes: 10 } as const;
const REQUEST_ID = 1;
/** Of headers, chunks and trailers alike. */
const STREAM_ID = 1;
/** `ChatMessage.generated = true`. */
const GENERATED_CHAT = Uint8Array.of(6 << 3, 1);
/** `DataStream.Header.text_header.generated = true`; protobuf merges it with the header's own. */
const GENERATED_TEXT = Uint8Array.of(HEADER.text << 3 | WIRE.delimited, 2, 5 << 3, 1);
const NOTHING = new Uint8Array(0);
const LOSSY = 1;

/** Who a packet is from, as others may know it; both in UTF-8 and empty for the hidden. */
export interface DataStamp {
  readonly sid: Uint8Array;
  readonly identity: Uint8Array;
}

/** What a stream's header says of it. */
export interface DataStreamFigures {
  readonly type: "text" | "bytes" | "unknown";
  readonly mimeType: string;
  /** Bytes; absent if it is not known. */
  readonly totalLength?: number;
}

/** Pieces of the packet, `[from, to)` each; neighbours are one. */
class Spans {
  count = 0;
  /** Bytes of all of them. */
  bytes = 0;
  #at = new Int32Array(16);

  clear(): void {
    this.count = this.bytes = 0;
  }

  /** Adds a piece; one that goes on where the last ended is joined to it. */
  keep(from: number, to: number): void {
    const last = 2 * this.count - 1;
    if (this.count === 0 || this.#at[last] !== from) return this.add(from, to);
    this.#at[last] = to;
    this.bytes += to - from;
  }

  add(from: number, to: number): void {
    if (2 * this.count === this.#at.length) {
      const longer = new Int32Array(2 * this.#at.length);
      longer.set(this.#at);
      this.#at = longer;
    }
    this.#at[2 * this.count] = from;
    this.#at[2 * this.count + 1] = to;
    this.count++;
    this.bytes += to - from;
  }

  from(index: number): number {
    return this.#at[2 * index]!;
  }

  to(index: number): number {
    return this.#at[2 * index + 1]!;
  }
}

/** One packet at a time; what was read is valid until the next `read`. */
export class DataPacketReader {
  /** Which of {@linkcode DATA_VALUE} it holds. */
  value = 0;
  /** 0 without one. */
  sequence = 0;
  #bytes: Uint8Array = NOTHING;
  /** The value's own bytes. */
  #from = 0;
  #to = 0;
  /** Whom the packet says it is from. */
  #identityFrom = 0;
  #identityTo = 0;
  /** Of a user packet; nothing if they are not there. */
  #payloadFrom = 0;
  #payloadTo = 0;
  #nonceFrom = 0;
  #nonceTo = 0;
  readonly #fields = new ProtobufFields();
  readonly #kept = new Spans();
  readonly #destinations = new Spans();
  readonly #userKept = new Spans();
  readonly #userDestinations = new Spans();
  readonly #userSids = new Spans();

  /** Reads what matters; `false` if these bytes are no packet. They are not to change meanwhile. */
  read(bytes: Uint8Array): boolean {
    this.#bytes = bytes;
    const values = this.#readPacket();
    if (values < 0) return false;
    // No client sends several; then they are one, as every decoder would see them.
    if (values > 1) return this.read(this.#withOneValue());
    return this.value !== DATA_VALUE.user || this.#readUser();
  }

  /** Whether it names receivers. */
  get hasDestinations(): boolean {
    return this.#named.count > 0 || this.#userSids.count > 0;
  }

  /** How many identities it names. */
  get destinationCount(): number {
    return this.#named.count;
  }

  /** Identities it is for, in the order it names them. */
  destinationIdentities(): string[] {
    return this.#texts(this.#named);
  }

  /** Sids it is for; the old way. */
  destinationSids(): string[] {
    return this.#texts(this.#userSids);
  }

  /** Whether it claims to be from somebody other than `identity`. */
  claimsAnother(identity: Uint8Array): boolean {
    const claimed = this.#claimed();
    return claimed.length > 0 && !equalBytes(claimed, identity);
  }

  /** The payload of a user packet, as part of what was read; `undefined` of others. */
  payload(): Uint8Array | undefined {
    if (this.value !== DATA_VALUE.user) return undefined;
    return this.#bytes.subarray(this.#payloadFrom, this.#payloadTo);
  }

  /** The nonce of a user packet, empty without one. */
  nonce(): Uint8Array {
    if (this.value !== DATA_VALUE.user) return NOTHING;
    return this.#bytes.subarray(this.#nonceFrom, this.#nonceTo);
  }

  /** Which call an answer answers, `rpcAck` or `rpcResponse`; empty if it does not say. */
  requestId(): string {
    return this.#textField(REQUEST_ID);
  }

  /** Which stream a `streamHeader`, `streamChunk` or `streamTrailer` is of. */
  streamId(): string {
    return this.#textField(STREAM_ID);
  }

  /** The topic of a user packet or a `streamHeader`; empty without one. */
  topic(): string {
    return this.#textField(this.value === DATA_VALUE.user ? USER.topic : HEADER.topic);
  }

  /** What a `streamHeader` says of its stream. */
  stream(): DataStreamFigures {
    const fields = this.#body();
    let type: DataStreamFigures["type"] = "unknown";
    let mimeType = "";
    let totalLength: number | undefined;
    while (fields.next()) {
      if (fields.number === HEADER.text) type = "text";
      else if (fields.number === HEADER.bytes) type = "bytes";
      else if (fields.number === HEADER.mimeType && fields.wire === WIRE.delimited) {
        mimeType = text(
          this.#bytes,
          fields.from,
          Math.min(fields.to, fields.from + MAX_MIME_BYTES),
        );
      } else if (fields.number === HEADER.totalLength && fields.wire === WIRE.varint) {
        totalLength = fields.uint64;
      }
    }
    return { type, mimeType, ...(totalLength === undefined ? {} : { totalLength }) };
  }

  /**
   * The packet as it goes on.
   *
   * @param speaksForAnother The identity it claims stays, and its text is marked as generated; for
   *   chat messages and the headers of text streams alone.
   */
  stamp(kind: DataKind, from: DataStamp, speaksForAnother = false): Uint8Array {
    const isUser = this.value === DATA_VALUE.user;
    const identity = speaksForAnother ? this.#claimed() : from.identity;
    const named = this.#named;
    const tail = speaksForAnother ? generatedMark(this.value) : NOTHING;
    const bodyBytes = isUser
      ? this.#userKept.bytes + stringBytes(USER.sid, from.sid.length) +
        stringBytes(USER.identity, identity.length) + listBytes(USER.destinations, named)
      : this.#to - this.#from + tail.length;
    const size = (kind === "lossy" ? 2 : 0) + stringBytes(PACKET.identity, identity.length) +
      listBytes(PACKET.destinations, named) + this.#kept.bytes +
      stringBytes(PACKET.sid, from.sid.length) + fieldBytes(this.value, bodyBytes);
    const out = new Uint8Array(size);
    let at = 0;
    if (kind === "lossy") {
      out[at++] = PACKET.kind << 3;
      out[at++] = LOSSY;
    }
    at = writeString(out, at, PACKET.identity, identity);
    at = this.#writeList(out, at, PACKET.destinations, named);
    at = this.#write(out, at, this.#kept);
    at = writeString(out, at, PACKET.sid, from.sid);
    at = writeHead(out, at, this.value, bodyBytes);
    if (!isUser) {
      out.set(this.#bytes.subarray(this.#from, this.#to), at);
      out.set(tail, size - tail.length);
      return out;
    }
    at = writeString(out, at, USER.sid, from.sid);
    at = writeString(out, at, USER.identity, identity);
    at = this.#writeList(out, at, USER.destinations, named);
    this.#write(out, at, this.#userKept);
    return out;
  }

  /** Clients before the outer field name receivers within a user packet. */
  get #named(): Spans {
    if (this.value !== DATA_VALUE.user || this.#destinations.count > 0) return this.#destinations;
    return this.#userDestinations;
  }

  #claimed(): Uint8Array {
    return this.#bytes.subarray(this.#identityFrom, this.#identityTo);
  }

  /** A text of the value's own; the last one counts. */
  #textField(number: number): string {
    const fields = this.#body();
    let value = "";
    while (fields.next()) {
      if (fields.number === number && fields.wire === WIRE.delimited) {
        value = text(this.#bytes, fields.from, fields.to);
      }
    }
    return value;
  }

  #body(): ProtobufFields {
    this.#fields.begin(this.#bytes, this.#from, this.#to, MAX_FIELDS);
    return this.#fields;
  }

  /** @returns how many values there are, -1 if it cannot be read. */
  #readPacket(): number {
    const fields = this.#fields;
    const bytes = this.#bytes;
    fields.begin(bytes, 0, bytes.length, MAX_FIELDS);
    this.#clear();
    let values = 0;
    while (fields.next()) {
      const { number, wire } = fields;
      if (wire !== wireOf(number, wire)) return -1;
      if (number === PACKET.kind || number === PACKET.sid) continue;
      if (number === PACKET.identity) {
        this.#identityFrom = fields.from;
        this.#identityTo = fields.to;
      } else if (number === PACKET.destinations) {
        this.#destinations.add(fields.from, fields.to);
      } else if (VALUES.has(number)) {
        values++;
        this.value = number;
        this.#from = fields.from;
        this.#to = fields.to;
      } else {
        if (number === PACKET.sequence) this.sequence = fields.uint32;
        this.#kept.keep(fields.start, fields.to);
      }
    }
    return fields.isBroken ? -1 : values;
  }

  #readUser(): boolean {
    const fields = this.#fields;
    fields.begin(this.#bytes, this.#from, this.#to, fields.left);
    while (fields.next()) {
      const { number, wire } = fields;
      if (number <= USER.destinations || number === USER.nonce) {
        if (wire !== WIRE.delimited) return false;
      }
      if (number === USER.sid || number === USER.identity) continue;
      if (number === USER.destinations) {
        this.#userDestinations.add(fields.from, fields.to);
        continue;
      }
      if (number === USER.sids) this.#userSids.add(fields.from, fields.to);
      else if (number === USER.payload) {
        this.#payloadFrom = fields.from;
        this.#payloadTo = fields.to;
      } else if (number === USER.nonce) {
        this.#nonceFrom = fields.from;
        this.#nonceTo = fields.to;
      }
      this.#userKept.keep(fields.start, fields.to);
    }
    return !fields.isBroken;
  }

  #clear(): void {
    this.value = this.sequence = 0;
    this.#from =
      this.#to =
      this.#identityFrom =
      this.#identityTo =
        0;
    this.#payloadFrom =
      this.#payloadTo =
      this.#nonceFrom =
      this.#nonceTo =
        0;
    this.#kept.clear();
    this.#destinations.clear();
    this.#userKept.clear();
    this.#userDestinations.clear();
    this.#userSids.clear();
  }

  /** The same packet with its values merged: those of another kind before the last do not count. */
  #withOneValue(): Uint8Array {
    const fields = this.#fields;
    const bytes = this.#bytes;
    const rest = new Spans();
    const body = new Spans();
    let kind = 0;
    fields.begin(bytes, 0, bytes.length, MAX_FIELDS);
    while (fields.next()) {
      const { number, start, from, to } = fields;
      if (!VALUES.has(number)) {
        rest.keep(start, to);
        continue;
      }
      if (number !== kind) body.clear();
      kind = number;
      body.add(from, to);
    }
    const merged = new Uint8Array(rest.bytes + fieldBytes(kind, body.bytes));
    const at = this.#write(merged, 0, rest);
    this.#write(merged, writeHead(merged, at, kind, body.bytes), body);
    return merged;
  }

  #texts(spans: Spans): string[] {
    const texts: string[] = [];
    for (let i = 0; i < spans.count; i++) {
      texts.push(text(this.#bytes, spans.from(i), spans.to(i)));
    }
    return texts;
  }

  #write(out: Uint8Array, at: number, spans: Spans): number {
    for (let i = 0; i < spans.count; i++) {
      const piece = this.#bytes.subarray(spans.from(i), spans.to(i));
      out.set(piece, at);
      at += piece.length;
    }
    return at;
  }

  #writeList(out: Uint8Array, at: number, number: number, spans: Spans): number {
    for (let i = 0; i < spans.count; i++) {
      const piece = this.#bytes.subarray(spans.from(i), spans.to(i));
      at = writeHead(out, at, number, piece.length);
      out.set(piece, at);
      at += piece.length;
    }
    return at;
  }
}

/** A bare message as a reliable user packet from `from` to everybody. */
export function userPacketOf(payload: Uint8Array, from: DataStamp): Uint8Array {
  const bodyBytes = stringBytes(USER.sid, from.sid.length) +
    stringBytes(USER.payload, payload.length) + stringBytes(USER.identity, from.identity.length);
  const size = stringBytes(PACKET.identity, from.identity.length) +
    stringBytes(PACKET.sid, from.sid.length) + fieldBytes(DATA_VALUE.user, bodyBytes);
  const out = new Uint8Array(size);
  let at = writeString(out, 0, PACKET.identity, from.identity);
  at = writeString(out, at, PACKET.sid, from.sid);
  at = writeHead(out, at, DATA_VALUE.user, bodyBytes);
  at = writeString(out, at, USER.sid, from.sid);
  at = writeString(out, at, USER.payload, payload);
  writeString(out, at, USER.identity, from.identity);
  return out;
}

/** How a field of a packet is written; of one that is not known, as it is. */
function wireOf(number: number, wire: number): number {
  if (number === PACKET.kind || number === PACKET.sequence) return WIRE.varint;
  const isDelimited = number === PACKET.identity || number === PACKET.destinations ||
    number === PACKET.sid || VALUES.has(number);
  return isDelimited ? WIRE.delimited : wire;
}

function generatedMark(value: number): Uint8Array {
  return value === DATA_VALUE.chatMessage ? GENERATED_CHAT : GENERATED_TEXT;
}

/** Bytes of a delimited field with so many bytes of content. */
function fieldBytes(number: number, length: number): number {
  return varintBytes(number << 3) + varintBytes(length) + length;
}

/** An empty scalar is not written. */
function stringBytes(number: number, length: number): number {
  return length === 0 ? 0 : fieldBytes(number, length);
}

function listBytes(number: number, spans: Spans): number {
  let size = 0;
  for (let i = 0; i < spans.count; i++) size += fieldBytes(number, spans.to(i) - spans.from(i));
  return size;
}

function writeHead(out: Uint8Array, at: number, number: number, length: number): number {
  return writeVarint(out, writeVarint(out, at, number << 3 | WIRE.delimited), length);
}

function writeString(out: Uint8Array, at: number, number: number, bytes: Uint8Array): number {
  if (bytes.length === 0) return at;
  at = writeHead(out, at, number, bytes.length);
  out.set(bytes, at);
  return at + bytes.length;
}

function equalBytes(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return false;
  return true;
}

/** Longest text that is read letter by letter: a decoder costs more than that to call. */
const MAX_SHORT_TEXT = 48;
const decoder = new TextDecoder();

function text(bytes: Uint8Array, from: number, to: number): string {
  let ascii = "";
  if (to - from > MAX_SHORT_TEXT) return decoder.decode(bytes.subarray(from, to));
  for (let at = from; at < to; at++) {
    const byte = bytes[at]!;
    if (byte >= 0x80) return decoder.decode(bytes.subarray(from, to));
    ascii += String.fromCharCode(byte);
  }
  return ascii;
}
