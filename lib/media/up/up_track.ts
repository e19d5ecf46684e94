/**
 * One received media section: up to three layers in, all down-tracks out, in the same turn.
 *
 * Contract: each new packet of each layer is given to every down-track exactly once, whole or empty
 * (padding), in the order in which they came, and is found in the layer's cache under its extended
 * number. With a {@linkcode FanOutBatch} this happens when the batch ends, else at once.
 *
 * Nothing here reads a clock or allocates per packet; errors are {@linkcode DropReason}s.
 *
 * @module
 */
import {
  type CodecParameters,
  EXTENSION_URI,
  type HeaderExtension,
  type MediaKind,
  type SpatialLayer,
} from "../../base/media_vocabulary.ts";
import type { ReportBlock } from "../../wire/rtcp.ts";
import { RtpView } from "../../wire/rtp_view.ts";
import type { ExtSeq } from "../../wire/seq.ts";
import { Audience, type AudienceHost } from "./audience.ts";
import { AudioLevel, type AudioLevelOptions } from "./audio_level.ts";
import type { LoudestRooms } from "./loudest_audio.ts";
import { DROP, type DropReason, DropTally } from "../layer/drop_reason.ts";
import type { LayerSource, PacketReceiver } from "../packet/forwarding_ports.ts";
import { SLOT_BYTES } from "../layer/packet_cache.ts";
import type { UpTrackIntervalFigures } from "../layer/interval_figures.ts";
import type { FanOut, FanOutBatch } from "../packet/fan_out_batch.ts";
import { changesStream, measure, placeInStream, readPayload } from "../packet/payload_reader.ts";
import { RunFanOut } from "../packet/run_fan_out.ts";
import { originalSequence, OSN_BYTES, stageOriginal } from "../layer/rtx_original.ts";
import { SourcePacket } from "../packet/source_packet.ts";
import { layerCosts, layerFrameRates, streamBps } from "./layer_costs.ts";
import { UpTrackCondition } from "./up_track_condition.ts";
import { MIN_INTERVAL_MS } from "../layer/nack_tracker.ts";
import { SILENCE_PACKETS, UpTrackLayer, type UpTrackLayerStats } from "../layer/up_track_layer.ts";

/** Simulcast layers of a track at most. */
export const MAX_LAYERS = 3;
/** Round trip to the publisher until one is measured, ms. */
const DEFAULT_RTT_MS = 70;
/** Weight of a new round-trip measurement. */
const RTT_WEIGHT = 0.75;
/** How long an answer of {@linkcode UpTrack.neededLayers} will do for sizing caches, ms. */
const NEEDS_FRESH_MS = 100;
/** Lost numbers in one NACK request. */
const MAX_NACKS = 100;
/**
 * Who becomes loud is passed on from so many packets before: the beginning of a word is loud only
 * when it has begun. They must have come just before.
 */
const ONSET_PACKETS = 2;
const ONSET_MS = 100;

/** What an up-track wants sent to its publisher. */
export interface UpTrackListener {
  /** `numbers[0, count)` are lost; valid during the call only. */
  onNack(ssrc: number, numbers: Uint16Array, count: number): void;
  /** Send a PLI for this layer now. */
  onKeyFrameNeeded(ssrc: number): void;
  /** {@linkcode UpTrack.neededLayers} may have changed. */
  onNeedsChanged?(): void;
  /**
   * {@linkcode UpTrack.tick} has something to do at `at`, which may be sooner than it had before.
   */
  onTimed?(at: number): void;
}

/** What an up-track is made of; its layers are bound later, as they come. */
export interface UpTrackOptions {
  readonly kind: MediaKind;
  readonly listener: UpTrackListener;
  /** What the publisher's section negotiated. */
  readonly extensions: readonly HeaderExtension[];
  /** How loudness is measured; LiveKit's defaults if absent. */
  readonly audioLevel?: AudioLevelOptions;
  /** Least time between two key-frame requests, by spatial layer; LiveKit's defaults if absent. */
  readonly pliThrottleMs?: readonly number[] | undefined;
  /** The publisher of audio is told of the most that a subscriber loses. */
  readonly tellsFarLoss?: boolean | undefined;
  /** Where it says that packets wait to be fanned out; absent: they do not wait. */
  readonly batch?: FanOutBatch;
  /** It comes from another up-track, where loudness is measured and the living layers are known. */
  readonly isRelayed?: boolean;
  /** Rooms of which only the loudest audio may be wanted; absent: all is passed on. */
  readonly loudest?: LoudestRooms | undefined;
}

