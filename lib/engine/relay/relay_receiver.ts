/**
 * The far end of a relay: an up-track whose packets come from another engine.
 *
 * Contract: to its down-tracks the up-track looks like one whose publisher is connected here. Its
 * numbers, restarts, living layers and mute are the near end's, in order with the packets; the near
 * end knows which layers are needed here, before it is asked for a key frame of one. Who the near
 * end is may change: down-tracks see missing packets, and go on.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { CodecParameters, ReceiveSection, SpatialLayer } from "../../base/media_vocabulary.ts";
import type { FanOutBatch } from "../../media/packet/fan_out_batch.ts";
import { SLOT_BYTES } from "../../media/layer/packet_cache.ts";
import type { LoudestRooms } from "../../media/up/loudest_audio.ts";
import { MAX_LAYERS, UpTrack } from "../../media/up/up_track.ts";
import { RtpView } from "../../wire/rtp_view.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import type { RelayMember, RelayOutput } from "./relay_output.ts";
import {
  beginsRun,
  bytesOf,
  demandWord,
  isMuted,
  joinHalves,
  liveLayersOf,
  NACK_HEAD_WORDS,
  PACKET_HEAD_WORDS,
  RATES,
  RATES_WORDS,
  RELAY,
  REPORT_WORDS,
  spatialOf,
  STATE_WORDS,
} from "./relay_records.ts";

const NOT_OFFERED = -1;
const UNKNOWN_EPOCH = -1;
/** Bytes a packet is copied out of the ring to. */
const COPY_BYTES = 2048;
/** More missing audio, packets, was not lost but not sent. */
const MAX_AUDIO_GAP = 100;
/** Numbers above this are no sequence numbers: they could not be counted in doubles. */
const MAX_UPPER_HALF = 1 << 20;

/**
 * One relayed up-track at its far end: to its down-tracks like a local one, in the near end's
 * numbers, layers and mute.
 */
export class RelayReceiver implements RelayMember {
  readonly track: UpTrack;
  /** To where its packets come from; absent while they come from nowhere. */
  #output: RelayOutput | undefined;
  readonly #drops: DropSink<EngineDrop>;
  readonly #view = new RtpView();
  readonly #copy = new Int32Array(COPY_BYTES / 4);
  readonly #copyBytes = new Uint8Array(this.#copy.buffer);
  readonly #isAudio: boolean;
  #codecs: readonly CodecParameters[];
  #number = NOT_OFFERED;
  #joins = false;
  /** What the near end was told. */
  #demand = 0;
  #loudestOf = "";
  #keyFrames = 0;
  /** The near end's, by layer. */
  readonly #epochs = new Int32Array(MAX_LAYERS).fill(UNKNOWN_EPOCH);
  /** Added to the near end's numbers, so that those of a new offer are above all earlier ones. */
  readonly #base = new Float64Array(MAX_LAYERS);

  /** @param batch Where its packets wait for the end of a run of records. */
  constructor(
    section: ReceiveSection,
    drops: DropSink<EngineDrop>,
    batch?: FanOutBatch,
    loudest?: LoudestRooms,
  ) {
    this.#drops = drops;
    this.#codecs = section.codecs;
    this.#isAudio = section.kind === "audio";
    this.track = new UpTrack({
      kind: section.kind,
      extensions: section.extensions,
      ...(batch === undefined ? {} : { batch }),
      isRelayed: true,
      loudest,
      listener: {
        onNack: (ssrc, numbers, count) => this.#sendNack(ssrc, numbers, count),
        onKeyFrameNeeded: (ssrc) => this.#needKeyFrame(ssrc),
        onNeedsChanged: () => this.#output?.changed(this),
      },
    });
  }

  /** The offer it follows; negative if there is none. */
  get number(): number {
    return this.#number;
  }

  /** The publisher's section was described anew. */
  setCodecs(codecs: readonly CodecParameters[]): void {
    this.#codecs = codecs;
  }

  /** Follows what `output` leads to from now on, which may offer the track. */
  follow(output: RelayOutput): void {
    this.#output = output;
  }

  /** Nobody sends it for now: its down-tracks wait. */
  unfollow(now: number): void {
    this.#output?.forget(this);
    this.#output = undefined;
    this.withdrawn(now);
  }

