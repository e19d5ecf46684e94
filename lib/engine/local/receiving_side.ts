/**
 * What one connection receives: packets find their up-track and layer, and the publisher is told
 * what it needs to send well (NACK, PLI, receiver reports, transport-wide feedback).
 *
 * Per packet: one map look-up by SSRC; everything else happens when a stream is first seen or a
 * timer is due.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { ConnectionId, UpTrackId } from "../../base/ids.ts";
import type { ReceiveSection } from "../../base/media_vocabulary.ts";
import { TokenBucket } from "../../base/token_bucket.ts";
import type { UpTrackIntervalFigures } from "../../media/layer/interval_figures.ts";
import type { FanOutBatch } from "../../media/packet/fan_out_batch.ts";
import { TransportFeedbackRecorder } from "../../media/up/transport_feedback.ts";
import type { LoudestRooms } from "../../media/up/loudest_audio.ts";
import { MAX_LAYERS, UpTrack } from "../../media/up/up_track.ts";
import { readTransportSequence } from "../../wire/header_extensions.ts";
import { ReportBlock } from "../../wire/rtcp.ts";
import type { RtcpWriter } from "../../wire/rtcp_writer.ts";
import type { RtpView } from "../../wire/rtp_view.ts";
import type { AudioLevelOptions } from "../../media/up/audio_level.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import {
  type MediaEvent,
  QUALITY_INTERVAL_MS,
  type UpTrackInterval,
} from "../messages/media_messages.ts";
import {
  CHANGES_AT_ONCE,
  CHANGES_PER_SECOND,
  type FeedingStream,
  ReceivedLayer,
} from "./received_layer.ts";
import { RoundTrip } from "./round_trip.ts";
import type { RtcpScratch } from "./rtcp_scratch.ts";
import { StreamDemux } from "./stream_demux.ts";

/**
 * Receiver reports, ms: LiveKit's interval (1.13.5, `pkg/sfu/buffer/buffer.go`); RFC 3550 §6.2's
 * minimum would starve publishers of RTT.
 */
const REPORT_INTERVAL_MS = 1_000;
/**
 * Our SSRC in RTCP to publishers. We send no RTP there, so any value does; libwebrtc uses 1 too
 * (`media/engine/webrtc_video_engine.cc`).
 */
const OWN_SSRC = 1;

type LayerArrived = Extract<MediaEvent, { readonly type: "layer_arrived" }>;

/** A received SSRC in use. */
interface ReceivedStream extends FeedingStream {
  readonly track: UpTrack;
  /** The layer that it may feed, or repairs. */
  readonly layer: ReceivedLayer;
}

/** An up-track of this connection with those of its layers that have been seen. */
interface ReceivedTrack {
  readonly track: UpTrack;
  readonly layers: (ReceivedLayer | undefined)[];
}

/** What the receiving sides of an engine share. */
export interface ReceivingShared {
  readonly emit: (event: MediaEvent) => void;
  /** Up-tracks of all connections, by id; each side adds and removes its own. */
  readonly upTracks: Map<UpTrackId, UpTrack>;
  readonly drops: DropSink<EngineDrop>;
  readonly audioLevel: AudioLevelOptions;
  /** See {@linkcode UpTrackOptions}. */
  readonly pliThrottleMs?: readonly number[] | undefined;
  readonly tellsFarLoss?: boolean | undefined;
  readonly loudest?: LoudestRooms | undefined;
  /** Received packets wait here for the end of the batch they came in. */
  readonly batch: FanOutBatch;
  readonly rtcp: RtcpScratch;
}

/** The world as seen from the receiving side of a connection. */
export interface ReceivingSideOptions extends ReceivingShared {
  readonly connection: ConnectionId;
  /** Sends a clear-text compound; sealed in place. */
  readonly sendRtcp: (bytes: Uint8Array, length: number) => void;
  /** There is timed work at `at`, which may be sooner than before. */
  readonly timed: (at: number) => void;
  /** Now, monotonic ms. */
  readonly startedAt: number;
}

/**
 * One connection's receiving half. A packet of an unknown stream is a counted drop; per packet
 * there is one look-up and no allocation.
 */
