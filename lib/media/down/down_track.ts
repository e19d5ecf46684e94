/**
 * One up-track forwarded to one subscriber.
 *
 * Contract: what the subscriber receives looks like one sender's stream. Sequence numbers are dense
 * over everything sent or still recoverable, timestamps never go back at a switch, video starts and
 * switches on key frames only, and a resent packet equals its first sending.
 *
 * Driven by its up-track (packets, layers, mute) and by the engine (feedback, targets, ticks);
 * sends through a {@linkcode PacketSink}. No clock; no allocation per packet.
 *
 * @module
 */
import type { CodecParameters, LayerTarget, SpatialLayer } from "../../base/media_vocabulary.ts";
import type { ReportBlock } from "../../wire/rtcp.ts";
import { matchCodec } from "../select/codec_match.ts";
import { type AudioForm, audioForm, COPIES, type Copies } from "./audio_form.ts";
import { DownTrackCondition } from "./down_track_condition.ts";
import { DROP, type DropReason, DropTally } from "../layer/drop_reason.ts";
import type {
  DownTrackFigures,
  DownTrackListener,
  DownTrackOptions,
  DownTrackSection,
  SenderReportFigures,
} from "./down_track_options.ts";
import { DownTrackOutput } from "./down_track_output.ts";
import { ExtensionMap } from "./extension_map.ts";
import { FrameSelection } from "./frame_selection.ts";
import { LayerLimit } from "./layer_limit.ts";
import type { LayerSource, PacketReceiver } from "../packet/forwarding_ports.ts";
import { isStepTowards, layerBits, NO_LAYER, wantedLayer } from "../select/layer_selection.ts";
import { paddingOf } from "./packet_writer.ts";
import { Resender } from "./resender.ts";
import type { RtcpClock } from "../layer/rtcp_clock.ts";
import { SequenceRewriter } from "./sequence_rewriter.ts";
import type { SourcePacket } from "../packet/source_packet.ts";
import { openingCodec, StreamOpening } from "./stream_opening.ts";
import { SWITCH_LAG_MS, TimestampRewriter, UNMUTE_LAG_MS } from "./timestamp_rewriter.ts";

/** A key frame whose start came later than this many packets behind it is too old to join at. */
const MAX_REPLAY = 200;
/** Round trip to the subscriber until one is measured, ms. */
const DEFAULT_RTT_MS = 70;
/** Bounds of the wait between two key-frame requests for the wanted layer, ms. */
const MIN_SEEK_MS = 200;
const MAX_SEEK_MS = 1000;
/** Longest that a layer is sent above what bandwidth allows while a key frame is waited for, ms. */
const MAX_EXCESS_MS = 600;

/** One subscriber's stream of one track. No clock and no allocation per packet. */
export class DownTrack implements PacketReceiver {
  // What each packet asks stands first, in few cache lines.
  readonly place: number | undefined;
  readonly #limit: LayerLimit;
  #source: LayerSource | undefined;
  /** The layer being sent, and the epoch and codec it was joined with. */
  #current = NO_LAYER;
  #epoch = -1;
  /** What `#codec` was chosen for. */
  #sourceCodec: CodecParameters | undefined;
  /** The stream was interrupted: it goes on only where it could also start. */
  #resync = true;
  readonly #sequence: SequenceRewriter;
  readonly #output: DownTrackOutput;
  /** Takes redundancy of audio away, or puts it on, where the subscriber wants it so. */
  #form: AudioForm | undefined;
  readonly #isVideo: boolean;
  #codec: CodecParameters | undefined;
  readonly #timestamps: TimestampRewriter;
  readonly #selection: FrameSelection;
  /** The last layer the listener was told. */
  #reported = NO_LAYER;
  #wanted = NO_LAYER;
  /** Of what is allowed, what may pass of the layer being sent. */
  #frames: LayerTarget;
  #seekAt = Infinity;
  readonly drops: DropTally = new DropTally();
  readonly #section: DownTrackSection;
  readonly #listener: DownTrackListener;
  readonly #resender: Resender;
  readonly #opening: StreamOpening;
  readonly #firstSequence: number;
  readonly #firstTimestamp: number;
  /** When a layer that is above what is allowed was first only waiting for the lower one. */
  #excessSince = Infinity;
  #clock: RtcpClock | undefined;
  #clockRate = 90_000;
  #copies: Copies = COPIES.asTheyCome;
  #maxLagMs = SWITCH_LAG_MS;
  #rttMs = DEFAULT_RTT_MS;
  #nacksReceived = 0;
  #plisReceived = 0;
  readonly #condition = new DownTrackCondition();

