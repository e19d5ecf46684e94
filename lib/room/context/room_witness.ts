/**
 * Who watches a room beside its members: a recording, which keeps what is said and done in it.
 *
 * Contract: a witness is told of what everybody in the room may know, and of nothing that is meant
 * for some of them; one that throws harms nobody.
 *
 * @module
 */
import { DataPacket } from "@livekit/protocol";
import { NonceMemory } from "../../engine/data/nonce_memory.ts";
import { mayBeChat } from "../../wire/chat_packet.ts";
import { DataPacketReader } from "../../wire/data_packet.ts";

/** Who is told. */
export interface RoomWitness {
  /** A packet that may be of the chat; it says who it is from. */
  said(packet: DataPacket): void;
  /** Members began to speak, or ended, by their sids. */
  spoke(changes: readonly { readonly sid: string; readonly active: boolean }[]): void;
}

/** One room's witnesses. */
export class RoomWitnesses {
  readonly #witnesses = new Set<RoomWitness>();
  readonly #reader = new DataPacketReader();
  readonly #nonces = new NonceMemory();

  /** @param failed A witness threw. */
  constructor(readonly failed: (error: unknown) => void) {}

  get isEmpty(): boolean {
    return this.#witnesses.size === 0;
  }

  add(witness: RoomWitness): void {
    this.#witnesses.add(witness);
  }

  remove(witness: RoomWitness): void {
    this.#witnesses.delete(witness);
  }

  /** Everybody was sent this packet; what cannot be read, or came before, is passed over. */
  said(bytes: Uint8Array): void {
    if (this.isEmpty || !this.#reader.read(bytes)) return;
    // The media plane drops what was sent before, and does not say so.
    if (!this.#nonces.accept(this.#reader.nonce())) return;
    if (this.#reader.hasDestinations || !mayBeChat(this.#reader)) return;
    let packet: DataPacket;
    try {
      packet = DataPacket.fromBinary(bytes);
    } catch {
      return;
    }
    this.#each((witness) => witness.said(packet));
  }

  spoke(changes: Parameters<RoomWitness["spoke"]>[0]): void {
    if (changes.length === 0) return;
    this.#each((witness) => witness.spoke(changes));
  }

  #each(tell: (witness: RoomWitness) => void): void {
    for (const witness of this.#witnesses) {
      try {
        tell(witness);
      } catch (error) {
        this.failed(error);
      }
    }
  }
}
