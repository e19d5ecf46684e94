/**
 * The chat of a room as people wrote it, out of the packets that carry it: text streams on
 * `lk.chat`, user packets on `lk-chat-topic`, and `ChatMessage`s.
 *
 * Contract: total on whatever clients send, and bounded: a message has at most
 * {@linkcode MOST_TEXT_BYTES}, of what is not complete yet there are at most
 * {@linkcode MOST_STREAMS}, and nobody writes more often than people do.
 *
 * @module
 */
import { inflateRawSync } from "node:zlib";
import {
  type ChatMessage as ChatMessagePacket,
  type DataPacket,
  type DataStream_Chunk as Chunk,
  DataStream_CompressionType as Compression,
  type DataStream_Header as Header,
  DataStream_OperationType as Operation,
  type DataStream_TextHeader as TextHeader,
  type UserPacket,
} from "@livekit/protocol";
import { TokenBucket } from "../base/token_bucket.ts";
import { CHAT_PACKET_TOPIC, CHAT_STREAM_TOPIC, MAX_CHAT_STREAM_ID } from "../wire/chat_packet.ts";

/** UTF-8 bytes of one message; more is left out, and said to be. */
export const MOST_TEXT_BYTES = 16_384;
/** Streams that may be under way. */
export const MOST_STREAMS = 256;
/** Messages of one participant at once, and a second in the long run. */
const BURST = 20;
const PER_SECOND = 2;
/** Participants whose pace is known; of more the oldest is forgotten. */
const MOST_WRITERS = 1_024;
const MOST_ID = 128;
/** Of a stream that has some of its text, bytes. */
const LEAST_ROOM = 128;

/** Something somebody wrote. */
export interface ChatMessage {
  /** The sender's own name for it, with which it may be edited. */
  readonly id: string;
  readonly text: string;
  /** It was longer. */
  readonly isCut: boolean;
  /** It takes the place of the message of that id. */
  readonly edits: boolean;
  readonly isDeleted: boolean;
}

/** Nothing else of its header is kept, which may hold thousands of attributes. */
interface OpenStream {
  readonly id: string;
  readonly operation: TextHeader["operationType"];
  readonly compression: Header["compression"];
  /** Twice as long whenever it is full: of parts each would take more memory than it has bytes. */
  content: Uint8Array;
  bytes: number;
  isCut: boolean;
}

/** One room's chat. */
export class ChatMessages {
  readonly #streams = new Map<string, OpenStream>();
  readonly #paces = new Map<string, TokenBucket>();
  /** Messages that could not be kept. */
  dropped = 0;

  /**
   * Takes a packet, which says who it is from.
   *
   * @param now Monotonic ms.
   * @returns The message that it completes.
   */
  take(packet: DataPacket, now: number): ChatMessage | undefined {
    const { value, participantIdentity: from, destinationIdentities } = packet;
    if (destinationIdentities.length > 0) return undefined;
    const message = this.#read(value, from);
    if (message === undefined) return undefined;
    if (this.#pace(from).take(now)) return message;
    this.dropped++;
    return undefined;
  }

  #read(value: DataPacket["value"], from: string): ChatMessage | undefined {
    switch (value.case) {
      case "chatMessage":
        return ofChatMessage(value.value);
      case "user":
        return ofUserPacket(value.value);
      case "streamHeader":
        return this.#begin(value.value, from);
      case "streamChunk":
        this.#add(value.value, from);
        return undefined;
      case "streamTrailer":
        return this.#finish(`${from}\0${value.value.streamId}`, value.value.reason);
      default:
        return undefined;
    }
  }

