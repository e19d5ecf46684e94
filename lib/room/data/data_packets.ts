/**
 * What the server does to a data packet between its sender and its receivers.
 *
 * Pure but for the small memory of {@linkcode NonceMemory}. A packet is decoded once, stamped with
 * who really sent it, and encoded once for all receivers; a packet that may not pass is a named
 * drop. Source: LiveKit `DataPacket`.
 *
 * @module
 */
import { DataPacket, DataPacket_Kind, UserPacket } from "@livekit/protocol";
import type { DataKind } from "../../base/media_vocabulary.ts";
import type { ParticipantFacts } from "../context/participant_facts.ts";

/** User packets of one room remembered by their nonce. */
const REMEMBERED_NONCES = 100;
const NONCE_BYTES = 16;

/** The sender as receivers may know it. */
type SenderFacts = Pick<ParticipantFacts, "identity" | "hidden" | "agent"> & {
  readonly sid: string;
};

/** A packet that may pass, ready to send. */
export interface OutgoingData {
  readonly kind: DataKind;
  readonly bytes: Uint8Array;
  /** Empty together with {@linkcode destinationSids} means everybody else. */
  readonly destinationIdentities: ReadonlySet<string>;
  readonly destinationSids: ReadonlySet<string>;
  /** Reliable sequence of the sender; 0 without one. */
  readonly sequence: number;
  /** Of a user packet; see {@linkcode NonceMemory}. */
  readonly nonce?: Uint8Array;
  /** Of a user packet: what a receiver that knows no packets is sent. */
  readonly payload?: Uint8Array;
  /** Set if the packet answers a remote procedure call. */
  readonly rpcAnswer?: RpcAnswer;
}

/** What a packet says about a remote procedure call; see `server_rpc.ts`. */
export type RpcAnswer =
  | { readonly type: "ack"; readonly requestId: string }
  | { readonly type: "payload"; readonly requestId: string; readonly payload: string }
  | {
    readonly type: "error";
    readonly requestId: string;
    readonly code: number;
    readonly message: string;
    readonly data: string;
  };

export type DataDrop = {
  readonly drop: "data_unknown_value" | "data_not_allowed";
};

/** Nonces of the last user packets of a room, so that a packet sent over two ways arrives once. */
export class NonceMemory {
  readonly #seen = new Set<string>();

  /** Whether `nonce` is new; anything but 16 bytes is always new. */
  accept(nonce: Uint8Array): boolean {
    if (nonce.length !== NONCE_BYTES) return true;
    const key = String.fromCharCode(...nonce);
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    if (this.#seen.size > REMEMBERED_NONCES) {
      for (const oldest of this.#seen) {
        this.#seen.delete(oldest);
        break;
      }
    }
    return true;
  }
}

/** Whether `label` is of a client's own channel, not one of LiveKit's. */
export function isOwnLabel(label: string): boolean {
  return label !== "_reliable" && label !== "_lossy" && label !== "_data_track";
}

/** Decodes one packet that came on a labelled channel; `undefined` if it cannot be. */
export function readDataPacket(bytes: Uint8Array): DataPacket | undefined {
  try {
    return DataPacket.fromBinary(bytes);
  } catch {
    return undefined;
  }
}

/** Stamps `packet` with who sent it, and encodes it. */
export function stampDataPacket(
  packet: DataPacket,
  kind: DataKind,
  sender: SenderFacts,
): OutgoingData | DataDrop {
  packet.kind = protoKind(kind);
  packet.participantSid = sender.hidden ? "" : sender.sid;
  const claimed = packet.participantIdentity;
  packet.participantIdentity = sender.hidden ? "" : sender.identity;
  const { value } = packet;
  switch (value.case) {
    case "user":
      stampUserPacket(packet, value.value, sender);
      break;
    case "transcription":
      if (!sender.agent) return { drop: "data_not_allowed" };
      break;
    case "chatMessage":
      if (speaksForAnother(sender, claimed)) {
        packet.participantIdentity = claimed;
        value.value.generated = true;
      }
      break;
    case "streamHeader":
      if (value.value.contentHeader.case === "textHeader" && speaksForAnother(sender, claimed)) {
        packet.participantIdentity = claimed;
        value.value.contentHeader.value.generated = true;
      }
      break;
    case "metrics":
      // Metrics are for those who may read them, which no released server passes on.
      return { drop: "data_not_allowed" };
    case undefined:
      return { drop: "data_unknown_value" };
  }
  return outgoing(packet, kind);
}

/** Wraps a raw message of a client's own channel as a user packet to everybody else. */
export function wrapRawData(bytes: Uint8Array, sender: SenderFacts): OutgoingData {
  const packet = new DataPacket({
    participantSid: sender.hidden ? "" : sender.sid,
    participantIdentity: sender.hidden ? "" : sender.identity,
  });
  const user = new UserPacket({ payload: new Uint8Array(bytes) });
  packet.value = { case: "user", value: user };
  packet.kind = protoKind("reliable");
  stampUserPacket(packet, user, sender);
  return outgoing(packet, "reliable");
}

/** Encodes a packet that the server itself sends, for example on behalf of an API call. */
export function outgoing(packet: DataPacket, kind: DataKind): OutgoingData {
  const user = packet.value.case === "user" ? packet.value.value : undefined;
  return {
    kind,
    bytes: packet.toBinary(),
    destinationIdentities: new Set(packet.destinationIdentities),
    destinationSids: new Set(user?.destinationSids),
    sequence: kind === "reliable" ? packet.sequence : 0,
    ...(user === undefined ? {} : { nonce: user.nonce, payload: user.payload }),
    ...rpcAnswerOf(packet),
  };
}

function rpcAnswerOf({ value }: DataPacket): { readonly rpcAnswer?: RpcAnswer } {
  if (value.case === "rpcAck") {
    return { rpcAnswer: { type: "ack", requestId: value.value.requestId } };
  }
  if (value.case !== "rpcResponse") return {};
  const { requestId, value: result } = value.value;
  if (result.case === "payload") {
    return { rpcAnswer: { type: "payload", requestId, payload: result.value } };
  }
  if (result.case !== "error") return {};
  const { code, message, data } = result.value;
  return { rpcAnswer: { type: "error", requestId, code, message, data } };
}

/** Whether `receiver` is among those a packet is for (never ask about its sender). */
export function isDestination(
  data: Pick<OutgoingData, "destinationIdentities" | "destinationSids">,
  receiver: { readonly identity: string; readonly sid: string },
): boolean {
  if (data.destinationIdentities.size === 0 && data.destinationSids.size === 0) return true;
  return data.destinationIdentities.has(receiver.identity) ||
    data.destinationSids.has(receiver.sid);
}

/** Fills the fields that clients before the outer ones existed still read. */
function stampUserPacket(packet: DataPacket, user: UserPacket, sender: SenderFacts): void {
  user.participantSid = sender.hidden ? "" : sender.sid;
  user.participantIdentity = packet.participantIdentity;
  if (packet.destinationIdentities.length > 0) {
    user.destinationIdentities = packet.destinationIdentities;
  } else {
    packet.destinationIdentities = user.destinationIdentities;
  }
}

function speaksForAnother(sender: SenderFacts, claimed: string): boolean {
  return sender.agent && claimed !== "" && claimed !== sender.identity;
}

function protoKind(kind: DataKind): DataPacket_Kind {
  return kind === "reliable" ? DataPacket_Kind.RELIABLE : DataPacket_Kind.LOSSY;
}
