/**
 * One received stream: a simulcast layer, or the only stream of a track. It has its own SSRC,
 * sequence space, packet cache, NACK state, statistics and clock; layers share nothing.
 *
 * Sequence numbers are extended here, and a restart of the stream (RFC 3550 A.1) continues them
 * above all earlier ones, so a number names one packet for the life of the layer.
 *
 * @module
 */
import type { CodecParameters, MediaKind, SpatialLayer } from "../../base/media_vocabulary.ts";
import { FrameSize } from "../../wire/frame_size.ts";
import type { ReportBlock } from "../../wire/rtcp.ts";
import type { RtpView } from "../../wire/rtp_view.ts";
import { CODEC, type CodecFamily, codecFamily } from "../../wire/key_frame.ts";
import { extendSeq, type ExtSeq } from "../../wire/seq.ts";
import { DROP, type DropReason } from "./drop_reason.ts";
import { FecDecoder } from "./fec_decoder.ts";
import { FrameRateMeter } from "./frame_rate_meter.ts";
import { KeyFrameThrottle, TrackRequests } from "./key_frame_throttle.ts";
import { LayerRates } from "./layer_rates.ts";
import { LossInterval } from "./loss_interval.ts";
import { NackTracker } from "./nack_tracker.ts";
import { MOST_PACKETS, PacketCache } from "./packet_cache.ts";
import { ReceiveStatistics } from "./receive_statistics.ts";
import { RtcpClock } from "./rtcp_clock.ts";
import { RedundantPayloads } from "./redundant_payloads.ts";
import { SvcStream } from "./svc_stream.ts";

/** Packets of a video layer that is slow, or that nobody wants. */
const LEAST_VIDEO_PACKETS = 64;
const LEAST_AUDIO_PACKETS = 32;
/** What a cache has grown by is let go when it was of no use for so long, ms, up to twice that. */
const CACHE_REVIEW_MS = 3000;
/** Numbers further ahead than this may be a restart (RFC 3550 A.1 `MAX_DROPOUT`). */
const MAX_DROPOUT = 3000;
/** Numbers further back than this may be a restart; nearer ones are late or duplicates. */
const MAX_MISORDER = 1000;
/** Who pauses for so long may come back with a clock that stood still, ms… */
const PAUSE_MS = 1000;
/** …which is one that is off by more than what was captured can be late by, ms. */
const PAUSED_OFF_MS = 500;
/** As that, after a mute: it was not the path that had nothing to bring. */
const MUTED_OFF_MS = 200;
/** A layer without packets for so long, ms… */
const SILENCE_MS = 1000;
/** …while the other layers had this many is switched off by its publisher, and not merely still. */
export const SILENCE_PACKETS = 5;

/** Figures of one layer, shaped for the engine's statistics. */
export interface UpTrackLayerStats {
  readonly spatial: SpatialLayer;
  readonly ssrc: number;
  readonly packets: number;
  readonly bytes: number;
  readonly lost: number;
  /** Packets that were made of repair packets. */
  readonly repaired: number;
  readonly nacksSent: number;
  readonly plisSent: number;
}

/**
 * One received stream. Its fields are read by {@linkcode UpTrack} and by down-tracks and written
 * here alone; an extended number names one packet for the layer's life.
 */
export class UpTrackLayer {
  ssrc: number;
  codec: CodecParameters;
  family: CodecFamily;
  /** Changes with each restart or new binding: what was learnt of the old stream is void. */
  epoch = 0;
  readonly cache: PacketCache;
  readonly nack: NackTracker = new NackTracker();
  readonly statistics: ReceiveStatistics = new ReceiveStatistics();
  readonly frameRate: FrameRateMeter = new FrameRateMeter();
  readonly rates: LayerRates = new LayerRates();
  readonly clock: RtcpClock = new RtcpClock();
  readonly keyFrames: KeyFrameThrottle;
  /** Monotonic ms of the newest packet. */
  lastPacketAt: number;
  /** Packets of the track's other layers since this one's newest. */
  packetsElsewhere = 0;
  /** Whether the publisher sends it; see {@linkcode UpTrack}. */
  live = true;
  nacksSent = 0;
  /** Packets that were made of repair packets. */
  repaired = 0;
  /** Reports say what is lost behind this server, if that is more: encoders protect by it. */
  tellsFarLoss = false;
  /** The most that a subscriber reported since our last report, as in the packet (0–255). */
  #farLoss = 0;
  /** Packets that came after their turn, retransmitted ones included. */
  late = 0;
  /** The spatial layers inside it, if any. */
  readonly svc: SvcStream = new SvcStream();
  readonly losses: LossInterval = new LossInterval();
  #redundant: RedundantPayloads | undefined;
  /** Repair packets, if any came. */
  #fec: FecDecoder | undefined;
  /** Of its pictures, as the last key frame said. */
  readonly size: FrameSize = new FrameSize();
  #started = false;
  /** It was muted, and nothing has come since. */
  #wasMuted = false;
  #highest = 0 as ExtSeq;
  /** The number that would confirm a restart, or -1. */
  #restartAt = -1;
  #reviewAt = Infinity;
  /** Whether the cache was of no use at its last review, and the highest number then. */
  #isCacheIdle = false;
  #reviewedHighest = 0 as ExtSeq;

