/**
 * Who watches a room beside its members: a recording, which keeps what is said and done in it.
 *
 * Contract: a witness is told of what everybody in the room may know, and of nothing that is meant
 * for some of them; one that throws harms nobody.
 *
 * @module
 */
import { DataPacket } from "@livekit/protocol";
import { ChatTap } from "../../engine/data/chat_tap.ts";
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
  /** Of members of other nodes: those of this one are bounded where their packets come in. */
  readonly #chats: ChatTap;

  /**
   * @param failed A witness threw.
   * @param dropped A member of another node wrote more than is told.
   */
  constructor(readonly failed: (error: unknown) => void, dropped: () => void) {
    this.#chats = new ChatTap(dropped);
  }

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
    if (this.#isNews(bytes) && mayBeChat(this.#reader)) this.#tell(bytes);
  }

  /** The same of a member of another node, who has that number here. */
  saidAfar(bytes: Uint8Array, member: number, now: number): void {
    if (this.#isNews(bytes) && this.#chats.takes(member, this.#reader, bytes, now)) {
      this.#tell(bytes);
    }
  }

  /** A member of another node is gone. */
  forget(member: number): void {
    this.#chats.forget(member);
  }

  #isNews(bytes: Uint8Array): boolean {
    const reader = this.#reader;
    if (this.isEmpty || !reader.read(bytes)) return false;
    // The media plane drops what was sent before, and does not say so.
    return this.#nonces.accept(reader.nonce()) && !reader.hasDestinations;
  }

  #tell(bytes: Uint8Array): void {
    let packet: DataPacket;
    try {
      packet = DataPacket.fromBinary(bytes, { readUnknownFields: false });
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
