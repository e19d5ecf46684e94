/**
 * Answers one subscriber's NACKs from the up-track's caches, as RTX (RFC 4588 §4) where negotiated.
 *
 * Contract: a resent packet equals its first sending byte for byte, except for what RTX and the
 * connection number anew (RTX header, transport-wide number, abs-send-time); it is resent at most
 * three times and not more often than a round trip can use.
 *
 * @module
 */
import { PACKET_KIND, type PacketSink } from "../../base/packet_sink.ts";
import { RtpView } from "../../wire/rtp_view.ts";
import { extendSeq, type ExtSeq } from "../../wire/seq.ts";
import { Vp8Descriptor } from "../../wire/vp8_descriptor.ts";
import type { DownTrackSection } from "./down_track_options.ts";
import { DROP, type DropReason, type DropTally } from "../layer/drop_reason.ts";
import type { ExtensionMap } from "./extension_map.ts";
import type { LayerSource } from "../packet/forwarding_ports.ts";
import { OutgoingPacket } from "../packet/outgoing_packet.ts";
import { writePacket, writePadding } from "./packet_writer.ts";
import { MOST_PACKETS } from "../layer/packet_cache.ts";
import { MAX_RESENDS, ResendHistory } from "./resend_history.ts";

/** Packets that can be resent at first; at most those that an up-track keeps. */
const LEAST_HISTORY = 64;
/** A packet is resent at most once in so many ms, or twice the round trip if that is less. */
const MAX_GAP_MS = 100;

/** The source number of what came from no source: padding. */
export const NO_SOURCE = -1;

/**
 * One down-track's memory of what it sent. A resent packet equals its first sending but for what
 * RTX and the connection number anew, and goes out a bounded number of times.
 */
export class Resender {
  /** Packets resent so far. */
  resent = 0;
  readonly #section: DownTrackSection;
  readonly #sink: PacketSink;
  readonly #extensions: ExtensionMap;
  readonly #most: number;
  #history = new ResendHistory(LEAST_HISTORY);
  readonly #packet = new OutgoingPacket();
  readonly #view = new RtpView();
  readonly #vp8 = new Vp8Descriptor();
  #rtxSequence: number;

  constructor(
    section: DownTrackSection,
    sink: PacketSink,
    extensions: ExtensionMap,
    firstRtxSequence: number,
    readonly drops: DropTally,
  ) {
    this.#section = section;
    this.#packet.isVideo = section.kind === "video";
    this.#packet.packetKind = PACKET_KIND.repair;
    this.#sink = sink;
    this.#extensions = extensions;
    this.#most = MOST_PACKETS[section.kind];
    this.#rtxSequence = firstRtxSequence & 0xffff;
  }

  /** Notes a packet that is being sent for the first time. */
  remember(sent: OutgoingPacket, sourceSeq: number, spatial: number, now: number): void {
    let history = this.#history;
    while (history.capacity < this.#most && history.forgetsRecent(sent.sequence, now)) {
      history = this.#history = history.doubled();
    }
    const entry = history.claim(sent.sequence, now);
    history.sourceSeq[entry] = sourceSeq;
    history.spatial[entry] = spatial;
    history.payloadType[entry] = sent.payloadType;
    history.timestamp[entry] = sent.timestamp;
    history.empty[entry] = sent.empty ? 1 : 0;
    history.pictureId[entry] = sent.pictureId;
    history.tl0PicIdx[entry] = sent.tl0PicIdx;
    history.keyIdx[entry] = sent.keyIdx;
    history.setsMarker[entry] = sent.setsMarker ? 1 : 0;
    history.activeTargets[entry] = sent.activeTargets;
    history.targetCount[entry] = sent.targetCount;
  }

  /** Nothing noted so far can be resent any more. */
  forget(): void {
    this.#history = new ResendHistory(LEAST_HISTORY);
  }

  /**
   * Resends what a NACK asks for: `numbers[0, count)`, 16 bits each (RFC 4585 §6.2.1), around the
   * extended number `last`, the highest that was sent.
   */
  answer(
    source: LayerSource,
    numbers: Uint16Array,
    count: number,
    last: number,
    rttMs: number,
    now: number,
  ): void {
    for (let i = 0; i < count; i++) {
      const sequence = extendSeq(numbers[i]!, last as ExtSeq);
      const reason = this.#resend(source, sequence, rttMs, now);
      if (reason !== DROP.none) this.drops.count(reason);
    }
  }

