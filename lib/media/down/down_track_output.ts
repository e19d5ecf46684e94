/**
 * How the packets of one down-track leave: written into the sink's room, counted, and remembered
 * for those that get lost.
 *
 * Contract: what was handed over once can be resent as it was, even if there was no room for it
 * then. No allocation per packet.
 *
 * @module
 */
import {
  NOT_NUMBERED,
  PACKET_KIND,
  type PacketKind,
  type PacketSink,
} from "../../base/packet_sink.ts";
import type { ReportBlock } from "../../wire/rtcp.ts";
import { hasTransportNumbers } from "../../base/media_vocabulary.ts";
import type { DownTrackCondition } from "./down_track_condition.ts";
import type { DownTrackOptions } from "./down_track_options.ts";
import { AudioDuplicates } from "./audio_duplicates.ts";
import { DROP, type DropReason } from "../layer/drop_reason.ts";
import type { ExtensionMap } from "./extension_map.ts";
import { OutgoingPacket } from "../packet/outgoing_packet.ts";
import type { LayerSource } from "../packet/forwarding_ports.ts";
import { FecSender } from "./fec_sender.ts";
import type { PacedTrack, Pacer } from "./pacer.ts";
import { PlayoutDelay } from "./playout_delay.ts";
import { LEAST_PADDING, writeBareHeader, writePacket, writePadding } from "./packet_writer.ts";
import { NO_SOURCE, type Resender } from "./resender.ts";
import { SilenceFrames } from "./silence_frames.ts";
import { redundancyIn } from "../select/codec_match.ts";
import type { SourcePacket } from "../packet/source_packet.ts";
import type { ToldLosses } from "./told_losses.ts";

/**
 * The share of packets that are asked for again is taken over so long at least, ms: browsers put a
 * report before each request, so reports come in heaps where packets are lost.
 */
const SHARE_MS = 500;

/**
 * One down-track's way out. What was handed over can be resent as it was, even if there was no room
 * for it; counters are totals since start.
 */
export class DownTrackOutput implements PacedTrack {
  // What each packet asks stands first, in few cache lines.
  /** What is sent next; the down-track fills it. */
  readonly packet: OutgoingPacket = new OutgoingPacket();
  /** How long the subscriber is to wait with pictures; absent: that is its business. */
  readonly #delay: PlayoutDelay | undefined;
  #newest = -1;
  /** Of the newest packet: its timestamp, and whether a frame ends with it. */
  lastTimestamp = 0;
  endsFrame = false;
  readonly #resender: Resender;
  /** Where bursts wait; absent for audio. */
  readonly #pacer: Pacer | undefined;
  readonly #sink: PacketSink;
  readonly #extensions: ExtensionMap;
  /** Makes repair packets of what leaves, where the subscriber takes them. */
  readonly fec: FecSender | undefined;
  /** Sends audio again unasked; absent where that is not wanted, and how often it did so far. */
  #duplicates: AudioDuplicates | undefined;
  duplicated = 0;
  packets = 0;
  bytes = 0;
  /** Payload bytes, as sender reports count them (RFC 3550 §6.4.1). */
  octets = 0;
  /** The highest number that left, extended. */
  #highest = -1;
  readonly #condition: DownTrackCondition;
  readonly #kind: PacketKind;
  readonly #onlyRepairs: boolean;
  /** Payload type of audio that has its copies inside; -1: there is none. */
  readonly #redundantType: number;
  /** Packets, and those missed of them, when their share was taken last, and when that was. */
  #packetsBefore = 0;
  #missedBefore = 0;
  #sharedAt = -Infinity;
  /** The subscriber tells when what is sent arrives. */
  readonly #isTold: boolean;
  /** What it tells not to have arrived. */
  readonly #losses: ToldLosses | undefined;
  /** What follows audio that is cut off. */
  readonly silence = new SilenceFrames();
  /** Whose packets leave; without it none that waits does. */
  source: LayerSource | undefined;

