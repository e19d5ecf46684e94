/**
 * Which data packets carry a room's chat: text streams on the topic of LiveKit's components, their
 * older user packets, and chat messages (`@livekit/components-core`, `livekit-client`).
 *
 * @module
 */
import { DATA_VALUE, type DataPacketReader } from "./data_packet.ts";

/** Topic of text streams. */
export const CHAT_STREAM_TOPIC = "lk.chat";
/** Topic of user packets, before there were streams. */
export const CHAT_PACKET_TOPIC = "lk-chat-topic";

/** Longest name of a stream that is taken for one of a chat, UTF-16 units: SDKs use UUIDs. */
export const MAX_CHAT_STREAM_ID = 128;

/**
 * Whether what `reader` has read may be of a chat. Chunks and trailers do not say of what they are:
 * their streams do.
 */
export function mayBeChat(reader: DataPacketReader): boolean {
  switch (reader.value) {
    case DATA_VALUE.chatMessage:
    case DATA_VALUE.streamChunk:
    case DATA_VALUE.streamTrailer:
      return true;
    case DATA_VALUE.user:
      return reader.topic() === CHAT_PACKET_TOPIC;
    case DATA_VALUE.streamHeader:
      return reader.topic() === CHAT_STREAM_TOPIC && reader.stream().type === "text" &&
        reader.streamId().length <= MAX_CHAT_STREAM_ID;
    default:
      return false;
  }
}