  /**
   * @param former The one that sent under the same SSRC before, and is not attached any more: its
   *   numbers go on, as the receiver's SRTP takes none that go back (RFC 3711 §3.3.2).
   */
  constructor(options: DownTrackOptions, former?: DownTrack) {
    this.#section = options.section;
    this.place = options.place;
    this.#sequence = former === undefined ? new SequenceRewriter() : former.#sequence;
    this.#selection = former === undefined ? new FrameSelection() : former.#selection;
    this.#opening = new StreamOpening(options.section.openAfterMs);
    this.#listener = options.listener;
    this.#limit = new LayerLimit(options.target);
    this.#frames = options.target;
    this.#isVideo = options.section.kind === "video";
    this.#timestamps = (former && former.#timestamps) ?? new TimestampRewriter(this.#isVideo);
    this.#firstSequence = options.firstSequence ?? 0;
    this.#firstTimestamp = options.firstTimestamp ?? 0;
    const { section, sink, publisherExtensions: published } = options;
    const hasDelay = section.playoutDelay !== undefined;
    const extensions = new ExtensionMap(published, section.extensions, section.mid, hasDelay);
    this.#resender = new Resender(
      section,
      sink,
      extensions,
      former === undefined ? options.firstRtxSequence ?? 0 : former.#resender.nextRtxSequence,
      this.drops,
      options.repairs,
    );
    const condition = this.#condition;
    const before = former && former.#output;
    this.#output = new DownTrackOutput(options, extensions, this.#resender, condition, before);
  }

  attach(source: LayerSource, now: number): void {
    this.#source = this.#output.source = source;
    const opensAt = this.#opening.begin(now);
    this.#listener.onTimed?.(opensAt);
    this.layersChanged(now);
  }

  /** Another source may follow: it starts anew, and nothing of this one can be sent again. */
  detach(): void {
    this.#source = undefined;
    this.#seekAt = Infinity;
    this.#output.silence.end();
    this.#interrupt(SWITCH_LAG_MS);
    this.#current = this.#reported = NO_LAYER;
    this.#sequence.takeBack(this.#output.forget());
    this.#resender.forget();
  }

  get loudestOf(): string | undefined {
    return this.#limit.target.loudestOf;
  }

  /** Nothing of it has been sent yet, or what was sent last has ended. */
  get isInterrupted(): boolean {
    return this.#resync;
  }

  interrupted(): void {
    this.#interrupt(SWITCH_LAG_MS);
  }

  /** What left last has not arrived, and nobody sends it again: goes on with a key frame. */
  lostPicture(now: number): void {
    if (!this.#isVideo || this.#resync) return;
    this.#interrupt(SWITCH_LAG_MS);
    this.#resender.forget();
    this.#adjust(now);
  }

  /** Changes what is wanted; takes effect at the next suitable key frame, which is asked for. */
  setTarget(target: LayerTarget, now: number): void {
    const { wanted: { enabled: before }, target: { loudestOf } } = this.#limit;
    this.#limit.setTarget(target);
    if (target.loudestOf !== loudestOf) this.#source?.audienceChanged(now);
    if (before && !this.#limit.wanted.enabled) this.#cutOff(SWITCH_LAG_MS, now);
    this.#condition.setMuted(!target.enabled || (this.#source?.muted ?? false), now);
    this.#adjust(now);
  }

  /**
   * Says what the connection's bandwidth allows of what is wanted; everything before the first
   * call.
   *
   * @param spatial The highest layer, or `NOTHING_ALLOWED`: the track is paused.
   * @param temporal 0–3.
   */
  setAllowance(spatial: number, temporal: number, now: number): void {
    const before = this.#limit.wanted.enabled;
    if (!this.#limit.setAllowance(spatial, temporal)) return;
    if (before && !this.#limit.wanted.enabled) this.#interrupt(SWITCH_LAG_MS);
    this.#adjust(now);
  }

  /** Says how many copies of earlier frames audio has, from the next packet on. */
  setCopies(copies: Copies): void {
    if (copies === this.#copies) return;
    const wasBare = this.#copies === COPIES.none;
    this.#copies = copies;
    const source = this.#sourceCodec;
    const codec = source && matchCodec(source, this.#section.codecs, copies === COPIES.none);
    if (source === undefined || codec === undefined || this.#isVideo) return;
    this.#codec = codec;
    this.#form = audioForm(source, codec, copies);
    // Only the form that was left knows of which of them copies have been sent.
    if (wasBare && source.mime === "audio/red") this.#sequence.giveUpMissing();
    this.#output.packet.wholePayload();
  }

  /** Says how often audio whose copies are not inside is sent again unasked: 0–2 times. */
  setDuplicates(count: number): void {
    this.#output.setDuplicates(count);
  }

  sourceMuted(muted: boolean, now: number): void {
    if (muted) this.#cutOff(UNMUTE_LAG_MS, now);
    this.#condition.setMuted(muted || !this.#limit.target.enabled, now);
    this.layersChanged(now);
  }

  layersChanged(now: number): void {
    this.#adjust(now);
    this.#listener.onSource?.();
  }

  /** Follows what there is, what is wanted and what is allowed. */
  #adjust(now: number): void {
    const source = this.#source;
    if (source === undefined) return;
    this.#wanted = wantedLayer(this.#limit.wanted.maxSpatial, source.liveLayers);
    this.#condition.layersChanged(source, this.#limit, this.#wanted, now);
    const current = source.layer(this.#current);
    if (current !== undefined && current.epoch !== this.#epoch) this.#interrupt(SWITCH_LAG_MS);
    this.#limitFrames(now);
    source.needsChanged();
    this.#seek(now);
  }

  /** What is allowed, or what is being sent, has changed. */
  #limitFrames(now: number): void {
    this.#frames = this.#limit.frames(this.#resync ? NO_LAYER : this.#current, this.#wanted);
    const isExcess = this.#limit.isExcess(this.#frames);
    this.#excessSince = isExcess ? Math.min(this.#excessSince, now) : Infinity;
  }

  get neededLayers(): number {
    if (!this.#limit.wanted.enabled) return 0;
    return layerBits(this.#wanted, this.#resync ? NO_LAYER : this.#current);
  }

  get wish(): number {
    return this.#limit.wish(this.#source?.liveLayers ?? 0);
  }

  forward(packet: SourcePacket, now: number): DropReason {
    if (!this.#limit.wanted.enabled) return this.drops.count(DROP.disabled);
    if (this.#source === undefined || this.#source.muted) return this.drops.count(DROP.muted);
    const layer = packet.layer;
    const isSame = layer.spatial === this.#current && layer.epoch === this.#epoch &&
      layer.codec === this.#sourceCodec;
    if (this.#resync) return this.#join(packet, now);
    if (!isSame) {
      // Most of what comes of a track with layers is of another layer than the one that is sent.
      const isSettled = this.#current === this.#wanted && layer.spatial !== this.#current;
      return isSettled && this.#isVideo && packet.payloadLength > 0
        ? this.drops.count(DROP.otherLayer)
        : this.#join(packet, now);
    }
    return this.#forwardCurrent(packet, now);
  }

  /** Switches to the packet's layer if this is a place to, and sends it. */
  #join(packet: SourcePacket, now: number): DropReason {
    const refused = this.#switch(packet, now);
    if (refused !== DROP.none) return refused;
    const reason = this.#forwardCurrent(packet, now);
    // The start was recovered or overtaken: what followed it was refused when it came.
    // `onLayer` may have led to our removal, hence the question mark.
    if (packet.seq < packet.highest) this.#source?.replay(this, packet, now);
    return reason;
  }

  #forwardCurrent(packet: SourcePacket, now: number): DropReason {
    const seq = packet.seq;
    if (!this.#sequence.isKnown(seq)) return this.drops.count(DROP.beforeStart);
    const out = this.#output.packet;
    out.empty = packet.payloadLength === 0;
    out.asReceived();
    if (this.#form !== undefined && !out.empty) return this.#forwardAs(this.#form, packet, now);
    let sequence = -1;
    if (out.empty) {
      sequence = this.#sequence.drop(seq);
      if (sequence < 0) return this.drops.count(DROP.paddingOnly);
    } else if (this.#isVideo) {
      const selection = this.#selection;
      const late = seq <= this.#sequence.highest;
      if (selection.decide(packet, late, this.#frames, out)) {
        sequence = this.#sequence.forward(seq);
      } else {
        sequence = this.#sequence.drop(seq);
        out.empty = true;
      }
      if (selection.needsKeyFrame && this.#seekAt === Infinity) this.#seek(now);
      if (sequence < 0 && out.empty) return this.drops.count(DROP.temporalLayer);
    } else sequence = this.#sequence.forward(seq);
    if (sequence < 0) return this.drops.count(DROP.beforeStart);
    const reason = this.#send(packet, sequence, 0, now);
    this.#report(this.#selection.spatial);
    return reason;
  }

  /** Sends a packet in another form, and before it those missing frames that it repeats. */
  #forwardAs(form: AudioForm, packet: SourcePacket, now: number): DropReason {
    const missing = packet.seq - this.#sequence.highest - 1;
    if (!form.open(packet, missing)) return this.drops.count(form.refusal);
    for (let back = form.oldest; back >= 0; back--) {
      if (!form.take(back, this.#output.packet)) continue;
      const sequence = this.#sequence.forward(packet.seq - back);
      if (sequence < 0) return this.drops.count(DROP.beforeStart);
      const reason = this.#send(packet, sequence, form.age, now);
      if (reason !== DROP.none) return reason;
    }
    return DROP.none;
  }

  /** Makes the packet's layer the current one if this is a place to; the reason if it is not. */
  #switch(packet: SourcePacket, now: number): DropReason {
    const { layer } = packet;
    const { spatial } = layer;
    if (packet.payloadLength === 0) return this.drops.count(DROP.paddingOnly);
    if (this.#isVideo) {
      const from = this.#resync ? NO_LAYER : this.#current;
      const isStep = isStepTowards(spatial, from, this.#wanted);
      if (!isStep || !packet.keyFrameStart || packet.highest - packet.seq > MAX_REPLAY) {
        const seeking = this.#resync && spatial === this.#wanted;
        return this.drops.count(seeking ? DROP.awaitingKeyFrame : DROP.otherLayer);
      }
    }
    const codec = matchCodec(layer.codec, this.#section.codecs, this.#copies === 0);
    if (codec === undefined) return this.drops.count(DROP.unsupportedCodec);
    const sameSource = spatial === this.#current && layer.epoch === this.#epoch;
    this.#timestamps.switchTo(
      packet.view.timestamp,
      // A restarted stream has a new clock, though in the same object.
      sameSource || spatial !== this.#current ? this.#clock : undefined,
      layer.clock,
      layer.codec.clockRate,
      this.#maxLagMs,
      now,
    );
    this.#sequence.switchTo(packet.seq);
    if (this.#isVideo) {
      this.#output.beginPicture();
      this.#selection.join(packet, this.#limit.wanted);
    }
    this.#current = spatial;
    this.#epoch = layer.epoch;
    this.#clock = layer.clock;
    this.#clockRate = layer.codec.clockRate;
    this.#codec = codec;
    this.#sourceCodec = layer.codec;
    this.#form = this.#isVideo ? undefined : audioForm(layer.codec, codec, this.#copies);
    this.#output.packet.wholePayload();
    this.#opening.end();
    this.#output.silence.end();
    this.#resync = false;
    this.#limitFrames(now);
    this.#maxLagMs = SWITCH_LAG_MS;
    this.#source?.needsChanged();
    if (this.#locked) this.#seekAt = Infinity;
    // Of layers inside the stream the first frame decides.
    if (layer.svc.topSpatial === 0) this.#report(spatial);
    return DROP.none;
  }

  #report(spatial: number): void {
    if (spatial === this.#reported || spatial < 0) return;
    this.#reported = spatial;
    this.#listener.onLayer(spatial as SpatialLayer);
  }

  /** @param age How much older the frame is than its packet: a timestamp itself would be boxed. */
  #send(packet: SourcePacket, seq: number, age: number, now: number): DropReason {
    const out = this.#output.packet;
    out.payloadType = this.#codec!.payloadType;
    out.sequence = seq;
    out.timestamp = this.#timestamps.forward((packet.view.timestamp - age) >>> 0, now) | 0;
    // What has redundancy is not asked for again: it takes the place of retransmission.
    const reason = this.#output.send(packet, this.#form === undefined, now);
    return reason === DROP.none ? reason : this.drops.count(reason);
  }

  /** Sends padding if the stream has to be opened, and it is known in what. */
  #open(now: number): void {
    const { codecs } = this.#section;
    const codec = this.#source && openingCodec(this.#source, codecs, this.#copies === 0);
    if (!this.#opening.isDue(now) || codec === undefined) return;
    this.#insert(codec, now);
    const reason = this.#output.sendPadding(now);
    if (reason !== DROP.none) this.drops.count(reason);
  }

  /** The next packet comes from no source: its place in the stream. */
  #insert({ payloadType, clockRate }: CodecParameters, now: number): void {
    const out = this.#output.packet;
    out.payloadType = payloadType;
    out.sequence = this.#sequence.insert(this.#firstSequence);
    out.timestamp = this.#timestamps.insert(this.#firstTimestamp, clockRate, now) | 0;
  }

  /** Nothing follows for now: audio that was flowing ends in silence. */
  #cutOff(maxLagMs: number, now: number): void {
    const flows = !this.#resync && !this.#isVideo && this.#section.isEncrypted !== true;
    this.#interrupt(maxLagMs);
    if (!flows) return;
    const silentAt = this.#output.silence.begin(now);
    this.#listener.onTimed?.(silentAt);
  }

  #sendSilence(now: number): void {
    const output = this.#output;
    const codec = this.#codec!;
    if (!output.silence.isDue(now, codec, this.#section.codecs)) return;
    this.#insert(codec, now);
    const reason = output.sendSilence(now);
    if (reason !== DROP.none) this.drops.count(reason);
  }

  failed(error: unknown): void {
    this.#listener.onFailed(error);
  }

  /**
   * Resends what the subscriber misses: `numbers[0, count)`, 16 bits each (RFC 4585 §6.2.1).
   *
   * @returns How many of them were lost on the way to it, as far as that is known.
   */
  receiveNack(numbers: Uint16Array, count: number, now: number): number {
    this.#nacksReceived += count;
    const source = this.#source;
    const last = this.#sequence.lastOut;
    if (last < 0 || source === undefined || !this.#limit.wanted.enabled) return 0;
    return this.#resender.answer(source, numbers, count, last, this.#rttMs, now);
  }

  /**
   * A packet (16 bits) is told not to have arrived: resends it, unless it was asked for before, or
   * is likely to be made out of repair packets.
   */
  lost(number: number, now: number): void {
    const source = this.#source;
    const last = this.#sequence.lastOut;
    if (last < 0 || source === undefined || !this.#limit.wanted.enabled) return;
    if (this.#output.fec?.isOn !== true) this.#resender.resendLost(source, number, last, now);
  }

  /**
   * Sends one packet more, which nobody misses, to find out what the path carries.
   *
   * @param recentOnly Only if it can be a recent packet again.
   * @param most Bytes of such a packet.
   * @returns `false` if nothing was sent.
   */
  pad(recentOnly: boolean, now: number, most: number = Infinity): boolean {
    return this.#resender.pad(this.#source, this.#sequence.lastOut, recentOnly, most, now);
  }

  /**
   * Sends a packet of padding alone in the stream itself, where there is no other for it: behind a
   * whole frame and as a part of it, or where nothing is being sent, as libwebrtc does.
   *
   * @param most Bytes of the packet, about.
   * @returns `false` if nothing was sent.
   */
  padItself(now: number, most: number): boolean {
    const output = this.#output;
    const sequence = this.#sequence;
    const source = this.#source;
    const codec = this.#codec ?? (source && openingCodec(source, this.#section.codecs));
    if (source === undefined || codec === undefined || sequence.lastOut < 0) return false;
    const isBetween = this.#resync || (output.endsFrame && sequence.isDense);
    if (!isBetween || !output.padsItself) return false;
    output.packet.payloadType = codec.payloadType;
    output.packet.sequence = sequence.insert(this.#firstSequence);
    output.packet.timestamp = output.lastTimestamp;
    // What stands still goes on with a key frame, before which nothing is missed.
    return output.sendPadding(now, paddingOf(most), !this.#resync) === DROP.none;
  }

  /**
   * Sends repair packets in advance, where the subscriber takes them.
   *
   * @param packets That share a repair packet; 0 for none.
   */
  setRepairGroup(packets: number): void {
    this.#output.fec?.setGroup(packets);
  }

  /** The subscriber lost its picture (PLI or FIR): asks for a key frame upstream. */
  receivePictureLoss(now: number): void {
    this.#plisReceived++;
    const source = this.#source;
    if (source === undefined || !this.#isVideo || source.muted) return;
    if (!this.#limit.wanted.enabled) return;
    const spatial = this.#locked ? this.#current : this.#wanted;
    if (spatial !== NO_LAYER) source.requestKeyFrame(spatial, now);
  }

  /**
   * Takes a reception report about this track.
   *
   * @param rttMs Round trip to the subscriber (RFC 3550 §6.4.1); negative if not measurable.
   * @returns What it says of the path; valid until the next one.
   */
  receiveReport(rttMs: number, block: ReportBlock, now: number): DownTrackCondition["path"] {
    if (rttMs >= 0) this.#rttMs = Math.round(rttMs);
    this.#condition.receiveReport(block, rttMs, now, this.#output.duplicated);
    this.#source?.layer(this.#current)?.lostFar(block.fractionLost);
    this.#output.reported(block, rttMs, this.#clockRate, now);
    // One of ours has come: the stream is open.
    const behind = (this.#sequence.lastOut - block.highestSequence) & 0xffff;
    if (behind < this.#output.packets) this.#opening.end();
    const { path } = this.#condition;
    path.nextLeftAt = this.#resender.leftAt(this.#sequence.lastOut - behind + 1);
    return path;
  }

  /**
   * What became of what was sent since the last call; `undefined` before the first packet, unless
   * that waits for bandwidth.
   */
  interval(now: number): ReturnType<DownTrackCondition["interval"]> | undefined {
    const codec = this.#codec ?? (this.#limit.isPaused ? this.#section.codecs[0] : undefined);
    return codec && this.#condition.interval(codec, this.#clockRate, now);
  }

  /**
   * Fills a sender report: the publisher's own wall clock, carried on to `now`, with our timestamp.
   *
   * @returns `false` if there is nothing to report yet (nothing sent, or no report from the
   *   publisher).
   */
  senderReport(now: number, out: SenderReportFigures): boolean {
    const clock = this.#clock;
    if (clock === undefined || this.#output.packets === 0 || this.#resync) return false;
    if (!this.#timestamps.report(clock, this.#clockRate, now, out)) return false;
    out.ssrc = this.#section.ssrc;
    out.packetCount = this.#output.packets >>> 0;
    out.octetCount = this.#output.octets % 0x1_0000_0000;
    return true;
  }

  /** Asks again for a key frame that has not come; opens the stream. */
  tick(now: number): void {
    if (now >= this.#seekAt) this.#seek(now);
    if (now >= this.#opening.nextAt) this.#open(now);
    if (now >= this.#output.silence.nextAt) this.#sendSilence(now);
    this.#output.fec?.flush(now);
  }

  /** When {@linkcode tick} has something to do; `Infinity` if nothing is foreseen. */
  nextWakeAt(): number {
    const { fec, silence } = this.#output;
    return Math.min(this.#seekAt, this.#opening.nextAt, silence.nextAt, fec?.dueAt ?? Infinity);
  }

  stats(): DownTrackFigures {
    return {
      spatial: this.#reported === NO_LAYER ? undefined : this.#reported as SpatialLayer,
      packets: this.#output.packets,
      bytes: this.#output.bytes,
      retransmitted: this.#resender.resent + this.#output.duplicated,
      nacksReceived: this.#nacksReceived,
      plisReceived: this.#plisReceived,
    };
  }

  get #locked(): boolean {
    return !this.#resync && this.#current === this.#wanted && !this.#selection.needsKeyFrame;
  }

  #interrupt(maxLagMs: number): void {
    // A publisher's mute makes its clock doubtful, whatever else interrupts before the end of it.
    if (!this.#resync || maxLagMs < this.#maxLagMs) this.#maxLagMs = maxLagMs;
    this.#resync = true;
  }

  /** Asks for a key frame of the wanted layer unless it is already being sent. */
  #seek(now: number): void {
    this.#seekAt = Infinity;
    const source = this.#source;
    if (source === undefined || !this.#isVideo || source.muted) return;
    if (!this.#limit.wanted.enabled) return;
    // Too much for too long: a still picture is better for all others.
    if (now - this.#excessSince >= MAX_EXCESS_MS) this.#interrupt(SWITCH_LAG_MS);
    if (this.#locked || this.#wanted === NO_LAYER) return;
    const layer = source.layer(this.#wanted);
    if (layer === undefined || matchCodec(layer.codec, this.#section.codecs) === undefined) return;
    source.requestKeyFrame(this.#wanted, now);
    this.#seekAt = now + Math.min(MAX_SEEK_MS, Math.max(MIN_SEEK_MS, 2 * this.#rttMs));
    this.#listener.onTimed?.(this.#seekAt);
  }
}