  /** @param former What sent under the same SSRCs before. */
  constructor(
    options: DownTrackOptions,
    extensions: ExtensionMap,
    resender: Resender,
    condition: DownTrackCondition,
    former?: DownTrackOutput,
  ) {
    const { section, sink, pacer, firstRtxSequence = 0 } = options;
    const first = former?.fec?.nextSequence ?? firstRtxSequence;
    this.fec = section.fecSsrc === undefined
      ? undefined
      : new FecSender(section.fecSsrc, options, extensions, first);
    this.#isTold = hasTransportNumbers(section);
    this.#losses = options.losses;
    this.#pacer = section.kind === "video" ? pacer : undefined;
    const { playoutDelay } = section;
    this.#delay = playoutDelay && new PlayoutDelay(playoutDelay, former && former.#delay);
    this.#onlyRepairs = playoutDelay?.onlyRepairs === true;
    this.lastTimestamp = former === undefined ? 0 : former.lastTimestamp;
    this.#redundantType = redundancyIn(section.codecs)?.payloadType ?? -1;
    this.#sink = sink;
    this.#extensions = extensions;
    this.#resender = resender;
    this.#condition = condition;
    this.packet.isVideo = section.kind === "video";
    this.packet.ssrc = section.ssrc;
    this.packet.stripsTrailer = section.stripsTrailer === true;
    this.packet.packetKind = this.#kind = section.kind === "video"
      ? PACKET_KIND.media
      : PACKET_KIND.audio;
  }