/**
 * One received section. Each new packet is given to every down-track once, in order of arrival, and
 * is then in its layer's cache; nothing reads a clock, throws or allocates per packet.
 */
export class UpTrack implements LayerSource, FanOut, AudienceHost {
  readonly kind: MediaKind;
  /** Publisher-side header extensions, for down-tracks to map from. */
  readonly extensions: readonly HeaderExtension[];
  readonly drops: DropTally = new DropTally();
  /** How loud it is; absent for video and where packets carry no levels. */
  readonly level: AudioLevel | undefined;
  muted = false;
  readonly #condition = new UpTrackCondition();
  readonly #listener: UpTrackListener;
  readonly #layers: (UpTrackLayer | undefined)[] = [undefined, undefined, undefined];
  readonly #descriptorId: number;
  /** Of extensions that publishers set as packets leave, which repair packets do not cover. */
  readonly #mutableIds: readonly number[];
  /** Packets may carry how loud they are. */
  readonly #hasLevels: boolean;
  readonly #rtxView = new RtpView();
  readonly #nacks = new Uint16Array(MAX_NACKS);
  readonly #batch: FanOutBatch | undefined;
  readonly #requests: UpTrackLayer["requests"];
  readonly #tellsFarLoss: boolean;
  /** Rates are measured where the publisher is connected, and told. */
  readonly #isRelayed: boolean;
  readonly #fanOut = new RunFanOut();
  readonly #run = this.#fanOut.run;
  /** For `replay`, which runs while others are being forwarded. */
  #replayed: SourcePacket | undefined;
  /** Packets stored so far, and how many of them have been fanned out. */
  #arrivals = 0;
  #fannedOut = 0;
  readonly #audience: Audience;
  #rttMs = DEFAULT_RTT_MS;
  /** The needed layers as last looked at, and until when that will do. */
  #needed = 0;
  #needsFreshUntil = -Infinity;

