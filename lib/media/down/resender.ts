/**
 * Answers one subscriber's NACKs from the up-track's caches, as RTX (RFC 4588 §4) where negotiated.
 *
 * Contract: without RTX a resent packet equals its first sending byte for byte, header extensions
 * included: it has the same nonce, under which AES-GCM must not authenticate anything else. With
 * RTX it differs in what the stream and the connection number anew (RTX header, transport-wide
 * number, abs-send-time). It is resent at most three times and not more often than a round trip
 * can use.
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
import type { FecSender } from "./fec_sender.ts";
import type { LayerSource } from "../packet/forwarding_ports.ts";
import { OutgoingPacket } from "../packet/outgoing_packet.ts";
import { MOST_PADDING, writePacket, writePadding } from "./packet_writer.ts";
import { MOST_PACKETS } from "../layer/packet_cache.ts";
import type { RepairBudget } from "./repair_budget.ts";
import { MAX_RESENDS, NOT_LEFT, ResendHistory } from "./resend_history.ts";

/** Packets that can be resent at first; at most those that an up-track keeps. */
const LEAST_HISTORY = 64;
/**
 * A packet is resent once in a round trip, less what its measure may be off by: what was resent
 * later than that the subscriber cannot have missed yet. The bounds are in ms.
 */
const GAP_OF_RTT = 0.9;
const MIN_GAP_MS = 10;
const MAX_GAP_MS = 1_000;
/** Of what is sent without need: packets are tried so far back, and so old, ms. */
const RECENT_PACKETS = 16;
const RECENT_MS = 1_000;

/** The source number of what came from no source: padding. */
export const NO_SOURCE = -1;

/**
 * One down-track's memory of what it sent. A resent packet equals its first sending but for what
 * RTX and the connection number anew, and goes out a bounded number of times.
 */
export class Resender {
  /** Packets resent so far. */
  resent = 0;
  /** Requests for packets of media that were noted, and those packets that were resent at all. */
  asked = 0;
  missed = 0;
  /** There is a stream for what comes again, and for padding. */
  readonly hasRtx: boolean;
  readonly #section: DownTrackSection;
  readonly #sink: PacketSink;
  readonly #extensions: ExtensionMap;
  readonly #most: number;
  #history = new ResendHistory(LEAST_HISTORY);
  readonly #packet = new OutgoingPacket();
  /** Where it was written to last. */
  #out: Uint8Array | undefined;
  readonly #view = new RtpView();
  readonly #vp8 = new Vp8Descriptor();
  #rtxSequence: number;
  readonly #budget: RepairBudget | undefined;
  /** How far back the packet is that was sent without need last. */
  #recent = 0;
  /** Some packets are resent as they were. */
  readonly #keepsHeaders: boolean;
  /** The packet that is written left before, under the same number. */
  #isAgain = false;

  constructor(
    section: DownTrackSection,
    sink: PacketSink,
    extensions: ExtensionMap,
    firstRtxSequence: number,
    readonly drops: DropTally,
    budget?: RepairBudget,
  ) {
    this.#budget = budget;
    this.#section = section;
    this.hasRtx = section.rtxSsrc !== undefined &&
      section.codecs.some((codec) => codec.rtxPayloadType !== undefined);
    this.#keepsHeaders = section.rtxSsrc === undefined ||
      section.codecs.some((codec) => codec.rtxPayloadType === undefined);
    this.#packet.isVideo = section.kind === "video";
    this.#packet.stripsTrailer = section.stripsTrailer === true;
    this.#sink = sink;
    this.#extensions = extensions;
    this.#most = MOST_PACKETS[section.kind];
    this.#rtxSequence = firstRtxSequence & 0xffff;
  }

  /**
   * Notes a packet that is being sent for the first time.
   *
   * @param isLate Packets with higher numbers left before it.
   */
  remember(
    sent: OutgoingPacket,
    sourceSeq: number,
    spatial: number,
    now: number,
    isLate = false,
  ): void {
    let history = this.#history;
    while (history.capacity < this.#most && history.forgetsRecent(sent.sequence, now)) {
      history = this.#history = history.doubled();
    }
    history.note(sent, sourceSeq, spatial, now, isLate);
  }