  /** What the layers of one track share. @param throttleMs As `rtc.pli_throttle` says. */
  static requestsOf(throttleMs: readonly number[] | undefined): TrackRequests {
    return new TrackRequests(throttleMs);
  }

  constructor(
    readonly spatial: number,
    kind: MediaKind,
    ssrc: number,
    codec: CodecParameters,
    now: number,
    readonly requests: TrackRequests,
  ) {
    this.ssrc = ssrc;
    this.codec = codec;
    this.family = codecFamily(codec.mime);
    const least = kind === "video" ? LEAST_VIDEO_PACKETS : LEAST_AUDIO_PACKETS;
    this.cache = new PacketCache(least, MOST_PACKETS[kind]);
    this.keyFrames = new KeyFrameThrottle(spatial, requests);
    this.lastPacketAt = now;
    if (kind === "video") this.keyFrames.seed(now);
  }

  /**
   * The same layer continues with another SSRC or codec.
   *
   * @returns Whether it starts anew; redundant audio and the bare codec in it are one stream.
   */
  rebind(ssrc: number, codec: CodecParameters, now: number): boolean {
    const isOneStream = ssrc === this.ssrc && isOpus(codec) && isOpus(this.codec);
    this.ssrc = ssrc;
    this.codec = codec;
    if (isOneStream) return false;
    this.family = codecFamily(codec.mime);
    this.lastPacketAt = now;
    this.restart();
    this.size.forget();
    this.rates.forget();
    if (this.family !== CODEC.other) this.keyFrames.seed(now);
    return true;
  }

  /** Whether it is audio that comes with copies of earlier frames (RFC 2198). */
  get isRedundant(): boolean {
    return this.family === CODEC.other && this.codec.mime === "audio/red";
  }

  /** Its audio with redundancy, for subscribers that get it so and not as it comes. */
  get redundant(): RedundantPayloads {
    return this.#redundant ??= new RedundantPayloads();
  }

  /**
   * Keeps a repair packet; `false` if it is none of this stream.
   *
   * @param mutable Ids of extensions whose values publishers set as packets leave.
   */
  takeRepair(
    { bytes, payloadOffset, payloadLength }: RtpView,
    mutable: readonly number[],
    now: number,
  ): boolean {
    this.#fec ??= new FecDecoder(mutable);
    this.nack.repairCame(now);
    return this.#fec.take(this, bytes, payloadOffset, payloadLength);
  }

  /** Whether a packet that comes may lead to another one being made. */
  get awaitsRepair(): boolean {
    return this.#fec !== undefined && this.#fec.isWaiting;
  }

  /** A packet came that is not kept as it was sent: with padding, or as a retransmission. */
  noteChanged(seq: ExtSeq): void {
    this.#fec?.noteChanged(seq);
  }

  /**
   * Makes one packet that is missing, if one can be made, and points `into` at it.
   *
   * @returns Whether it did.
   */
  recover(into: RtpView): boolean {
    const fec = this.#fec;
    return fec !== undefined && fec.recover(this) >= 0 && into.wrap(fec.bytes, fec.length);
  }

  /** Extended highest number received; 0 before the first packet. */
  get highest(): ExtSeq {
    return this.#highest;
  }