export class ReceivingSide {
  readonly #options: ReceivingSideOptions;
  readonly #demux = new StreamDemux();
  /** By SSRC as signed 32 bits: numbers that V8 looks up without making an object. */
  readonly #streams = new Map<number, ReceivedStream>();
  /** This connection's own up-tracks. */
  readonly #tracks = new Map<UpTrackId, ReceivedTrack>();
  /** Layers whose news wait to be told, and how many may be. */
  readonly #unsettled = new Set<ReceivedLayer>();
  readonly #news = new TokenBucket(CHANGES_AT_ONCE, CHANGES_PER_SECOND);
  readonly #writer: RtcpWriter;
  readonly #block = new ReportBlock();
  readonly #arrivals = new TransportFeedbackRecorder();
  readonly #roundTrip: RoundTrip;
  /** The last one measured, ms; negative before. */
  #rttMs = -1;
  #feedbackSsrc = 0;
  #reportAt = 0;
  /**
   * Of these nothing came in a whole interval, not even reports, and no packet since; and when the
   * last interval ended.
   */
  readonly #lost = new Set<UpTrack>();
  #intervalAt = 0;

  constructor(options: ReceivingSideOptions) {
    this.#options = options;
    this.#writer = options.rtcp.toPublisher;
    this.#roundTrip = new RoundTrip(options.startedAt);
  }