  /** A packet that was noted leaves with the numbers and the time that are in its header. */
  left(sent: OutgoingPacket, now: number): void {
    if (!this.#keepsHeaders) return;
    const entry = this.#history.find(sent.sequence);
    if (entry >= 0) this.#noteHeader(entry, sent.transportSequence, now);
  }

  /** A packet that was noted does not leave yet: {@linkcode Resender.sendFirst} sends it. */
  holds(sequence: number): void {
    const entry = this.#history.find(sequence);
    if (entry >= 0) this.#history.setWaits(entry, true);
  }

  /** When a packet left first, monotonic ms; `Infinity` if it did not, or is forgotten. */
  leftAt(sequence: number): number {
    const entry = this.#history.find(sequence);
    return entry < 0 || this.#history.waits(entry) ? Infinity : this.#history.sentAt(entry);
  }

  /** Of the next packet on the RTX SSRC, 16 bits. */
  get nextRtxSequence(): number {
    return this.#rtxSequence;
  }

  /** A packet that was noted is not resent: nobody misses it. */
  forgetOne(sequence: number): void {
    this.#history.forget(sequence);
  }

  /** Nothing noted so far can be resent any more. */
  forget(): void {
    this.#history = new ResendHistory(LEAST_HISTORY);
  }

  /**
   * Resends what a NACK asks for: `numbers[0, count)`, 16 bits each (RFC 4585 §6.2.1), around the
   * extended number `last`, the highest that was sent.
   *
   * @returns How many of them were lost: they left in their turn, and not a moment ago.
   */
  answer(
    source: LayerSource,
    numbers: Uint16Array,
    count: number,
    last: number,
    rttMs: number,
    now: number,
  ): number {
    let lost = 0;
    for (let i = 0; i < count; i++) {
      const sequence = extendSeq(numbers[i]!, last as ExtSeq);
      const entry = this.#history.find(sequence);
      if (entry < 0 || this.#history.waits(entry)) {
        this.drops.count(DROP.nackUnknown);
        continue;
      }
      if (this.#isLost(entry, rttMs, now)) lost++;
      if (this.#isMedia(entry)) this.asked++;
      const reason = this.#resend(source, entry, sequence, rttMs, now);
      if (reason !== DROP.none) this.drops.count(reason);
    }
    return lost;
  }

  /** Nobody waits for padding. */
  #isMedia(entry: number): boolean {
    return this.#history.sourceSeq(entry) !== NO_SOURCE;
  }

  /** What came late to us is missed, and asked for, until a round trip after it has left. */
  #isLost(entry: number, rttMs: number, now: number): boolean {
    const history = this.#history;
    return !history.isLate(entry) && now - history.sentAt(entry) >= GAP_OF_RTT * rttMs;
  }

  /**
   * Resends a packet (16 bits, around the extended number `last`) that nobody has asked for, to who
   * expects packets again.
   */
  resendLost(source: LayerSource, number: number, last: number, now: number): void {
    if (!this.hasRtx) return;
    const sequence = extendSeq(number, last as ExtSeq);
    const history = this.#history;
    const entry = history.find(sequence);
    if (entry < 0 || history.waits(entry) || history.resends(entry) > 0) return;
    // Whatever is in the way of it, it can still be asked for: nothing is dropped.
    this.#resend(source, entry, sequence, 0, now);
  }

  /**
   * Sends a packet that was noted and has not left yet, as it would have left then.
   *
   * @returns What was sent, valid until the next call of anything here; `undefined` if it is gone,
   *   or there is no room.
   */
  sendFirst(
    source: LayerSource,
    sequence: number,
    fec: FecSender | undefined,
    now: number,
  ): OutgoingPacket | undefined {
    const packet = this.#packet;
    const entry = this.#history.find(sequence);
    if (entry >= 0) this.#history.setWaits(entry, false);
    if (entry < 0 || this.#write(source, entry, sequence, now, false) !== DROP.none) {
      this.drops.count(DROP.pacedExpired);
      return undefined;
    }
    this.left(packet, now);
    packet.packetKind = PACKET_KIND.media;
    fec?.leaves(this.#out!, packet, now);
    this.#sink.send(packet, now);
    return packet;
  }

  /**
   * Resends the packet that was noted at `entry`, and has left, with extended outgoing number
   * `sequence`; 0 if it was sent.
   */
  #resend(
    source: LayerSource,
    entry: number,
    sequence: number,
    rttMs: number,
    now: number,
  ): DropReason {
    const history = this.#history;
    if (history.resends(entry) >= MAX_RESENDS) return DROP.nackExhausted;
    const gapMs = Math.min(MAX_GAP_MS, Math.max(MIN_GAP_MS, GAP_OF_RTT * rttMs));
    if (now - history.resentAt(entry) < gapMs) return DROP.nackTooSoon;
    if (this.#packet.isVideo && this.#budget?.hasSome(now) === false) return DROP.nackOverBudget;
    const reason = this.#sendAgain(source, entry, sequence, now);
    if (reason !== DROP.none) return reason;
    if (history.resends(entry) === 0 && this.#isMedia(entry)) this.missed++;
    history.resent(entry, now);
    const budget = this.#budget;
    // A second answer is late anyway, and some ask until the end for what has come (pion).
    const isFirst = this.#section.rtxSsrc !== undefined && history.resends(entry) === 1;
    const copies = isFirst ? budget?.copies ?? 1 : 1;
    for (let copy = 1; copy < copies && budget!.hasSome(now); copy++) {
      this.#sendAgain(source, entry, sequence, now);
    }
    return DROP.none;
  }

  #sendAgain(
    source: LayerSource,
    entry: number,
    sequence: number,
    now: number,
  ): DropReason {
    const reason = this.#history.sourceSeq(entry) === NO_SOURCE
      ? this.#writePadding(entry, sequence, now)
      : this.#write(source, entry, sequence, now);
    if (reason !== DROP.none) return reason;
    this.#budget?.spend(this.#packet.written + this.#packet.sourceLength);
    this.resent++;
    this.#packet.packetKind = this.#isAgain ? PACKET_KIND.again : PACKET_KIND.repair;
    this.#sink.send(this.#packet, now);
    return DROP.none;
  }

  /**
   * Sends one packet more, which nobody misses, on the retransmission stream: a recent one again,
   * else padding.
   *
   * @param last The highest extended number that was sent, or -1.
   * @param recentOnly Not padding.
   * @param most Bytes of a packet that is sent again.
   * @returns `false` if nothing was sent, as where there is no such stream.
   */
  pad(
    source: LayerSource | undefined,
    last: number,
    recentOnly: boolean,
    most: number,
    now: number,
  ): boolean {
    if (!this.hasRtx) return false;
    const isRecent = this.#padRecent(source, last, most, now);
    if (!isRecent && (recentOnly || !this.#padEmpty(last, now))) return false;
    this.#packet.packetKind = PACKET_KIND.padding;
    this.#sink.send(this.#packet, now);
    return true;
  }

  #padRecent(
    source: LayerSource | undefined,
    last: number,
    most: number,
    now: number,
  ): boolean {
    const history = this.#history;
    for (let i = 0; i < RECENT_PACKETS && source !== undefined && last >= 0; i++) {
      this.#recent = (this.#recent + 1) % RECENT_PACKETS;
      const entry = history.find(last - this.#recent);
      if (entry < 0 || history.isEmpty(entry) || history.sourceSeq(entry) === NO_SOURCE) {
        continue;
      }
      if (history.waits(entry)) continue;
      if (now - history.sentAt(entry) > RECENT_MS) continue;
      const cache = source.layer(history.spatial(entry))?.cache;
      const slot = cache?.find(history.sourceSeq(entry)) ?? -1;
      if (slot < 0 || cache!.lengthOf(slot) > most) continue;
      if (this.#rtxPayloadType(history.payloadType(entry)) < 0) return false;
      if (this.#write(source, entry, last - this.#recent, now) === DROP.none) return true;
    }
    return false;
  }

  #padEmpty(last: number, now: number): boolean {
    const { codecs, rtxSsrc } = this.#section;
    const entry = last < 0 ? -1 : this.#history.find(last);
    const payloadType = codecs.find((codec) => codec.rtxPayloadType !== undefined)?.rtxPayloadType;
    if (payloadType === undefined) return false;
    const packet = this.#packet;
    packet.asReceived();
    packet.playoutDelay = -1;
    packet.empty = true;
    packet.timestamp = entry < 0 ? 0 : this.#history.timestamp(entry);
    packet.payloadType = payloadType;
    packet.ssrc = rtxSsrc!;
    packet.originalSequence = -1;
    const out = this.#sink.reserve();
    if (out === undefined) return false;
    packet.sequence = this.#takeRtxSequence();
    packet.transportSequence = this.#takeTransportSequence(now);
    return writePadding(out, packet, this.#extensions, now, MOST_PADDING);
  }

  /** @param again Not for the first time: by RTX where there is such a stream. */
  #write(
    source: LayerSource,
    entry: number,
    sequence: number,
    now: number,
    again = true,
  ): DropReason {
    const history = this.#history;
    const cache = source.layer(history.spatial(entry))?.cache;
    const slot = cache?.find(history.sourceSeq(entry)) ?? -1;
    if (cache === undefined || slot < 0) return DROP.nackExpired;
    const view = this.#view;
    if (!view.wrap(cache.slotBytes(slot), cache.lengthOf(slot))) return DROP.nackExpired;
    if (!this.#recall(entry, sequence, now, again)) return DROP.nackExpired;
    const out = this.#out = this.#sink.reserve();
    if (out === undefined) return DROP.noRoom;
    const at = this.#headerTime(entry, now);
    return writePacket(out, this.#packet, cache, slot, view, this.#vp8, this.#extensions, at)
      ? DROP.none
      : DROP.outgoingTooLarge;
  }

  #writePadding(entry: number, sequence: number, now: number): DropReason {
    const packet = this.#packet;
    packet.asReceived();
    packet.playoutDelay = this.#history.playoutDelay(entry);
    packet.timestamp = this.#history.timestamp(entry);
    packet.padding = this.#history.padding(entry);
    this.#frame(entry, sequence, now);
    const out = this.#sink.reserve();
    if (out === undefined) return DROP.noRoom;
    const at = this.#headerTime(entry, now);
    return writePadding(out, packet, this.#extensions, at, packet.padding)
      ? DROP.none
      : DROP.outgoingTooLarge;
  }

  /** Sets `#packet` (and `#vp8`) to what was sent; `#view` is on the cached packet. */
  #recall(entry: number, sequence: number, now: number, again: boolean): boolean {
    const history = this.#history;
    const view = this.#view;
    const out = this.#packet;
    history.recall(entry, out);
    if (
      out.pictureId >= 0 && !this.#vp8.parse(view.bytes, view.payloadOffset, view.payloadLength)
    ) return false;
    this.#frame(entry, sequence, now, again);
    return true;
  }

  /** RTX if it was negotiated for the packet's payload type, else the packet as it was. */
  #frame(entry: number, sequence: number, now: number, again = true): void {
    const history = this.#history;
    const out = this.#packet;
    const payloadType = history.payloadType(entry);
    const { rtxSsrc, ssrc } = this.#section;
    this.#isAgain = false;
    const rtxPayloadType = again ? this.#rtxPayloadType(payloadType) : -1;
    if (rtxSsrc === undefined || rtxPayloadType < 0) {
      out.payloadType = payloadType;
      out.ssrc = ssrc;
      out.sequence = sequence;
      out.originalSequence = -1;
      this.#number(entry, now, again);
      return;
    }
    out.transportSequence = this.#takeTransportSequence(now);
    out.payloadType = rtxPayloadType;
    out.ssrc = rtxSsrc;
    out.sequence = this.#takeRtxSequence();
    out.originalSequence = sequence & 0xffff;
  }

  /** The numbers of a packet that goes under its own sequence number: always the same. */
  #number(entry: number, now: number, again: boolean): void {
    const history = this.#history;
    const left = history.transportSequence(entry);
    this.#isAgain = again && left !== NOT_LEFT;
    const number = this.#isAgain ? left : this.#takeTransportSequence(now);
    if (again && !this.#isAgain) this.#noteHeader(entry, number, now);
    this.#packet.transportSequence = number;
  }

  /** The time that the header says: of a packet that left before, the time of that. */
  #headerTime(entry: number, now: number): number {
    return this.#isAgain ? this.#history.writtenAt(entry) : now;
  }

  #noteHeader(entry: number, transportSequence: number, now: number): void {
    this.#history.left(entry, transportSequence, now);
  }

  #rtxPayloadType(payloadType: number): number {
    const { codecs } = this.#section;
    for (let i = 0; i < codecs.length; i++) {
      if (codecs[i]!.payloadType === payloadType) return codecs[i]!.rtxPayloadType ?? -1;
    }
    return -1;
  }

  #takeTransportSequence(now: number): number {
    return this.#extensions.takeNumber(this.#sink, now);
  }

  #takeRtxSequence(): number {
    const sequence = this.#rtxSequence;
    this.#rtxSequence = (sequence + 1) & 0xffff;
    return sequence;
  }
}
