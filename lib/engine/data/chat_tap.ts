/**
 * Which of a room's packets are told to whoever keeps its chat. What is for some alone is not.
 *
 * Contract: of one member no more than {@linkcode CHAT_LIMITS} is told in the long run, and a
 * stream is told whole up to where that ended, or not at all.
 *
 * @module
 */
import { mayBeChat } from "../../wire/chat_packet.ts";
import { DATA_VALUE, type DataPacketReader } from "../../wire/data_packet.ts";
import { SendAllowance } from "./send_allowance.ts";

/** Far more than people write, and little for the thread that is told. */
export const CHAT_LIMITS = { messagesPerS: 20, bytesPerS: 65_536 };
/** Streams that one member may have open at once. */
const MOST_STREAMS = 16;

interface Writer {
  readonly allowance: SendAllowance;
  /** Ids of its streams of chat that have not ended. */
  readonly streams: Set<string>;
}

/** Chats by who writes in them. */
export class ChatTap {
  readonly #writers = new Map<number, Writer>();

  /** @param dropped Somebody wrote more than is told. */
  constructor(readonly dropped: () => void) {}

  /** Whether the packet that `reader` has read is to be told. */
  takes(member: number, reader: DataPacketReader, bytes: Uint8Array, now: number): boolean {
    if (reader.hasDestinations || !mayBeChat(reader)) return false;
    const writer = this.#writer(member);
    const { value } = reader;
    if (value === DATA_VALUE.streamChunk || value === DATA_VALUE.streamTrailer) {
      const id = reader.streamId();
      if (!writer.streams.has(id)) return false;
      if (value === DATA_VALUE.streamTrailer) writer.streams.delete(id);
      if (this.#mayTell(writer, bytes, now)) return true;
      writer.streams.delete(id);
      return false;
    }
    if (!this.#mayTell(writer, bytes, now)) return false;
    if (value === DATA_VALUE.streamHeader) this.#open(writer, reader.streamId());
    return true;
  }

  /** Nothing of that member is told any more. */
  forget(member: number): void {
    this.#writers.delete(member);
  }

  #writer(member: number): Writer {
    let writer = this.#writers.get(member);
    if (writer === undefined) {
      writer = { allowance: new SendAllowance(), streams: new Set() };
      writer.allowance.setLimits(CHAT_LIMITS);
      this.#writers.set(member, writer);
    }
    return writer;
  }

  #mayTell({ allowance }: Writer, bytes: Uint8Array, now: number): boolean {
    if (allowance.isOverdrawn(now)) {
      this.dropped();
      return false;
    }
    allowance.charge(bytes.length, now);
    return true;
  }

  #open({ streams }: Writer, id: string): void {
    streams.delete(id);
    streams.add(id);
    if (streams.size <= MOST_STREAMS) return;
    for (const oldest of streams) {
      streams.delete(oldest);
      break;
    }
  }
}