  /** Replaces the received sections; up-tracks that no section names any more end. */
  setSections(sections: readonly ReceiveSection[]): void {
    const wanted = new Set(sections.map((section) => section.upTrack));
    for (const id of [...this.#tracks.keys()]) {
      if (!wanted.has(id)) this.#endTrack(id);
    }
    this.#demux.setSections(sections);
    this.#streams.clear(); // looked up again on the next packet, against the new description
    for (const { layers } of this.#tracks.values()) {
      for (const layer of layers) layer?.describedAnew();
    }
    for (const section of sections) {
      if (this.#tracks.has(section.upTrack)) continue;
      const track = new UpTrack({
        kind: section.kind,
        extensions: section.extensions,
        audioLevel: this.#options.audioLevel,
        batch: this.#options.batch,
        pliThrottleMs: this.#options.pliThrottleMs,
        tellsFarLoss: this.#options.tellsFarLoss,
        loudest: this.#options.loudest,
        listener: {
          onNack: (ssrc, numbers, count) => this.#sendNack(ssrc, numbers, count),
          onKeyFrameNeeded: (ssrc) => this.#sendPictureLoss(ssrc),
          onTimed: this.#options.timed,
        },
      });
      if (this.#rttMs >= 0) track.updateRtt(this.#rttMs);
      this.#tracks.set(section.upTrack, { track, layers: [] });
      this.#options.upTracks.set(section.upTrack, track);
    }
  }

  get hasTracks(): boolean {
    return this.#tracks.size > 0;
  }

  /** As they were described last. */
  get sections(): readonly ReceiveSection[] {
    return this.#demux.sections();
  }

  /** One clear-text RTP packet. `nowUs` is the same instant as `now`, in microseconds. */
  receiveRtp(view: RtpView, now: number, nowUs: number): void {
    if (this.#demux.transportCcId !== 0) {
      const sequence = readTransportSequence(view, this.#demux.transportCcId);
      if (sequence >= 0) {
        this.#feedbackSsrc = view.ssrc;
        const due = this.#arrivals.nextWakeAt();
        this.#arrivals.record(sequence, nowUs, view.marker, now);
        if (this.#arrivals.nextWakeAt() < due) this.#options.timed(this.#arrivals.nextWakeAt());
      }
    }
    const stream = this.#streams.get(view.ssrc | 0) ?? this.#newStream(view);
    if (stream === undefined) return this.#options.drops.count("rtp_unknown_ssrc");
    const { binding, track } = stream;
    if (binding.isRtx) {
      track.receiveRtx(binding.spatial, view, now);
      return;
    }
    if (binding.isFec) {
      track.receiveFec(binding.spatial, view, now);
      return;
    }
    if (view.payloadType !== stream.payloadType && !this.#follow(stream, view, now)) return;
    track.receive(binding.spatial, view, now);
  }

  /** A sender report of one of the received streams. */
  receiveSenderReport(
    ssrc: number,
    ntpSeconds: number,
    ntpFraction: number,
    rtpTimestamp: number,
    now: number,
  ): void {
    const stream = this.#streams.get(ssrc | 0);
    if (stream === undefined || stream.binding.isRtx || stream.binding.isFec) return;
    stream.track.receiveSenderReport(
      stream.binding.spatial,
      ntpSeconds,
      ntpFraction,
      rtpTimestamp,
      now,
    );
  }

  /** An answer to one of our reference times (DLRR, RFC 3611 §4.5), or what claims to be one. */
  receiveReferenceAnswer(ssrc: number, reference: number, delay: number, now: number): void {
    const rttMs = ssrc === OWN_SSRC ? this.#roundTrip.end(reference, delay, now) : -1;
    if (rttMs >= 0) this.updateRtt(rttMs);
    else this.#options.drops.count("rtcp_unknown_reference");
  }

  /** The round trip to the publisher was measured, ms. */
  updateRtt(rttMs: number): void {
    this.#rttMs = rttMs;
    for (const { track } of this.#tracks.values()) track.updateRtt(rttMs);
  }

  /** Timed work; cheap when nothing is due. */
  tick(now: number): void {
    for (const { track } of this.#tracks.values()) {
      if (now >= track.nextWakeAt()) track.tick(now);
    }
    for (const layer of this.#unsettled) this.#tellLayer(layer, now);
    if (this.#arrivals.due(now)) this.#sendTransportFeedback();
    if (this.#streams.size > 0 && now >= this.#reportAt) {
      this.#reportAt = now + REPORT_INTERVAL_MS;
      this.#sendReports(now);
      this.#tellSizes(now);
    }
  }

  /** When {@linkcode ReceivingSide.tick} has something to do; `Infinity` if nothing is foreseen. */
  nextWakeAt(): number {
    let at = Math.min(
      this.#arrivals.nextWakeAt(),
      this.#streams.size > 0 ? this.#reportAt : Infinity,
    );
    for (const { track } of this.#tracks.values()) at = Math.min(at, track.nextWakeAt());
    for (const layer of this.#unsettled) at = Math.min(at, layer.settlesAt);
    return at;
  }

  /** The interval under way began at `now`; for who had no tracks until then. */
  beginInterval(now: number): void {
    this.#intervalAt = now;
  }

  /** How the up-tracks fared since the last call; those without a packet yet are left out. */
  intervals(now: number): UpTrackInterval[] {
    const intervals: UpTrackInterval[] = [];
    const durationMs = now - this.#intervalAt;
    this.#intervalAt = now;
    for (const [upTrack, { track }] of this.#tracks) {
      const figures = track.interval(now);
      if (figures === undefined) continue;
      // Nothing in a moment makes nobody lost, nor does a report make anybody found.
      const isWhole = durationMs >= QUALITY_INTERVAL_MS;
      if (isWhole && isLost(figures, durationMs)) this.#lost.add(track);
      else if (isWhole || !isSilent(figures)) this.#lost.delete(track);
      const rtt = this.#rttMs < 0 ? {} : { rttMs: this.#rttMs };
      intervals.push({ upTrack, ...rtt, ...figures });
    }
    return intervals;
  }

  /** Whether packets come again of an up-track of which nothing came in a whole interval. */
  get isBack(): boolean {
    for (const track of this.#lost) {
      for (let spatial = 0; spatial < MAX_LAYERS; spatial++) {
        if ((track.layer(spatial)?.lastPacketAt ?? 0) > this.#intervalAt) return true;
      }
    }
    return false;
  }

  /** Ends every up-track of this connection. */
  close(): void {
    for (const id of [...this.#tracks.keys()]) this.#endTrack(id);
    this.#streams.clear();
  }

  #endTrack(id: UpTrackId): void {
    const ended = this.#tracks.get(id);
    for (const layer of ended?.layers ?? []) if (layer !== undefined) this.#unsettled.delete(layer);
    if (ended !== undefined) this.#lost.delete(ended.track);
    this.#tracks.delete(id);
    this.#options.upTracks.delete(id);
  }

  #newStream(view: RtpView): ReceivedStream | undefined {
    const binding = this.#demux.resolve(view);
    if (binding === undefined) return undefined;
    const upTrack = this.#demux.section(binding.mid)?.upTrack;
    const received = upTrack === undefined ? undefined : this.#tracks.get(upTrack);
    if (upTrack === undefined || received === undefined) return undefined;
    const { track, layers } = received;
    const layer = layers[binding.spatial] ??= new ReceivedLayer(upTrack, binding.spatial);
    const stream: ReceivedStream = { binding, track, layer, payloadType: -1 };
    this.#streams.set(view.ssrc | 0, stream);
    this.#options.timed(this.#reportAt);
    return stream;
  }

  /** The first packet of a layer, or of a codec or stream on it. @returns Whether it is taken. */
  #follow(stream: ReceivedStream, view: RtpView, now: number): boolean {
    const { binding, layer, track } = stream;
    const codec = this.#demux.codec(binding.mid, view.payloadType);
    if (codec === undefined || !layer.follow(stream, codec, now)) {
      const reason = codec === undefined ? "rtp_payload_type" : "rtp_stream_unsettled";
      this.#options.drops.count(reason);
      return false;
    }
    track.bindLayer(binding.spatial, binding.ssrc, codec, now);
    this.#unsettled.add(layer);
    this.#tellLayer(layer, now);
    this.#options.timed(layer.settlesAt);
    return true;
  }

  #tellLayer(layer: ReceivedLayer, now: number): void {
    const arrival = layer.settle(now, this.#news, () => this.#arrivalOf(layer));
    if (!layer.isUnsettled) this.#unsettled.delete(layer);
    if (arrival !== undefined) this.#options.emit(arrival);
  }

  #arrivalOf(layer: ReceivedLayer): LayerArrived {
    const { stream: { binding }, codec } = layer.feed!;
    const { mid, rid, spatial, ssrc } = binding;
    const rtx = this.#demux.bindingsOf(mid)
      .find((other) => other.isRtx && other.spatial === spatial);
    return {
      type: "layer_arrived",
      connection: this.#options.connection,
      upTrack: layer.upTrack,
      mid,
      ...(rid === undefined ? {} : { rid }),
      spatial,
      ssrc,
      ...(rtx === undefined ? {} : { rtxSsrc: rtx.ssrc }),
      mime: codec.mime,
    };
  }

  #tellSizes(now: number): void {
    const { connection, emit } = this.#options;
    for (const { track, layers } of this.#tracks.values()) {
      for (const layer of layers) {
        if (layer === undefined) continue;
        const { spatial, upTrack } = layer;
        const size = track.layer(spatial)?.size;
        if (size === undefined || size.width === 0 || !layer.resized(size, now, this.#news)) {
          continue;
        }
        const { width, height } = size;
        const rid = layer.feed?.stream.binding.rid;
        const named = rid === undefined ? {} : { rid };
        emit({ type: "layer_size", connection, upTrack, ...named, spatial, width, height });
      }
    }
  }

  #sendNack(ssrc: number, numbers: Uint16Array, count: number): void {
    this.#writer.reset();
    if (this.#writer.nack(OWN_SSRC, ssrc, numbers, count)) this.#flush();
  }

  #sendPictureLoss(ssrc: number): void {
    this.#writer.reset();
    if (this.#writer.pictureLoss(OWN_SSRC, ssrc)) this.#flush();
  }

  #sendReports(now: number): void {
    this.#writer.reset();
    for (const stream of this.#streams.values()) {
      if (stream.binding.isRtx || stream.payloadType < 0) continue;
      if (!stream.track.receiverReport(stream.binding.spatial, now, this.#block)) continue;
      if (this.#writer.receiverReport(OWN_SSRC, this.#block)) continue;
      this.#flush();
      this.#writer.reset();
      this.#writer.receiverReport(OWN_SSRC, this.#block);
    }
    if (this.#writer.length > 0) this.#appendReferenceTime(now);
    this.#flush();
  }

  /** Asks for an answer that tells the round trip; whoever knows no such block ignores it. */
  #appendReferenceTime(now: number): void {
    const roundTrip = this.#roundTrip;
    roundTrip.begin(now);
    const { ntpSeconds, ntpFraction } = roundTrip;
    if (this.#writer.receiverReferenceTime(OWN_SSRC, ntpSeconds, ntpFraction)) return;
    this.#flush();
    this.#writer.reset();
    this.#writer.receiverReferenceTime(OWN_SSRC, ntpSeconds, ntpFraction);
  }

  #sendTransportFeedback(): void {
    const { feedback, feedbackWriter: writer } = this.#options.rtcp;
    while (this.#arrivals.take(feedback)) {
      writer.reset();
      writer.transportFeedback(OWN_SSRC, this.#feedbackSsrc, feedback);
      this.#options.sendRtcp(writer.bytes, writer.length);
    }
  }

  #flush(): void {
    if (this.#writer.length > 0) this.#options.sendRtcp(this.#writer.bytes, this.#writer.length);
  }
}

/** Whether neither packets nor reports came in an interval although they were meant to. */
function isLost(figures: UpTrackIntervalFigures, intervalMs: number): boolean {
  return isSilent(figures) && (figures.senderReportAgeMs ?? 0) > intervalMs;
}

/** Whether no packets came although they were meant to. */
function isSilent({ muted, layers }: UpTrackIntervalFigures): boolean {
  return !muted && layers.every(({ expected }) => expected === 0);
}