  /** The near end offers the track (again, after it was withdrawn). */
  begin(number: number): void {
    this.#number = number;
    this.#joins = true;
    this.#demand = this.#keyFrames = 0;
    this.#loudestOf = "";
    for (let spatial = 0; spatial < MAX_LAYERS; spatial++) {
      this.#epochs[spatial] = UNKNOWN_EPOCH;
      const highest = this.track.layer(spatial)?.highest ?? 0;
      this.#base[spatial] = Math.ceil(highest / 0x10000) * 0x10000;
    }
    this.#output?.changed(this);
  }

  /** The near end has nothing any more: nothing lives until it offers the track again. */
  withdrawn(now: number): void {
    this.#number = NOT_OFFERED;
    this.track.setLayers(0, 0, now);
  }

  flush(): boolean {
    const output = this.#output;
    if (output === undefined || this.#number === NOT_OFFERED) return true;
    if (this.#joins) {
      if (!this.#write(output, RELAY.join)) return false;
      this.#joins = false;
    }
    if (!this.#writeLoudestOf(output)) return false;
    const needed = this.track.neededLayers;
    const demand = demandWord(needed, this.track.wish);
    if (demand !== this.#demand) {
      if (!this.#write(output, RELAY.demand, demand)) return false;
      this.#demand = demand;
    }
    const keyFrames = this.#keyFrames & needed;
    if (keyFrames !== 0 && !this.#write(output, RELAY.keyFrames, keyFrames)) return false;
    this.#keyFrames = 0;
    return true;
  }

  tick(now: number): void {
    if (now >= this.track.nextWakeAt()) this.track.tick(now);
  }

  /** Takes a state record, `words[at, at + length)`. */
  receiveState(words: Int32Array, at: number, length: number, now: number): void {
    if (length !== STATE_WORDS) return this.#drops.count("relay_malformed");
    this.track.endRun(now); // with the layers there were, and muted or not
    const flags = words[at + 1]!;
    let live = liveLayersOf(flags);
    let restarted = 0;
    for (let spatial = 0; spatial < MAX_LAYERS; spatial++) {
      const ssrc = words[at + 2 + 3 * spatial]! >>> 0;
      const payloadType = words[at + 3 + 3 * spatial]!;
      const epoch = words[at + 4 + 3 * spatial]!;
      const bit = 1 << spatial;
      if (payloadType < 0) continue;
      const codec = this.#codecs.find((known) => known.payloadType === payloadType);
      if (codec === undefined) {
        this.#drops.count("relay_unknown_codec");
        live &= ~bit;
        continue;
      }
      if (this.#bind(spatial as SpatialLayer, ssrc, codec, epoch, (live & bit) !== 0, now)) {
        restarted |= bit;
      }
    }
    if (restarted !== 0 || live !== this.track.liveLayers) {
      this.track.setLayers(live, restarted, now);
    }
    this.track.setMuted(isMuted(flags), now);
  }

  /** @returns Whether the layer is to be restarted: it began anew, and not by being bound anew. */
  #bind(
    spatial: SpatialLayer,
    ssrc: number,
    codec: CodecParameters,
    epoch: number,
    isLive: boolean,
    now: number,
  ): boolean {
    const { track } = this;
    const before = track.layer(spatial)?.epoch;
    track.bindLayer(spatial, ssrc, codec, now, isLive);
    const layer = track.layer(spatial)!;
    // The near end asks until the first key frame; here only those ask who want one.
    if (layer.epoch !== before) layer.keyFrames.unseed();
    const restarts = layer.epoch === before && epoch !== this.#epochs[spatial];
    this.#epochs[spatial] = epoch;
    return restarts;
  }

  /** Takes a report record, `words[at, at + length)`. */
  receiveReport(words: Int32Array, at: number, length: number, now: number): void {
    const spatial = words[at + 1]!;
    if (length !== REPORT_WORDS || spatial < 0 || spatial >= MAX_LAYERS) {
      return this.#drops.count("relay_malformed");
    }
    this.track.receiveSenderReport(
      spatial as SpatialLayer,
      words[at + 2]! >>> 0,
      words[at + 3]! >>> 0,
      words[at + 4]! >>> 0,
      now - Math.max(0, words[at + 5]!),
    );
  }

  /** Takes a record of rates, `words[at, at + length)`. */
  receiveRates(words: Int32Array, at: number, length: number): void {
    const layer = length === RATES_WORDS ? this.track.layer(words[at + 1]!) : undefined;
    if (layer === undefined) return this.#drops.count("relay_malformed");
    for (let i = 0; i < RATES; i++) layer.rates.tell(i, Math.max(0, words[at + 2 + i]!));
  }

  /** Takes a packet record, `words[at, at + length)`. */
  receivePacket(words: Int32Array, at: number, length: number, now: number): void {
    const word = length < PACKET_HEAD_WORDS ? 0 : words[at + 1]!;
    const bytes = bytesOf(word);
    const spatial = spatialOf(word);
    const count = (bytes + 3) >> 2;
    if (
      bytes > SLOT_BYTES || PACKET_HEAD_WORDS + count !== length || spatial >= MAX_LAYERS ||
      words[at + 2]! >>> 0 > MAX_UPPER_HALF
    ) return this.#drops.count("relay_malformed");
    const copy = this.#copy;
    for (let i = 0; i < count; i++) copy[i] = words[at + PACKET_HEAD_WORDS + i]!;
    const view = this.#view;
    const layer = this.track.layer(spatial);
    if (layer === undefined || !view.wrap(this.#copyBytes, bytes)) {
      return this.#drops.count("relay_malformed");
    }
    const seq = joinHalves(words[at + 2]!, words[at + 3]!) + this.#base[spatial]!;
    // Between nodes packets of the run may have overtaken its first, or it was lost.
    const ahead = seq - layer.highest;
    if (ahead > 0 && (beginsRun(word) || this.#isAudio && ahead > MAX_AUDIO_GAP)) {
      layer.nack.reset();
      if (this.#isAudio) this.track.interrupt(now);
    }
    this.track.receive(spatial as SpatialLayer, view, now, seq);
  }

  #sendNack(ssrc: number, numbers: Uint16Array, count: number): void {
    const spatial = this.#layerOf(ssrc);
    const output = this.#output;
    if (output === undefined || this.#number === NOT_OFFERED || spatial < 0) return;
    const { channel } = output;
    const at = channel.reserve(RELAY.nack, NACK_HEAD_WORDS + count);
    if (at < 0) return; // it is asked for again
    channel.words[at] = this.#number;
    channel.words[at + 1] = spatial;
    channel.words[at + 2] = count;
    for (let i = 0; i < count; i++) channel.words[at + NACK_HEAD_WORDS + i] = numbers[i]!;
    output.commit();
  }

  #needKeyFrame(ssrc: number): void {
    const spatial = this.#layerOf(ssrc);
    if (spatial < 0) return;
    this.#keyFrames |= 1 << spatial;
    this.#output?.changed(this);
  }

  #layerOf(ssrc: number): number {
    for (let spatial = 0; spatial < MAX_LAYERS; spatial++) {
      if (this.track.layer(spatial)?.ssrc === ssrc) return spatial;
    }
    return -1;
  }

  /** Of a track that all want in the same room while it is loud, and not otherwise. */
  #writeLoudestOf({ channel }: RelayOutput): boolean {
    const room = this.track.onlyLoudestOf ?? "";
    if (room === this.#loudestOf) return true;
    const bytes = new TextEncoder().encode(room);
    const at = channel.reserve(RELAY.loudestOf, 2 + ((bytes.length + 3) >> 2));
    if (at < 0) return false;
    channel.words[at] = this.#number;
    channel.words[at + 1] = bytes.length;
    channel.writeBytes(at + 2, bytes);
    this.#output?.commit();
    this.#loudestOf = room;
    return true;
  }

  #write(output: RelayOutput, kind: number, word?: number): boolean {
    const { channel } = output;
    const at = channel.reserve(kind, word === undefined ? 1 : 2);
    if (at < 0) return false;
    channel.words[at] = this.#number;
    if (word !== undefined) channel.words[at + 1] = word;
    output.commit();
    return true;
  }
}
