/**
 * Signalling messages as WebSocket frames: binary frames are protobuf, text frames are protojson.
 *
 * Decoding is total: a frame that is no `SignalRequest` gives `undefined`. Unknown fields are
 * dropped in both forms, because newer clients send what this version does not know. A frame that
 * would become more objects than any request has is not decoded at all.
 *
 * @module
 */
import type { AnyMessage, JsonValue, Message, MessageType } from "@bufbuild/protobuf";
import {
  JoinResponse,
  type ParticipantInfo,
  ParticipantUpdate,
  Room,
  SignalRequest,
  SignalResponse,
} from "@livekit/protocol";
import { invariant } from "../base/errors.ts";
import type { SignalMessage } from "../room/context/signal_message.ts";
import { encodedMessage } from "../room/context/encoded_message.ts";
import { encodedInfo } from "../room/participant/participant_updates.ts";
import { MessageParts } from "../wire/message_parts.ts";
import { protobufBytes } from "../wire/protobuf_writer.ts";
import { hasFewElements, hasFewJsonElements, isQuickJson } from "../wire/message_elements.ts";

/** `binary` is protobuf; `json` the protobuf's JSON, which clients choose by sending text. */
export type FrameEncoding = "binary" | "json";

/** The encoding a client's frame is in. */
export function encodingOf(frame: Uint8Array | string): FrameEncoding {
  return typeof frame === "string" ? "json" : "binary";
}

/** Parts of one message: a wish about ten thousand tracks has fewer, and is read within some ms. */
const MAX_ELEMENTS = 32_768;
/** The same where each part takes longer to read. */
const MAX_JSON_ELEMENTS = 16_384;

/** Reads one frame; a request without a known `message` is a request, with `case` undefined. */
export function decodeRequest(frame: Uint8Array | string): SignalRequest | undefined {
  return decodeMessage(SignalRequest, frame);
}

/** Reads a message of `type` in either form; `undefined` if it is none, or has too many parts. */
export function decodeMessage<T extends Message<T>>(
  type: MessageType<T>,
  frame: Uint8Array | string,
): T | undefined {
  try {
    if (typeof frame !== "string") {
      if (!hasFewElements(frame, type, MAX_ELEMENTS)) return undefined;
      return type.fromBinary(frame, { readUnknownFields: false });
    }
    if (!hasFewJsonElements(frame, MAX_JSON_ELEMENTS)) return undefined;
    const json: JsonValue = JSON.parse(frame);
    if (!isQuickJson(json, type)) return undefined;
    return type.fromJson(json, { ignoreUnknownFields: true });
  } catch {
    return undefined;
  }
}

/**
 * Writes responses, and does so once for what is sent to many: a message that is the same object as
 * the one before, and each participant's info in updates and join responses, which differ from
 * receiver to receiver.
 */
export class ResponseEncoder {
  #message: SignalMessage | undefined;
  #binary: Uint8Array | undefined;
  #json: string | undefined;

  /** Writes one response in `encoding`; the bytes are not to be written to. */
  encode(message: SignalMessage, encoding: FrameEncoding): Uint8Array | string {
    if (message !== this.#message) {
      this.#message = message;
      this.#binary = this.#json = undefined;
    }
    if (encoding === "json") return this.#json ??= new SignalResponse({ message }).toJsonString();
    return this.#binary ??= binaryFrame(message);
  }
}

function binaryFrame(message: SignalMessage): Uint8Array {
  if (message.case === "update") return updateFrame(message.value);
  if (message.case === "join") return joinFrame(message.value);
  return encodedMessage(message);
}

const UPDATE = fieldNumber(SignalResponse, "update");
const PARTICIPANTS = fieldNumber(ParticipantUpdate, "participants");
const JOIN = fieldNumber(SignalResponse, "join");
const ROOM = fieldNumber(JoinResponse, "room");
const PARTICIPANT = fieldNumber(JoinResponse, "participant");
const OTHER_PARTICIPANTS = fieldNumber(JoinResponse, "other_participants");
const SERVER_INFO = fieldNumber(JoinResponse, "server_info");
const ICE_SERVERS = fieldNumber(JoinResponse, "ice_servers");
const PUBLISH_CODECS = fieldNumber(JoinResponse, "enabled_publish_codecs");
const ROOM_CODECS = fieldNumber(Room, "enabled_codecs");

/** The update as a response, put together from its infos' own wire forms. */
function updateFrame({ participants }: ParticipantUpdate): Uint8Array {
  const parts = new MessageParts();
  addInfos(parts, PARTICIPANTS, participants);
  return parts.finishWithin(UPDATE);
}

/**
 * The same for a join response: all of it but a few fields are parts that others are told of, too.
 */
function joinFrame(join: JoinResponse): Uint8Array {
  const { room, participant, otherParticipants, serverInfo, iceServers } = join;
  const parts = new MessageParts();
  parts.fields(protobufBytes(without(JoinResponse, join, {
    room: undefined,
    participant: undefined,
    otherParticipants: [],
    serverInfo: undefined,
    iceServers: [],
    enabledPublishCodecs: [],
  })));
  if (room !== undefined) {
    const inner = new MessageParts();
    inner.fields(protobufBytes(without(Room, room, { enabledCodecs: [] })));
    addShared(inner, ROOM_CODECS, room.enabledCodecs);
    parts.field(ROOM, inner.finish());
  }
  if (participant !== undefined) addInfos(parts, PARTICIPANT, [participant]);
  if (serverInfo !== undefined) addShared(parts, SERVER_INFO, [serverInfo]);
  addShared(parts, ICE_SERVERS, iceServers);
  addShared(parts, PUBLISH_CODECS, join.enabledPublishCodecs);
  addInfos(parts, OTHER_PARTICIPANTS, otherParticipants);
  return parts.finishWithin(JOIN);
}

/** A shallow copy with other values, where the constructor would copy every part. */
function without<T extends Message<T>>(
  type: MessageType<T>,
  message: T,
  values: { readonly [Field in keyof T]?: T[Field] | undefined },
): T {
  return Object.assign(Object.create(type.prototype), message, values);
}

/** What many join responses have in common, encoded; it does not change. */
const shared = new WeakMap<AnyMessage, Uint8Array>();

function addShared(parts: MessageParts, field: number, messages: readonly AnyMessage[]): void {
  for (const message of messages) {
    let bytes = shared.get(message);
    if (bytes === undefined) {
      bytes = message.toBinary();
      shared.set(message, bytes);
    }
    parts.field(field, bytes);
  }
}

function addInfos(parts: MessageParts, field: number, infos: readonly ParticipantInfo[]): void {
  for (const info of infos) parts.field(field, encodedInfo(info));
}

function fieldNumber(
  type: typeof SignalResponse | typeof ParticipantUpdate | typeof JoinResponse | typeof Room,
  name: string,
): number {
  const field = type.fields.list().find((candidate) => candidate.name === name);
  invariant(field !== undefined, `no field ${name}`);
  return field.no;
}

/** Whether a frame is larger than `limit` bytes on the wire; 0 is no limit. */
export function exceedsLimit(frame: Uint8Array | string, limit: number): boolean {
  if (limit === 0) return false;
  if (frame.length > limit) return true;
  // UTF-8 takes at most three bytes for a UTF-16 unit, so short texts need no counting.
  if (typeof frame !== "string" || frame.length * 3 <= limit) return false;
  return new TextEncoder().encode(frame).length > limit;
}