  /**
   * Extends a 16-bit number and says whether the packet is new.
   *
   * @returns The extended number, or a negative {@linkcode DropReason}.
   */
  admit(sequenceNumber: number): number {
    if (!this.#started) {
      this.#started = true;
      // Above every earlier number of this layer, and never below one cycle.
      const cycle = Math.floor(this.#highest / 0x10000) + 1;
      this.#highest = (cycle * 0x10000 + sequenceNumber) as ExtSeq;
      this.#restartAt = -1;
      return this.#highest;
    }
    const seq = extendSeq(sequenceNumber, this.#highest);
    const ahead = seq - this.#highest;
    if (ahead > MAX_DROPOUT || ahead < -MAX_MISORDER) return this.#admitJump(sequenceNumber);
    this.#restartAt = -1;
    if (ahead > 0) {
      this.#highest = seq;
      return seq;
    }
    if (ahead <= -this.cache.capacity) return -DROP.tooOld;
    return this.cache.find(seq) >= 0 ? -DROP.duplicate : seq;
  }

  /** As {@linkcode admit} for a retransmission: it cannot restart the stream or move it ahead. */
  admitRetransmission(sequenceNumber: number): number {
    if (!this.#started) return -DROP.tooOld;
    const seq = extendSeq(sequenceNumber, this.#highest);
    const ahead = seq - this.#highest;
    if (ahead > 0) return ahead > MAX_DROPOUT ? -DROP.sequenceJump : (this.#highest = seq);
    if (ahead <= -this.cache.capacity) return -DROP.tooOld;
    return this.cache.find(seq) >= 0 ? -DROP.duplicate : seq;
  }

  /** Whether {@linkcode admit} may find in this number that the stream was restarted. */
  isJump(sequenceNumber: number): boolean {
    if (!this.#started) return false;
    const ahead = extendSeq(sequenceNumber, this.#highest) - this.#highest;
    return ahead > MAX_DROPOUT || ahead < -MAX_MISORDER;
  }

  /**
   * As {@linkcode admit} for a number that another up-track has extended already: it is believed,
   * however far ahead it is.
   */
  admitExtended(seq: ExtSeq): number {
    this.#started = true;
    if (seq > this.#highest) return this.#highest = seq;
    if (this.#highest - seq >= this.cache.capacity) return -DROP.tooOld;
    return this.cache.find(seq) >= 0 ? -DROP.duplicate : seq;
  }

  /** Two consecutive numbers far from the rest are a restart; one alone is noise. */
  #admitJump(sequenceNumber: number): number {
    if (sequenceNumber !== this.#restartAt) {
      this.#restartAt = (sequenceNumber + 1) & 0xffff;
      return -(DROP.sequenceJump satisfies DropReason);
    }
    this.restart();
    return this.admit(sequenceNumber);
  }

  /** The publisher unmuted. */
  unmuted(): void {
    this.#wasMuted = true;
  }

  /** A packet with media came, captured at `timestamp` by its own clock. */
  noteTime(timestamp: number, now: number): void {
    if (this.#wasMuted || now - this.lastPacketAt > PAUSE_MS) this.#checkClock(timestamp, now);
    this.lastPacketAt = now;
  }

  /** Clocks of some publishers stand still while nothing is sent; those of reports never do. */
  #checkClock(timestamp: number, now: number): void {
    const { clock } = this;
    const most = this.#wasMuted ? MUTED_OFF_MS : PAUSED_OFF_MS;
    this.#wasMuted = false;
    if (!clock.known) return;
    if (Math.abs(clock.leadMs(timestamp, this.codec.clockRate, now)) > most) clock.doubt();
  }

  /** When it counts as stopped if nothing comes; `Infinity` while the others are as still. */
  get silentAt(): number {
    return this.live && this.packetsElsewhere >= SILENCE_PACKETS
      ? this.lastPacketAt + SILENCE_MS
      : Infinity;
  }

  /** A subscriber reported what it lost, as in the packet (0–255). */
  lostFar(fraction: number): void {
    if (fraction > this.#farLoss) this.#farLoss = fraction;
  }

  /** Fills a report block and begins its next interval. */
  report(now: number, out: ReportBlock): void {
    this.statistics.report(out);
    if (this.tellsFarLoss) out.fractionLost = Math.max(out.fractionLost, this.#farLoss);
    this.#farLoss = 0;
    out.ssrc = this.ssrc;
    // Our numbers start one cycle up, the report's cycle count at 0.
    out.highestSequence = Math.max(0, this.#highest - 0x10000) % 0x1_0000_0000;
    const { clock } = this;
    out.lastSenderReport = clock.heard ? clock.lastSenderReport : 0;
    out.delaySinceLastSenderReport = clock.heard
      ? Math.floor(((now - clock.arrivedAt) * 65_536) / 1000) >>> 0
      : 0;
  }

  stats(): UpTrackLayerStats {
    return {
      spatial: this.spatial as SpatialLayer,
      ssrc: this.ssrc,
      packets: this.statistics.packets,
      bytes: this.statistics.bytes,
      lost: this.statistics.lost,
      repaired: this.repaired,
      nacksSent: this.nacksSent,
      plisSent: this.keyFrames.sent,
    };
  }

  /** The cache has grown, or is to be looked at again. */
  #scheduleReview(now: number): void {
    this.#reviewAt = this.cache.hasGrown ? now + CACHE_REVIEW_MS : Infinity;
    this.#reviewedHighest = this.#highest;
  }

  /** Doubles the cache, of which no packet may be waiting in a run. */
  growCache(now: number): void {
    this.cache.grow();
    this.#isCacheIdle = false;
    this.#scheduleReview(now);
  }

  /** When {@linkcode reviewCache} is due; `Infinity` while the cache is as small as it gets. */
  get cacheReviewAt(): number {
    return this.#reviewAt;
  }

  /**
   * Lets go what the cache has grown by if at two reviews nobody wanted the layer, or nothing had
   * come. No packet of it may be waiting in a run.
   */
  reviewCache(isNeeded: boolean, now: number): void {
    const isIdle = !isNeeded || this.#highest === this.#reviewedHighest;
    if (isIdle && this.#isCacheIdle) this.cache.shrink();
    this.#isCacheIdle = isIdle;
    this.#scheduleReview(now);
  }

  /** The publisher began anew: numbers and clock have nothing to do with the earlier ones. */
  restart(): void {
    this.epoch++;
    this.#started = false;
    this.nack.reset();
    this.statistics.restart();
    this.frameRate.reset();
    this.clock.reset();
    this.svc.restart();
    this.#fec?.reset();
  }
}

/** Opus, bare or redundant (RFC 2198): one stream, in which the two may take turns. */
export function isOpus({ mime }: CodecParameters): boolean {
  return mime === "audio/opus" || mime === "audio/red";
}