  constructor(options: UpTrackOptions) {
    this.kind = options.kind;
    this.extensions = options.extensions;
    this.#listener = options.listener;
    this.#batch = options.batch;
    this.#requests = UpTrackLayer.requestsOf(options.pliThrottleMs);
    this.#isRelayed = options.isRelayed === true;
    const id = (uri: string) => options.extensions.find((e) => e.uri === uri)?.id ?? 0;
    this.#descriptorId = id(EXTENSION_URI.dependencyDescriptor);
    this.#mutableIds = [id(EXTENSION_URI.transportCc), id(EXTENSION_URI.absSendTime)];
    const isAudio = options.kind === "audio";
    const levelId = isAudio ? id(EXTENSION_URI.audioLevel) : 0;
    this.#tellsFarLoss = isAudio && options.tellsFarLoss === true;
    this.#hasLevels = levelId !== 0;
    if (this.#hasLevels && !this.#isRelayed) this.level = new AudioLevel(options.audioLevel);
    this.#audience = new Audience(isAudio ? options.loudest : undefined, levelId, this);
  }

  /** The first packet of a layer came, or its SSRC or codec changed. Call before `receive`. */
  bindLayer(
    spatial: SpatialLayer,
    ssrc: number,
    codec: CodecParameters,
    now: number,
    live = true,
  ): void {
    const bound = this.#layers[spatial];
    if (bound !== undefined) {
      const { mime, payloadType } = bound.codec;
      if (bound.ssrc === ssrc && payloadType === codec.payloadType && mime === codec.mime) return;
      this.endRun(now); // of the stream as it was
      if (bound.rebind(ssrc, codec, now)) this.level?.restart();
    } else {
      const layer = new UpTrackLayer(spatial, this.kind, ssrc, codec, now, this.#requests);
      layer.live = live;
      layer.tellsFarLoss = this.#tellsFarLoss;
      this.endRun(now); // with the layers there were
      this.#layers[spatial] = layer;
    }
    this.#layersChanged(now);
    this.#listener.onTimed?.(this.nextWakeAt());
  }

  /** Which layers live and which began anew, as another up-track has it; not to be guessed here. */
  setLayers(live: number, restarted: number, now: number): void {
    this.endRun(now); // with the layers there were
    for (let i = 0; i < MAX_LAYERS; i++) {
      const layer = this.#layers[i];
      if (layer === undefined) continue;
      layer.live = (live & (1 << i)) !== 0;
      if ((restarted & (1 << i)) !== 0) layer.restart();
    }
    this.#layersChanged(now);
  }

  layer(spatial: number): UpTrackLayer | undefined {
    return this.#layers[spatial];
  }

  get liveLayers(): number {
    let mask = 0;
    for (let i = 0; i < MAX_LAYERS; i++) if (this.#layers[i]?.live) mask |= 1 << i;
    return mask;
  }

  /**
   * Takes one packet of a layer's own SSRC.
   *
   * @param extended Its number as another up-track extended it; negative if it came from the
   *   network.
   * @returns 0 if it was new and offered to the down-tracks.
   */
  receive(spatial: SpatialLayer, view: RtpView, now: number, extended = -1): DropReason {
    const layer = this.#layers[spatial];
    if (layer === undefined) return this.drops.count(DROP.unboundLayer);
    if (view.payloadType !== layer.codec.payloadType) return this.drops.count(DROP.payloadType);
    if (view.length > SLOT_BYTES) return this.drops.count(DROP.tooLarge);
    // What came before a restart belongs to the old stream.
    if (extended < 0 && layer.isJump(view.sequenceNumber)) this.endRun(now);
    const before = layer.highest;
    const epoch = layer.epoch;
    const seq = extended < 0
      ? layer.admit(view.sequenceNumber)
      : layer.admitExtended(extended as ExtSeq);
    if (seq < 0) return this.drops.count(-seq as DropReason);
    if (layer.epoch !== epoch) {
      this.level?.restart();
      this.#layersChanged(now);
    }
    if (this.#hasLevels || this.#audience.isRanked) {
      const dbov = this.#audience.levelOf(view);
      if (dbov >= 0) this.level?.observePacket(dbov, view.timestamp, layer.codec.clockRate, now);
      if (seq > before) this.#audience.hear(dbov, now);
    }
    this.#makeRoom(layer, seq as ExtSeq, now);
    layer.cache.stage(seq as ExtSeq, view.bytes, view.length);
    // Padding is cut off by the stored length, so its flag goes, too.
    layer.cache.staged(seq as ExtSeq)[0]! &= 0xdf;
    if (view.payloadLength > 0) layer.noteTime(view.timestamp, now);
    if (view.payloadLength > 0 && extended < 0) this.#noteLife(layer, now);
    if (view.paddingLength > 0) layer.noteChanged(seq as ExtSeq);
    this.#accept(layer, seq as ExtSeq, view, now, seq > before);
    if (layer.awaitsRepair) this.#recover(layer, now);
    return DROP.none;
  }

  /** Takes one repair packet of a layer (flexfec-03). @returns 0 if it is one. */
  receiveFec(spatial: SpatialLayer, view: RtpView, now: number): DropReason {
    const layer = this.#layers[spatial];
    if (layer === undefined) return this.drops.count(DROP.unboundLayer);
    if (!layer.takeRepair(view, this.#mutableIds, now)) {
      return this.drops.count(DROP.malformedPayload);
    }
    this.#recover(layer, now);
    return DROP.none;
  }

  /** Takes what can be made of repair packets as if it had come, one after the other. */
  #recover(layer: UpTrackLayer, now: number): void {
    const made = this.#rtxView;
    while (layer.recover(made)) {
      const { bytes, length, payloadType, sequenceNumber } = made;
      const isOurs = payloadType === layer.codec.payloadType && length <= SLOT_BYTES;
      const seq = isOurs ? layer.admitRetransmission(sequenceNumber) : -DROP.payloadType;
      if (seq < 0) {
        this.drops.count(-seq as DropReason);
        continue;
      }
      this.#makeRoom(layer, seq as ExtSeq, now);
      layer.cache.stage(seq as ExtSeq, bytes, length);
      layer.cache.staged(seq as ExtSeq)[0]! &= 0xdf;
      if (made.paddingLength > 0) layer.noteChanged(seq as ExtSeq);
      layer.repaired++;
      this.#accept(layer, seq as ExtSeq, made, now, false);
    }
  }

  /**
   * Takes one packet of a layer's RTX SSRC and turns it into the original (RFC 4588 §4).
   *
   * @returns 0 if it brought a packet that was missing.
   */
  receiveRtx(spatial: SpatialLayer, view: RtpView, now: number): DropReason {
    const layer = this.#layers[spatial];
    if (layer === undefined) return this.drops.count(DROP.unboundLayer);
    if (view.payloadLength <= OSN_BYTES) return this.drops.count(DROP.rtxPadding);
    if (view.length > SLOT_BYTES) return this.drops.count(DROP.tooLarge);
    const seq = layer.admitRetransmission(originalSequence(view));
    if (seq < 0) return this.drops.count(-seq as DropReason);
    this.#makeRoom(layer, seq as ExtSeq, now);
    stageOriginal(view, layer, seq as ExtSeq, this.#rtxView);
    layer.noteChanged(seq as ExtSeq); // its extensions need not be the original's
    this.#accept(layer, seq as ExtSeq, this.#rtxView, now, false);
    return DROP.none;
  }

  /** Grows the cache of a layer that is needed rather than lose what may still be asked for. */
  #makeRoom(layer: UpTrackLayer, seq: ExtSeq, now: number): void {
    const { cache } = layer;
    while (cache.capacity < cache.most && cache.overwritesRecent(seq, now)) {
      if (!this.#needs(layer.spatial, now)) return;
      this.endRun(now); // its packets move
      layer.growCache(now);
      this.#listener.onTimed?.(layer.cacheReviewAt);
    }
  }

  /** {@linkcode neededLayers}, without looking at all down-tracks for each packet. */
  #needs(spatial: number, now: number): boolean {
    if (now >= this.#needsFreshUntil) {
      this.#needed = this.neededLayers;
      this.#needsFreshUntil = now + NEEDS_FRESH_MS;
    }
    return (this.#needed & (1 << spatial)) !== 0;
  }

  /** Stores the staged packet, which then waits to be offered to the down-tracks. */
  #accept(layer: UpTrackLayer, seq: ExtSeq, view: RtpView, now: number, inOrder: boolean): void {
    const { cache } = layer;
    const missing = layer.nack.pending;
    layer.nack.receive(seq, now);
    if (layer.nack.pending > missing) this.#listener.onTimed?.(now + MIN_INTERVAL_MS);
    if (!inOrder) layer.late++;
    const isOriginal = inOrder && view.payloadLength > 0;
    layer.statistics.receive(seq, view, layer.codec.clockRate, now, isOriginal);
    const slot = cache.slotFor(seq);
    const run = this.#run;
    // A packet that waits must not be overwritten by one far ahead; nobody gets half a run.
    const isClosed = run.isFull || this.#fanOut.hasBegun;
    if (isClosed || cache.arrivalOf(slot) > this.#fannedOut) this.endRun(now);
    const packet = run.next(layer);
    packet.seq = seq;
    packet.slot = slot;
    packet.highest = layer.highest;
    packet.arrival = ++this.#arrivals;
    packet.view.takeOver(view, cache.slotBytes(slot));
    cache.storeStaged(seq, packet.view.length, packet.arrival, now);
    if (!readPayload(packet, this.#descriptorId)) this.drops.count(DROP.malformedPayload);
    if (changesStream(packet)) this.#endRun(packet.arrival - 1, now);
    placeInStream(packet);
    measure(packet, !this.#isRelayed, now);
    if (packet.keyFrameStart) layer.keyFrames.keyFrameArrived();
    run.add(packet);
    if (this.#batch === undefined) this.endRun(now);
    else if (run.length === 1) this.#batch.add(this);
  }

  get soundBytes(): number {
    return this.kind === "audio" && this.#run.length > 0 ? this.#run.at(0).view.length : 0;
  }

  beginRun(now: number): void {
    this.#fanOut.passOn(this.#audience.active, now);
  }

  nextPlace(): number {
    return this.#fanOut.nextPlace(this.#audience.active);
  }

  serveRun(place: number, now: number): number {
    return this.#fanOut.serve(place, now);
  }

  endRun(now: number): void {
    this.#endRun(this.#arrivals, now);
  }

  /** Offers what waits, which ends with the packet that came as number `until`. */
  #endRun(until: number, now: number): void {
    const { active, isPartial } = this.#audience;
    for (let i = isPartial ? this.#run.length : 0; i > 0; i--) this.drops.count(DROP.notLoudest);
    this.#fanOut.finish(active, now);
    this.#fannedOut = until;
  }

  /**
   * Takes a sender report of the layer's SSRC (RFC 3550 §6.4.1); NTP parts are unsigned 32 bits.
   */
  receiveSenderReport(
    spatial: SpatialLayer,
    ntpSeconds: number,
    ntpFraction: number,
    rtpTimestamp: number,
    now: number,
  ): void {
    this.#layers[spatial]?.clock.update(ntpSeconds, ntpFraction, rtpTimestamp, now);
  }

  /** Fills the report block of a layer and begins its next interval; `false` if it is unbound. */
  receiverReport(spatial: SpatialLayer, now: number, out: ReportBlock): boolean {
    this.#layers[spatial]?.report(now, out);
    return this.#layers[spatial] !== undefined;
  }

  /** A new measurement of the round trip to the publisher. */
  updateRtt(rttMs: number): void {
    this.#rttMs = Math.round(rttMs * RTT_WEIGHT + this.#rttMs * (1 - RTT_WEIGHT));
  }

  /** The publisher muted or unmuted: down-tracks stop, or start anew. */
  setMuted(muted: boolean, now: number): void {
    if (this.muted === muted) return;
    this.muted = muted;
    this.#condition.muteChanged(now);
    this.level?.restart();
    if (muted) this.#audience.silence(now);
    for (const layer of this.#layers) {
      if (muted) layer?.keyFrames.cancel();
      else layer?.unmuted();
    }
    for (const downTrack of this.#audience.all) downTrack.sourceMuted(muted, now);
    this.#listener.onTimed?.(this.nextWakeAt());
  }

  addDownTrack(downTrack: PacketReceiver, now: number): void {
    if (!this.#audience.add(downTrack)) return;
    downTrack.attach(this, now);
    this.needsChanged();
  }

  removeDownTrack(downTrack: PacketReceiver): void {
    if (!this.#audience.remove(downTrack)) return;
    downTrack.detach();
    this.needsChanged();
  }

  audienceChanged(now: number): void {
    this.#audience.regroup(now);
    this.needsChanged();
  }

  onAudienceChanges(now: number): void {
    this.endRun(now);
  }

  onReturn(receivers: readonly PacketReceiver[], now: number): void {
    const layer = this.#layers[0];
    if (layer === undefined || this.muted) return;
    for (let s = layer.highest - ONSET_PACKETS; s <= layer.highest; s++) {
      const slot = layer.cache.find(s);
      if (slot < 0 || now - layer.cache.storedAt(slot) > ONSET_MS) continue;
      for (const receiver of receivers) {
        try {
          this.#offerAgain(receiver, layer, s, slot, now);
        } catch (error) {
          receiver.failed(error);
        }
      }
    }
  }

  /** What was passed on until now was not all: what comes next does not follow it. */
  interrupt(now: number): void {
    this.endRun(now);
    for (const receiver of this.#audience.all) receiver.interrupted?.(now);
  }

  /** The room of whose loudest it has to be for all who receive it; see {@linkcode Audience}. */
  get onlyLoudestOf(): string | undefined {
    return this.#audience.onlyRoom;
  }

  /** Bit `1 << spatial` for each layer that some down-track needs; looks at all of them. */
  get neededLayers(): number {
    return this.#audience.all.reduce((mask, downTrack) => mask | downTrack.neededLayers, 0);
  }

  /** What its down-tracks together would have (`layer_wish.ts`); looks at all of them. */
  get wish(): number {
    return this.#audience.wish;
  }

  /** Whether a down-track is given packets now, and not left out as it is not loud. */
  gives(downTrack: PacketReceiver): boolean {
    return !this.#audience.isPartial || this.#audience.active.includes(downTrack);
  }

  needsChanged(): void {
    this.#needsFreshUntil = -Infinity;
    this.#listener.onNeedsChanged?.();
  }

  /** Subscribers now. */
  get downTrackCount(): number {
    return this.#audience.all.length;
  }

  requestKeyFrame(spatial: number, now: number): void {
    const layer = this.#layers[spatial];
    if (layer === undefined || this.kind === "audio" || this.muted) return;
    if (layer.keyFrames.request(now)) this.#listener.onKeyFrameNeeded(layer.ssrc);
    else this.#listener.onTimed?.(layer.keyFrames.nextWakeAt());
  }

  replay(receiver: PacketReceiver, start: SourcePacket, now: number): void {
    const { layer, arrival, highest } = start;
    const { cache } = layer;
    for (let s = start.seq + 1; s <= highest; s++) {
      const slot = cache.find(s);
      // What came after `start` in the same run is still to be offered.
      if (slot < 0 || cache.arrivalOf(slot) > arrival) continue;
      this.#offerAgain(receiver, layer, s, slot, now);
    }
  }

  /** Forwards to one receiver a packet that is in the cache, as number `seq`. */
  #offerAgain(
    receiver: PacketReceiver,
    layer: UpTrackLayer,
    seq: number,
    slot: number,
    now: number,
  ): void {
    const { cache } = layer;
    const packet = (this.#replayed ??= new SourcePacket(layer));
    packet.layer = layer;
    if (!packet.view.wrap(cache.slotBytes(slot), cache.lengthOf(slot))) return;
    packet.seq = packet.highest = seq as ExtSeq;
    packet.slot = slot;
    readPayload(packet, this.#descriptorId);
    placeInStream(packet);
    receiver.forward(packet, now);
  }

  /** Sends what is due: NACKs and key-frame requests; notices layers that stopped. */
  tick(now: number): void {
    let changed = false;
    for (let i = 0; i < MAX_LAYERS; i++) {
      const layer = this.#layers[i];
      if (layer === undefined) continue;
      if (layer.nack.pending > 0) {
        const count = layer.nack.collect(now, this.#rttMs, this.#nacks);
        layer.nacksSent += count;
        if (count > 0) this.#listener.onNack(layer.ssrc, this.#nacks, count);
      }
      if (!this.muted && layer.keyFrames.tick(now)) this.#listener.onKeyFrameNeeded(layer.ssrc);
      if (now >= layer.cacheReviewAt) {
        this.endRun(now); // its packets may move
        layer.reviewCache(this.#needs(i, now), now);
      }
      if (now >= layer.silentAt) {
        layer.live = false;
        changed = true;
      }
    }
    if (changed) this.#layersChanged(now);
  }

  /** When {@linkcode tick} has something to do; `Infinity` if nothing is foreseen. */
  nextWakeAt(): number {
    let earliest = Infinity;
    for (let i = 0; i < MAX_LAYERS; i++) {
      const layer = this.#layers[i];
      if (layer === undefined) continue;
      if (layer.nack.pending > 0) earliest = Math.min(earliest, layer.nack.nextWakeAt());
      if (!this.muted) earliest = Math.min(earliest, layer.keyFrames.nextWakeAt());
      earliest = Math.min(earliest, layer.silentAt, layer.cacheReviewAt);
    }
    return earliest;
  }

  /** Figures of the bound layers, lowest first. */
  stats(): UpTrackLayerStats[] {
    return this.#layers.flatMap((layer) => layer?.stats() ?? []);
  }

  /**
   * What each layer costs a subscriber: bits per second by `spatial * 4 + temporal`, with all that
   * it is built on, 0 for what is not sent; and frames per second, 0 where that is not known.
   */
  costs(out: Float64Array, frameRates?: Float64Array): void {
    layerCosts(this.#layers, out);
    if (frameRates !== undefined) layerFrameRates(this.#layers, frameRates);
  }

  /** What a stream brings, with all that is in it, bits per second; 0 if it is not sent. */
  streamBps(spatial: number): number {
    return streamBps(this.#layers, spatial);
  }

  /** What came since the last call; `undefined` before the first packet. */
  interval(now: number): UpTrackIntervalFigures | undefined {
    return this.#condition.interval(this.#layers, this.muted, now);
  }

  /** A packet with media came: its layer lives, and the others fall behind. */
  #noteLife(layer: UpTrackLayer, now: number): void {
    for (let i = 0; i < MAX_LAYERS; i++) {
      const other = this.#layers[i];
      if (other === undefined) continue;
      if (++other.packetsElsewhere === SILENCE_PACKETS && other !== layer) {
        this.#listener.onTimed?.(other.silentAt);
      }
    }
    layer.packetsElsewhere = 0;
    if (layer.live) return;
    this.endRun(now); // with the layers there were
    layer.live = true;
    layer.rates.pause();
    this.#layersChanged(now);
  }

  #layersChanged(now: number): void {
    this.#condition.layersChanged(this.liveLayers, now);
    for (const downTrack of this.#audience.all) downTrack.layersChanged(now);
  }
}