  /** Resends the packet with extended outgoing number `sequence`; 0 if it was sent. */
  #resend(source: LayerSource, sequence: number, rttMs: number, now: number): DropReason {
    const history = this.#history;
    const entry = history.find(sequence);
    if (entry < 0) return DROP.nackUnknown;
    if (history.resends[entry]! >= MAX_RESENDS) return DROP.nackExhausted;
    if (now - history.resentAt[entry]! < Math.min(MAX_GAP_MS, 2 * rttMs)) return DROP.nackTooSoon;
    const reason = history.sourceSeq[entry] === NO_SOURCE
      ? this.#writePadding(entry, sequence, now)
      : this.#write(source, entry, sequence, now);
    if (reason !== DROP.none) return reason;
    history.resends[entry]!++;
    history.resentAt[entry] = now;
    this.resent++;
    this.#sink.send(this.#packet, now);
    return DROP.none;
  }

  #write(source: LayerSource, entry: number, sequence: number, now: number): DropReason {
    const history = this.#history;
    const cache = source.layer(history.spatial[entry]!)?.cache;
    const slot = cache?.find(history.sourceSeq[entry]!) ?? -1;
    if (cache === undefined || slot < 0) return DROP.nackExpired;
    const view = this.#view;
    if (!view.wrap(cache.slotBytes(slot), cache.lengthOf(slot))) return DROP.nackExpired;
    if (!this.#recall(entry, sequence)) return DROP.nackExpired;
    const out = this.#sink.reserve();
    if (out === undefined) return DROP.noRoom;
    return writePacket(out, this.#packet, cache, slot, view, this.#vp8, this.#extensions, now)
      ? DROP.none
      : DROP.outgoingTooLarge;
  }

  #writePadding(entry: number, sequence: number, now: number): DropReason {
    const packet = this.#packet;
    packet.asReceived();
    packet.timestamp = this.#history.timestamp[entry]!;
    this.#frame(sequence, this.#history.payloadType[entry]!);
    const out = this.#sink.reserve();
    if (out === undefined) return DROP.noRoom;
    return writePadding(out, packet, this.#extensions, now) ? DROP.none : DROP.outgoingTooLarge;
  }

  /** Sets `#packet` (and `#vp8`) to what was sent; `#view` is on the cached packet. */
  #recall(entry: number, sequence: number): boolean {
    const history = this.#history;
    const view = this.#view;
    const out = this.#packet;
    out.pictureId = history.pictureId[entry]!;
    if (
      out.pictureId >= 0 && !this.#vp8.parse(view.bytes, view.payloadOffset, view.payloadLength)
    ) return false;
    out.tl0PicIdx = history.tl0PicIdx[entry]!;
    out.keyIdx = history.keyIdx[entry]!;
    out.empty = history.empty[entry] === 1;
    out.setsMarker = history.setsMarker[entry] === 1;
    out.activeTargets = history.activeTargets[entry]!;
    out.targetCount = history.targetCount[entry]!;
    out.timestamp = history.timestamp[entry]!;
    this.#frame(sequence, history.payloadType[entry]!);
    return true;
  }

  /** RTX if it was negotiated for that payload type, else the packet as it was. */
  #frame(sequence: number, payloadType: number): void {
    const out = this.#packet;
    const { codecs, rtxSsrc, ssrc } = this.#section;
    out.transportSequence = this.#extensions.usesTransportSequence
      ? this.#sink.nextTransportSequence()
      : -1;
    let rtxPayloadType = -1;
    for (let i = 0; i < codecs.length; i++) {
      if (codecs[i]!.payloadType === payloadType) rtxPayloadType = codecs[i]!.rtxPayloadType ?? -1;
    }
    if (rtxSsrc === undefined || rtxPayloadType < 0) {
      out.payloadType = payloadType;
      out.ssrc = ssrc;
      out.sequence = sequence;
      out.originalSequence = -1;
      return;
    }
    out.payloadType = rtxPayloadType;
    out.ssrc = rtxSsrc;
    out.sequence = this.#rtxSequence;
    this.#rtxSequence = (this.#rtxSequence + 1) & 0xffff;
    out.originalSequence = sequence & 0xffff;
  }
}
