/**
 * Repair packets of one down-track: of groups of packets as they leave, on a stream of their own.
 *
 * Contract: as many as the connection's budget for repairs has room for, and none while no group
 * size is set. Memory is made with the first group and is fixed then; nothing is allocated per
 * packet.
 *
 * @module
 */
import { PACKET_KIND, type PacketSink } from "../../base/packet_sink.ts";
import { FLEXFEC_MIME } from "../../base/media_vocabulary.ts";
import { OutgoingPacket } from "../packet/outgoing_packet.ts";
import type { DownTrackOptions } from "./down_track_options.ts";
import type { ExtensionMap } from "./extension_map.ts";
import { FecEncoder } from "./fec_encoder.ts";
import { writeBareHeader } from "./packet_writer.ts";

/** A group that is not full ends after so long, ms: a retransmission would come later. */
export const GROUP_MS = 100;

/** One down-track's repair packets. */
export class FecSender {
  /** When a group that is not full ends; `Infinity` without one. */
  dueAt = Infinity;
  sent = 0;
  readonly #sink: PacketSink;
  readonly #extensions: ExtensionMap;
  readonly #budget: DownTrackOptions["repairs"];
  readonly #timed: ((at: number) => void) | undefined;
  readonly #ssrc: number;
  readonly #packet = new OutgoingPacket();
  #encoder: FecEncoder | undefined;
  #group = 0;
  #sequence: number;

  /** @param fecSsrc The stream of the repair packets. */
  constructor(
    fecSsrc: number,
    { section, sink, repairs, listener }: DownTrackOptions,
    extensions: ExtensionMap,
    firstSequence: number,
  ) {
    this.#sink = sink;
    this.#extensions = extensions;
    this.#budget = repairs;
    this.#timed = listener.onTimed?.bind(listener);
    this.#ssrc = section.ssrc;
    this.#sequence = firstSequence & 0xffff;
    const packet = this.#packet;
    packet.isVideo = true;
    packet.packetKind = PACKET_KIND.repair;
    packet.ssrc = fecSsrc;
    packet.payloadType = section.codecs.find(({ mime }) => mime === FLEXFEC_MIME)?.payloadType ?? 0;
  }

  /** Of the next repair packet. */
  get nextSequence(): number {
    return this.#sequence;
  }

  /** Something is repaired in advance. */
  get isOn(): boolean {
    return this.#group > 0;
  }

  /** @param packets That share a repair packet; 0 for none. */
  setGroup(packets: number): void {
    this.#group = packets;
    if (packets > 0) this.#encoder ??= new FecEncoder(this.#ssrc);
    else this.reset();
  }

  /** A packet of the stream is about to be sealed: `out` is where it was written to. */
  leaves(out: Uint8Array, packet: OutgoingPacket, now: number): void {
    if (this.#group === 0) return;
    const encoder = this.#encoder!;
    const { numberAt, timeAt } = this.#extensions;
    if (!encoder.add(packet.sequence, out, packet, numberAt, timeAt)) return;
    this.#packet.timestamp = packet.timestamp;
    if (encoder.count > 1) return;
    this.dueAt = now + GROUP_MS;
    this.#timed?.(this.dueAt);
  }

  /** Sends what is due, between packets of the stream. */
  flush(now: number): void {
    const encoder = this.#encoder;
    if (encoder === undefined || encoder.count === 0) return;
    if (encoder.count < this.#group && now < this.dueAt) return;
    this.dueAt = Infinity;
    if (encoder.finish() && this.#budget?.hasSome(now) !== false) this.#send(encoder, now);
  }

  /** What was added up is of no use any more. */
  reset(): void {
    this.#encoder?.reset();
    this.dueAt = Infinity;
  }

  #send(encoder: FecEncoder, now: number): void {
    const out = this.#sink.reserve();
    if (out === undefined) return;
    const packet = this.#packet;
    packet.transportSequence = this.#extensions.takeNumber(this.#sink, now);
    packet.sequence = this.#sequence;
    this.#sequence = (this.#sequence + 1) & 0xffff;
    writeBareHeader(out, packet, this.#extensions, now);
    packet.source = encoder.bytes;
    packet.sourceAt = encoder.at;
    packet.sourceLength = encoder.length;
    this.sent++;
    this.#budget?.spend(packet.written + packet.sourceLength);
    this.#sink.send(packet, now);
  }
}
