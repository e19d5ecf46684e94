/**
 * The packets of one up-track that came in one batch and wait to be fanned out together, so that
 * each subscriber gets its own in one go: its state is touched once, and its packets leave side by
 * side.
 *
 * @module
 */
import { SourcePacket } from "./source_packet.ts";
import type { UpTrackLayer } from "../layer/up_track_layer.ts";

/** What one socket read brings of one track at most; more makes no system call cheaper. */
export const MAX_RUN = 32;

/** Packets are made as they are first needed, and reused. */
export class PacketRun {
  readonly #packets: SourcePacket[] = [];
  /** Packets that wait. */
  length = 0;

  /** A packet that waits. */
  at(index: number): SourcePacket {
    return this.#packets[index]!;
  }

  /** Whether it has to be fanned out before another packet is added. */
  get isFull(): boolean {
    return this.length === MAX_RUN;
  }

  /** The packet to be filled and then added with {@linkcode add}. */
  next(layer: UpTrackLayer): SourcePacket {
    const packet = this.#packets[this.length] ??= new SourcePacket(layer);
    packet.layer = layer;
    return packet;
  }

  /** Adds `packet`, which is the last one that `next` returned, or was before {@linkcode clear}. */
  add(packet: SourcePacket): void {
    const packets = this.#packets;
    if (packets[this.length] !== packet) {
      packets[packets.indexOf(packet)] = packets[this.length]!;
      packets[this.length] = packet;
    }
    this.length++;
  }

  clear(): void {
    this.length = 0;
  }
}