  /** Each packet of audio is sent again so often, with those behind it: 0–2 times. */
  setDuplicates(count: number): void {
    if (count === 0 || this.packet.isVideo) this.#duplicates = undefined;
    else (this.#duplicates ??= new AudioDuplicates(this.#sink, this.#redundantType)).count = count;
  }

  /**
   * Sends `packet`, made from a cached one.
   *
   * @param resendable Whether the cached packet alone is enough to write it again.
   */
  send(source: SourcePacket, resendable: boolean, now: number): DropReason {
    const out = this.packet;
    const { layer, slot, view, vp8 } = source;
    if (this.#delay !== undefined) out.playoutDelay = this.#delay.valueFor(out.sequence);
    if (out.sequence > this.#newest && !out.empty) {
      this.#newest = out.sequence;
      this.lastTimestamp = out.timestamp;
      this.endsFrame = view.marker || out.setsMarker;
    }
    const isLate = out.sequence < this.#newest;
    if (resendable) this.#resender.remember(out, source.seq, layer.spatial, now, isLate);
    const pacer = this.#pacer;
    if (pacer?.holds(view.length, now)) {
      this.#resender.holds(out.sequence);
      pacer.hold(this, out.sequence, view.length, now);
      return DROP.none;
    }
    this.#sendDuplicates(now);
    const bytes = this.#reserve(now);
    if (bytes === undefined) return DROP.noRoom;
    if (!writePacket(bytes, out, layer.cache, slot, view, vp8, this.#extensions, now)) {
      return DROP.outgoingTooLarge;
    }
    if (resendable) this.#resender.left(out, now);
    this.fec?.leaves(bytes, out, now);
    this.#duplicates?.keep(bytes, out, now);
    this.#left(source.payloadLength, now);
    this.fec?.flush(now);
    return DROP.none;
  }

  /** Sends a packet that waited, as it would have left then. */
  release(sequence: number, now: number): void {
    const sent = this.source && this.#resender.sendFirst(this.source, sequence, this.fec, now);
    if (sent === undefined) return;
    this.#count(sent, sent.sourceLength);
    this.fec?.flush(now);
  }

  /**
   * Nothing that waits is sent any more.
   *
   * @returns The lowest number from which on none has left; `Infinity` if none waited. A late
   *   packet waits behind higher numbers, of which some may have left.
   */
  forget(): number {
    this.source = undefined;
    this.fec?.reset();
    return Math.max(this.#pacer?.forget(this) ?? Infinity, this.#highest + 1);
  }

  /** A picture begins anew: what waits of the last one for a slow reader is not sent any more. */
  beginPicture(): void {
    if (this.#sink.outdate?.(this.packet.ssrc) === true) this.#resender.forget();
  }

  /**
   * Whether padding in the stream itself is of use, and does no harm: there is no other stream for
   * it, its arrival is told, and nothing waits that has lower numbers.
   */
  get padsItself(): boolean {
    return !this.#resender.hasRtx && this.#isTold && this.#pacer?.isWaiting !== true &&
      this.#sink.reserve() !== undefined;
  }

  /**
   * Sends `packet` as padding alone, which comes from no source.
   *
   * @param padding Bytes of it, `LEAST_PADDING` to `MOST_PADDING`.
   * @param resendable Whether it is sent again where it is missed.
   */
  sendPadding(now: number, padding: number = LEAST_PADDING, resendable = true): DropReason {
    const out = this.packet;
    this.lastTimestamp = out.timestamp;
    out.playoutDelay = -1;
    out.padding = padding;
    out.asReceived();
    out.empty = true;
    this.#resender.remember(out, NO_SOURCE, 0, now);
    const bytes = this.#reserve(now);
    if (bytes === undefined) return DROP.noRoom;
    if (!writePadding(bytes, out, this.#extensions, now, padding)) return DROP.outgoingTooLarge;
    if (resendable) this.#resender.left(out, now);
    else this.#resender.forgetOne(out.sequence);
    out.packetKind = PACKET_KIND.padding;
    this.#left(0, now);
    out.packetKind = this.#kind;
    return DROP.none;
  }

  /** Sends `packet` with a frame of silence, which comes from no source and is not sent again. */
  sendSilence(now: number): DropReason {
    const { payload } = this.silence;
    const out = this.packet;
    out.asReceived();
    out.empty = false;
    out.playoutDelay = -1;
    this.#sendDuplicates(now);
    const bytes = this.#reserve(now);
    if (bytes === undefined) return DROP.noRoom;
    writeBareHeader(bytes, out, this.#extensions, now);
    out.source = payload;
    out.sourceAt = 0;
    out.sourceLength = payload.length;
    this.#duplicates?.keep(bytes, out, now);
    this.#left(payload.length, now);
    return DROP.none;
  }

  /**
   * The subscriber reports on what it got.
   *
   * @param rttMs Round trip to it; negative if it is not known.
   */
  reported(
    block: ReportBlock,
    rttMs: number,
    clockRate: number,
    now: number,
  ): void {
    const delay = this.#delay;
    if (delay === undefined) return;
    delay.acknowledged(block.highestSequence & 0xffff, now);
    if (now - this.#sharedAt < SHARE_MS) return;
    this.#sharedAt = now;
    const packets = this.packets - this.#packetsBefore;
    // Who knows no round trip asks again for what is on its way.
    const missed = this.#onlyRepairs ? this.#resender.missed : this.#resender.asked;
    const missedPercent = packets === 0 ? 0 : (100 * (missed - this.#missedBefore)) / packets;
    this.#packetsBefore = this.packets;
    this.#missedBefore = missed;
    const jitterMs = (block.jitter * 1_000) / clockRate;
    const isUnasked = this.#losses?.isOn === true && this.fec?.isOn !== true;
    delay.measured(jitterMs, missedPercent, now, rttMs, isUnasked);
  }

  /** In front of the packet that is next: then there is no gap before that, and nobody asks. */
  #sendDuplicates(now: number): void {
    if (this.#duplicates !== undefined) this.duplicated += this.#duplicates.leave(now);
  }

  #reserve(now: number): Uint8Array | undefined {
    const out = this.packet;
    out.originalSequence = -1;
    const bytes = this.#sink.reserve();
    out.transportSequence = bytes === undefined
      ? NOT_NUMBERED
      : this.#extensions.takeNumber(this.#sink, now);
    return bytes;
  }

  #left(payloadLength: number, now: number): void {
    this.#count(this.packet, payloadLength);
    this.#sink.send(this.packet, now);
  }

  #count(out: OutgoingPacket, payloadLength: number): void {
    this.packets++;
    this.bytes += out.written + out.sourceLength;
    this.octets += payloadLength;
    if (out.sequence > this.#highest) this.#highest = out.sequence;
    this.#condition.sent(out.sequence);
  }
}
