/**
 * How the packets of one down-track leave: written into the sink's room, counted, and remembered
 * for those that get lost.
 *
 * Contract: what was handed over once can be resent as it was, even if there was no room for it
 * then. No allocation per packet.
 *
 * @module
 */
import { PACKET_KIND, type PacketKind, type PacketSink } from "../../base/packet_sink.ts";
import type { DownTrackCondition } from "./down_track_condition.ts";
import type { DownTrackSection } from "./down_track_options.ts";
import { DROP, type DropReason } from "../layer/drop_reason.ts";
import type { ExtensionMap } from "./extension_map.ts";
import { OutgoingPacket } from "../packet/outgoing_packet.ts";
import { writePacket, writePadding } from "./packet_writer.ts";
import { NO_SOURCE, type Resender } from "./resender.ts";
import type { SourcePacket } from "../packet/source_packet.ts";

/**
 * One down-track's way out. What was handed over can be resent as it was, even if there was no room
 * for it; counters are totals since start.
 */
export class DownTrackOutput {
  /** What leaves next; the down-track fills it. */
  readonly packet: OutgoingPacket = new OutgoingPacket();
  packets = 0;
  bytes = 0;
  /** Payload bytes, as sender reports count them (RFC 3550 §6.4.1). */
  octets = 0;
  readonly #sink: PacketSink;
  readonly #extensions: ExtensionMap;
  readonly #resender: Resender;
  readonly #condition: DownTrackCondition;
  readonly #kind: PacketKind;

  constructor(
    section: DownTrackSection,
    sink: PacketSink,
    extensions: ExtensionMap,
    resender: Resender,
    condition: DownTrackCondition,
  ) {
    this.#sink = sink;
    this.#extensions = extensions;
    this.#resender = resender;
    this.#condition = condition;
    this.packet.isVideo = section.kind === "video";
    this.packet.ssrc = section.ssrc;
    this.packet.packetKind = this.#kind = section.kind === "video"
      ? PACKET_KIND.media
      : PACKET_KIND.audio;
  }

  /**
   * Sends `packet`, made from a cached one.
   *
   * @param resendable Whether the cached packet alone is enough to write it again.
   */
  send(source: SourcePacket, resendable: boolean, now: number): DropReason {
    const out = this.packet;
    const { layer, slot, view, vp8 } = source;
    if (resendable) this.#resender.remember(out, source.seq, layer.spatial, now);
    const bytes = this.#reserve();
    if (bytes === undefined) return DROP.noRoom;
    if (!writePacket(bytes, out, layer.cache, slot, view, vp8, this.#extensions, now)) {
      return DROP.outgoingTooLarge;
    }
    this.#left(source.payloadLength, now);
    return DROP.none;
  }

  /** Sends `packet` as padding alone, which comes from no source. */
  sendPadding(now: number): DropReason {
    const out = this.packet;
    out.asReceived();
    out.empty = true;
    this.#resender.remember(out, NO_SOURCE, 0, now);
    const bytes = this.#reserve();
    if (bytes === undefined) return DROP.noRoom;
    if (!writePadding(bytes, out, this.#extensions, now)) return DROP.outgoingTooLarge;
    out.packetKind = PACKET_KIND.padding;
    this.#left(0, now);
    out.packetKind = this.#kind;
    return DROP.none;
  }

  #reserve(): Uint8Array | undefined {
    const out = this.packet;
    out.originalSequence = -1;
    const bytes = this.#sink.reserve();
    out.transportSequence = bytes !== undefined && this.#extensions.usesTransportSequence
      ? this.#sink.nextTransportSequence()
      : -1;
    return bytes;
  }

  #left(payloadLength: number, now: number): void {
    const out = this.packet;
    this.packets++;
    this.bytes += out.written + out.sourceLength;
    this.octets += payloadLength;
    this.#condition.sent(out.sequence);
    this.#sink.send(out, now);
  }
}
