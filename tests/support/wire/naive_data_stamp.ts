/**
 * What becomes of a data packet, done the slow way: decoded whole, changed and encoded again. The
 * reader of its bytes must come to the same. And packets of every kind, for both to read.
 *
 * @module
 */
import {
  ChatMessage,
  DataPacket,
  DataPacket_Kind,
  DataStream_ByteHeader,
  DataStream_Chunk,
  DataStream_Header,
  DataStream_TextHeader,
  DataStream_Trailer,
  EncryptedPacket,
  RpcAck,
  RpcError,
  RpcRequest,
  RpcResponse,
  SipDTMF,
  Transcription,
  UserPacket,
} from "@livekit/protocol";
import type { DataKind } from "../../../lib/base/media_vocabulary.ts";
import type { SeededRandom } from "../virtual/seeded_random.ts";

/** Who sends. */
export interface NaiveSender {
  readonly sid: string;
  readonly identity: string;
  readonly agent: boolean;
}

/** Stamps a decoded packet, which is changed, with its sender. */
export function stampNaively(packet: DataPacket, kind: DataKind, sender: NaiveSender): DataPacket {
  const claimed = packet.participantIdentity;
  const speaks = sender.agent && claimed !== "" && claimed !== sender.identity;
  packet.kind = kind === "reliable" ? DataPacket_Kind.RELIABLE : DataPacket_Kind.LOSSY;
  packet.participantSid = sender.sid;
  packet.participantIdentity = sender.identity;
  const { value } = packet;
  if (value.case === "user") {
    const user = value.value;
    user.participantSid = sender.sid;
    user.participantIdentity = sender.identity;
    if (packet.destinationIdentities.length === 0) {
      packet.destinationIdentities = user.destinationIdentities;
    }
    user.destinationIdentities = packet.destinationIdentities;
  } else if (value.case === "chatMessage" && speaks) {
    packet.participantIdentity = claimed;
    value.value.generated = true;
  } else if (value.case === "streamHeader" && speaks) {
    const { contentHeader } = value.value;
    if (contentHeader.case === "textHeader") {
      packet.participantIdentity = claimed;
      contentHeader.value.generated = true;
    }
  }
  return packet;
}

/** Some packet, with fields of all kinds here and there. */
export function randomDataPacket(random: SeededRandom): DataPacket {
  const word = () => WORDS[random.below(WORDS.length)]!;
  const words = () => Array.from({ length: random.below(4) }, word);
  const packet = new DataPacket({
    kind: random.below(2),
    participantIdentity: word(),
    participantSid: word(),
    destinationIdentities: words(),
    sequence: random.chance(0.5) ? random.below(2 ** 31) : 0,
    value: randomValue(random, word, words),
  });
  return packet;
}

const WORDS = ["", "a", "alice", "PA_x", "żółć", "x".repeat(200), "agent", "\u{1F600}"];

function randomValue(
  random: SeededRandom,
  word: () => string,
  words: () => string[],
): DataPacket["value"] {
  const payload = random.bytes(random.below(300));
  const header = (contentHeader: DataStream_Header["contentHeader"]) =>
    new DataStream_Header({
      streamId: word(),
      mimeType: word(),
      topic: word(),
      timestamp: BigInt(random.below(2 ** 31)),
      attributes: { [word()]: word() },
      ...(random.chance(0.5) ? { totalLength: BigInt(random.below(2 ** 31)) } : {}),
      contentHeader,
    });
  const error = new RpcError({ code: 1500, message: word(), data: word() });
  const requestId = word();
  const user = new UserPacket({
    payload,
    destinationSids: words(),
    destinationIdentities: words(),
    participantSid: word(),
    participantIdentity: word(),
    nonce: random.chance(0.3) ? random.bytes(16) : random.bytes(random.below(3)),
    ...(random.chance(0.5) ? { topic: word(), id: word(), startTime: 7n } : {}),
  });
  const text = new DataStream_TextHeader({ version: random.below(9), attachedStreamIds: words() });
  const values: DataPacket["value"][] = [
    { case: "user", value: user },
    { case: "user", value: user },
    { case: "sipDtmf", value: new SipDTMF({ code: 5, digit: word() }) },
    { case: "transcription", value: new Transcription({ trackId: word() }) },
    { case: "chatMessage", value: new ChatMessage({ id: word(), message: word() }) },
    { case: "rpcRequest", value: new RpcRequest({ id: word(), payload: word() }) },
    { case: "rpcAck", value: new RpcAck({ requestId }) },
    {
      case: "rpcResponse",
      value: new RpcResponse({ requestId, value: { case: "error", value: error } }),
    },
    { case: "streamHeader", value: header({ case: "textHeader", value: text }) },
    {
      case: "streamHeader",
      value: header({ case: "byteHeader", value: new DataStream_ByteHeader({ name: word() }) }),
    },
    { case: "streamHeader", value: header({ case: undefined }) },
    { case: "streamChunk", value: new DataStream_Chunk({ streamId: word(), content: payload }) },
    { case: "streamTrailer", value: new DataStream_Trailer({ reason: word() }) },
    { case: "encryptedPacket", value: new EncryptedPacket({ keyIndex: 3, iv: payload }) },
    { case: undefined },
  ];
  return values[random.below(values.length)]!;
}