  #begin(header: Header, from: string): ChatMessage | undefined {
    if (header.topic !== CHAT_STREAM_TOPIC || header.contentHeader.case !== "textHeader") {
      return undefined;
    }
    const { streamId, compression, inlineContent, contentHeader: { value: text } } = header;
    if (streamId.length > MAX_CHAT_STREAM_ID) {
      this.dropped++;
      return undefined;
    }
    const key = `${from}\0${streamId}`;
    const stream = {
      id: streamId,
      operation: text.operationType,
      compression,
      content: new Uint8Array(),
      bytes: 0,
      isCut: false,
    };
    this.#streams.set(key, stream);
    if (inlineContent !== undefined) {
      append(stream, inlineContent);
      return this.#finish(key, "");
    }
    if (this.#streams.size > MOST_STREAMS) {
      this.#streams.delete(this.#streams.keys().next().value!);
      this.dropped++;
    }
    return undefined;
  }

  #add({ streamId, content }: Chunk, from: string): void {
    const stream = this.#streams.get(`${from}\0${streamId}`);
    if (stream !== undefined) append(stream, content);
  }

  /** @param reason Why its sender broke it off; empty if it is whole. */
  #finish(key: string, reason: string): ChatMessage | undefined {
    const stream = this.#streams.get(key);
    this.#streams.delete(key);
    if (stream === undefined || reason !== "") return undefined;
    const { id, operation, compression } = stream;
    const bytes = stream.content.subarray(0, stream.bytes);
    const plain = compression === Compression.DEFLATE_RAW ? inflated(bytes) : bytes;
    if (plain === undefined) {
      this.dropped++;
      return undefined;
    }
    return {
      id,
      ...cut(new TextDecoder().decode(plain), stream.isCut),
      edits: operation === Operation.UPDATE,
      isDeleted: operation === Operation.DELETE,
    };
  }

  #pace(from: string): TokenBucket {
    let pace = this.#paces.get(from);
    if (pace === undefined) {
      this.#paces.set(from, pace = new TokenBucket(BURST, PER_SECOND));
      if (this.#paces.size > MOST_WRITERS) this.#paces.delete(this.#paces.keys().next().value!);
    }
    return pace;
  }
}

function ofChatMessage(packet: ChatMessagePacket): ChatMessage {
  const { id, message, editTimestamp, deleted } = packet;
  return {
    id: id.slice(0, MOST_ID),
    ...cut(message, false),
    edits: editTimestamp !== undefined,
    isDeleted: deleted,
  };
}

/** JSON of LiveKit's components; those that also send a stream say that this is for others. */
function ofUserPacket({ topic, payload }: UserPacket): ChatMessage | undefined {
  if (topic !== CHAT_PACKET_TOPIC || payload.length > 2 * MOST_TEXT_BYTES) return undefined;
  try {
    const { id, message, ignoreLegacy } = JSON.parse(new TextDecoder().decode(payload));
    if (typeof message !== "string" || ignoreLegacy === true) return undefined;
    const name = typeof id === "string" ? id.slice(0, MOST_ID) : "";
    return { id: name, ...cut(message, false), edits: false, isDeleted: false };
  } catch {
    return undefined;
  }
}

function append(stream: OpenStream, content: Uint8Array): void {
  const room = MOST_TEXT_BYTES - stream.bytes;
  if (content.length > room) stream.isCut = true;
  if (room <= 0 || content.length === 0) return;
  const part = content.subarray(0, room);
  const end = stream.bytes + part.length;
  if (end > stream.content.length) {
    const larger = new Uint8Array(Math.min(MOST_TEXT_BYTES, Math.max(LEAST_ROOM, 2 * end)));
    larger.set(stream.content);
    stream.content = larger;
  }
  stream.content.set(part, stream.bytes);
  stream.bytes = end;
}

/** `undefined` if it is none, or holds more than anybody writes. */
function inflated(bytes: Uint8Array): Uint8Array | undefined {
  try {
    return inflateRawSync(bytes, { maxOutputLength: MOST_TEXT_BYTES });
  } catch {
    return undefined;
  }
}

function cut(whole: string, wasCut: boolean): Pick<ChatMessage, "text" | "isCut"> {
  const text = whole.length > MOST_TEXT_BYTES ? whole.slice(0, MOST_TEXT_BYTES) : whole;
  return { text, isCut: wasCut || text.length < whole.length };
}
