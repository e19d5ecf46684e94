/**
 * The near end of a relay: one more down-track of an up-track, whose subscriber is another engine.
 *
 * Contract: each packet of a layer that the far end wants is written to the ring once, as received,
 * and again only if it is asked for after the ring was too full for it. What the far end must know
 * before a packet (layers, restarts, mute) is written before it.
 *
 * @module
 */
import type { UpTrackId } from "../../base/ids.ts";
import type { DropSink } from "../../base/drop_counters.ts";
import type { Log } from "../../base/platform.ts";
import { DROP, type DropReason } from "../../media/layer/drop_reason.ts";
import type { LayerSource, PacketReceiver } from "../../media/packet/forwarding_ports.ts";
import type { LayerRates } from "../../media/layer/layer_rates.ts";
import { NO_WISH, wishWithin } from "../../media/packet/layer_wish.ts";
import type { PacketCache } from "../../media/layer/packet_cache.ts";
import { ntpFraction, ntpSeconds, type RtcpClock } from "../../media/layer/rtcp_clock.ts";
import type { SourcePacket } from "../../media/packet/source_packet.ts";
import { MAX_LAYERS, type UpTrack } from "../../media/up/up_track.ts";
import { extendSeq } from "../../wire/seq.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import { ALL_SPATIAL, type CrossingTrack } from "./hop_allocation.ts";
import {
  layersWanted,
  PACKET_HEAD_WORDS,
  packetWord,
  RATES,
  RATES_WORDS,
  RELAY,
  REPORT_WORDS,
  STATE_WORDS,
  stateFlags,
  upperHalf,
  wishIn,
} from "./relay_records.ts";
import type { RelayMember, RelayOutput } from "./relay_output.ts";

const ALL_LAYERS = 0b111;
/**
 * Over a channel that loses, so many bytes are sent again for each that was sent, and as many saved
 * up for when much was lost at once: what an other engine asks for stays in proportion.
 */
const REPEAT_SHARE = 0.5;
const REPEAT_SAVED_BYTES = 200_000;
/** A rate is told again when it has changed by more than this part. */
const NEWS = 0.1;
const MAX_RATE_BPS = 0x7fff_ffff;

/**
 * One relayed up-track at its near end: each packet of a wanted layer is written once, after
 * everything the far end must know before it.
 */
export class RelaySender implements PacketReceiver, RelayMember, CrossingTrack {
  readonly #output: RelayOutput;
  readonly passesOn = true;
  readonly #drops: DropSink<EngineDrop>;
  readonly #log: Log;
  readonly #layers: readonly SentLayer[] = [new SentLayer(), new SentLayer(), new SentLayer()];
  #source: LayerSource | undefined;
  #offered = false;
  /** The far end has joined: it knows the layers, and may want some. */
  #joined = false;
  #stateChanged = false;
  /** Wanted layers, and those of them that cross: from a layer's first packet in order. */
  #demand = 0;
  #crossing = 0;
  /** What is wished at the far end (`layer_wish.ts`). */
  farWish = NO_WISH;
  /** The highest layer that may cross, and a bit for each. */
  #allowedSpatial = ALL_SPATIAL;
  #allowed = ALL_LAYERS;
  /** Bytes that may be sent again; in a typed array, as fields of this size are boxed. */
  readonly #repeatBytes = Float64Array.of(REPEAT_SAVED_BYTES);

  /** All that is behind the far end wants it only while it is among the loudest of that room. */
  loudestOf: string | undefined;

  /** @param number Names the relay in all records. */
  constructor(
    readonly id: UpTrackId,
    readonly upTrack: UpTrack,
    readonly number: number,
    output: RelayOutput,
    drops: DropSink<EngineDrop>,
    log: Log,
  ) {
    this.#output = output;
    this.#drops = drops;
    this.#log = log;
  }

  get neededLayers(): number {
    return this.#demand & this.#allowed;
  }

  /** What finds no room here need not come here. */
  get wish(): number {
    return wishWithin(this.farWish, this.#allowedSpatial);
  }

  attach(source: LayerSource): void {
    this.#source = source;
    this.#output.changed(this);
  }

  detach(): void {
    this.#source = undefined;
    this.#demand = this.#crossing = 0;
    this.farWish = NO_WISH;
  }

  layersChanged(): void {
    this.#stateChanged = true;
    this.#output.changed(this);
  }

  interrupted(): void {
    this.#crossing = 0;
  }

  sourceMuted(muted: boolean): void {
    if (muted) this.#crossing = 0;
    this.layersChanged();
  }

  forward(packet: SourcePacket): DropReason {
    const { layer, seq, highest } = packet;
    const bit = 1 << layer.spatial;
    if ((this.#demand & this.#allowed & bit) === 0) return DROP.otherLayer;
    if (this.#source === undefined || this.#source.muted) return DROP.muted;
    const sent = this.#layers[layer.spatial]!;
    const begins = (this.#crossing & bit) === 0;
    if (begins ? seq !== highest : seq < sent.first[0]!) return DROP.beforeStart;
    if (
      (this.#stateChanged && !this.#writeState()) ||
      !this.#writePacket(layer.cache, packet.slot, layer.spatial, seq, begins)
    ) {
      if (!begins) sent.refused.add(seq, layer.cache.most);
      return this.#full();
    }
    if (begins) {
      this.#crossing |= bit;
      sent.first[0] = seq;
      sent.refused.clear();
    }
    return DROP.none;
  }

  failed(error: unknown): void {
    this.#drops.count("engine_threw");
    this.#log.error("Relaying to another engine failed inside", { error });
  }

  /** The far end begins, or begins anew. */
  receiveJoin(): void {
    this.#joined = true;
    this.#demand = this.#crossing = 0;
    this.farWish = NO_WISH;
    for (const layer of this.#layers) layer.forgetTold();
    this.layersChanged();
  }

  receiveLeave(): void {
    this.#joined = false;
    this.receiveDemand(0);
  }

  /** @param room Empty: the far end wants it always. */
  receiveLoudestOf(room: string, now: number): void {
    const loudestOf = room === "" ? undefined : room;
    if (this.loudestOf === loudestOf) return;
    this.loudestOf = loudestOf;
    this.#source?.audienceChanged(now);
  }

  /** @param word What the far end wants, and would want (`demandWord`). */
  receiveDemand(word: number): void {
    if (!this.#joined && word !== 0) return;
    const layers = this.#demand = layersWanted(word);
    const wish = wishIn(word);
    const isHeld = this.#allowedSpatial < ALL_SPATIAL;
    // An end of an earlier version does not say what it would have beside what is allowed.
    if (wish !== NO_WISH || layers === 0) this.farWish = wish;
    else this.farWish = isHeld ? this.farWish | layers : layers;
    this.#crossing &= this.#demand;
    this.#source?.needsChanged();
  }

  /** @param layers Bit `1 << spatial` for each. */
  receiveKeyFrameRequests(layers: number, now: number): void {
    for (let spatial = 0; spatial < MAX_LAYERS; spatial++) {
      if ((layers & this.#demand & (1 << spatial)) !== 0) {
        this.#source?.requestKeyFrame(spatial, now);
      }
    }
  }

  get isGiven(): boolean {
    return this.upTrack.gives(this);
  }

  allow(spatial: number): boolean {
    const before = this.#allowedSpatial;
    if (spatial === before) return false;
    this.#allowedSpatial = spatial;
    this.#allowed = spatial < 0 ? 0 : (2 << spatial) - 1;
    this.#crossing &= this.#allowed;
    this.layersChanged();
    this.#source?.needsChanged();
    return spatial < before;
  }

  /**
   * The far end misses a packet: it gets it if the channel was too full for it, or may have lost
   * it. 16 bits.
   */
  receiveNack(spatial: number, number: number): void {
    const layer = this.#source?.layer(spatial);
    if (layer === undefined || (this.#crossing & (1 << spatial)) === 0) return;
    const seq = extendSeq(number, layer.highest);
    const { refused, first } = this.#layers[spatial]!;
    const isLost = this.#output.channel.loses === true;
    if (seq < first[0]! || !(isLost || refused.has(seq))) return;
    const slot = layer.cache.find(seq);
    if (slot < 0) return;
    if (isLost && !this.#mayRepeat(layer.cache.lengthOf(slot))) {
      return this.#drops.count("relay_repeats_refused");
    }
    if (this.#writePacket(layer.cache, slot, spatial, seq, false)) refused.remove(seq);
    else this.#full();
  }

  flush(): boolean {
    if (!this.#offered && !this.#writeOffer()) return false;
    return !this.#joined || !this.#stateChanged || this.#writeState();
  }

  /** Passes new sender reports and rates on. */
  tick(now: number): void {
    const source = this.#source;
    if (!this.#joined || source === undefined || this.#stateChanged) return;
    for (let spatial = 0; spatial < MAX_LAYERS; spatial++) {
      const from = source.layer(spatial);
      if (from === undefined) continue;
      const { clock, rates } = from;
      const layer = this.#layers[spatial]!;
      if (clock.known && clock.arrivedAt !== layer.reportedAt) {
        if (this.#writeReport(spatial, clock, now)) layer.reportedAt = clock.arrivedAt;
      }
      if (this.upTrack.kind === "video" && layer.isNews(rates)) this.#writeRates(spatial, rates);
    }
  }

  #writeOffer(): boolean {
    const id = new TextEncoder().encode(this.id);
    const { channel } = this.#output;
    const at = channel.reserve(RELAY.offer, 2 + ((id.length + 3) >> 2));
    if (at < 0) return false;
    channel.words[at] = this.number;
    channel.words[at + 1] = id.length;
    channel.writeBytes(at + 2, id);
    this.#output.commit();
    this.#offered = true;
    return true;
  }

  #writeState(): boolean {
    const source = this.#source;
    if (source === undefined) return true;
    const { channel } = this.#output;
    const at = channel.reserve(RELAY.state, STATE_WORDS);
    if (at < 0) return false;
    const { words } = channel;
    words[at] = this.number;
    words[at + 1] = stateFlags(source.liveLayers & this.#allowed, source.muted);
    for (let spatial = 0; spatial < MAX_LAYERS; spatial++) {
      const layer = source.layer(spatial);
      words[at + 2 + 3 * spatial] = layer?.ssrc ?? 0;
      words[at + 3 + 3 * spatial] = layer?.codec.payloadType ?? -1;
      words[at + 4 + 3 * spatial] = layer?.epoch ?? 0;
    }
    this.#output.commit();
    this.#stateChanged = false;
    return true;
  }

  #writeReport(spatial: number, clock: RtcpClock, now: number): boolean {
    const { channel } = this.#output;
    const at = channel.reserve(RELAY.report, REPORT_WORDS);
    if (at < 0) return false;
    const { words } = channel;
    words[at] = this.number;
    words[at + 1] = spatial;
    words[at + 2] = ntpSeconds(clock.ntpMs);
    words[at + 3] = ntpFraction(clock.ntpMs);
    words[at + 4] = clock.rtpTimestamp;
    // The other engine's clock has another zero.
    words[at + 5] = now - clock.arrivedAt;
    this.#output.commit();
    return true;
  }

  #writeRates(spatial: number, rates: LayerRates): void {
    const { channel } = this.#output;
    const at = channel.reserve(RELAY.rates, RATES_WORDS);
    if (at < 0) return; // a later measurement is as good
    const { words } = channel;
    words[at] = this.number;
    words[at + 1] = spatial;
    for (let i = 0; i < RATES; i++) words[at + 2 + i] = Math.min(rates.at(i), MAX_RATE_BPS);
    this.#output.commit();
    this.#layers[spatial]!.told(rates);
  }

  #writePacket(
    cache: PacketCache,
    slot: number,
    spatial: number,
    seq: number,
    begins: boolean,
  ): boolean {
    const { channel } = this.#output;
    const bytes = cache.lengthOf(slot);
    const at = channel.reserve(RELAY.packet, PACKET_HEAD_WORDS + ((bytes + 3) >> 2));
    if (at < 0) return false;
    const { words } = channel;
    words[at] = this.number;
    words[at + 1] = packetWord(spatial, begins, bytes);
    words[at + 2] = upperHalf(seq);
    words[at + 3] = seq;
    cache.copyWords(slot, words, at + PACKET_HEAD_WORDS);
    const repeatBytes = this.#repeatBytes[0]! + REPEAT_SHARE * bytes;
    this.#repeatBytes[0] = Math.min(REPEAT_SAVED_BYTES, repeatBytes);
    this.#output.commit();
    return true;
  }

  #mayRepeat(bytes: number): boolean {
    const left = this.#repeatBytes[0]!;
    if (bytes > left) return false;
    // Writing it gives back its share as for any other.
    this.#repeatBytes[0] = left - (1 + REPEAT_SHARE) * bytes;
    return true;
  }

  #full(): DropReason {
    this.#drops.count("relay_full");
    return DROP.relayFull;
  }
}

const NEVER = -1;

/** What is known of one layer's way across. */
class SentLayer {
  /** The number its crossing began with. */
  readonly first = new Float64Array(1);
  readonly refused = new RefusedNumbers();
  /** When the sender report arrived that was passed on last. */
  reportedAt = NEVER;
  /** What was told of its rates. */
  #toldRevision = NEVER;
  #toldBps = 0;

  /** Whether what was measured differs from what was told by a part that matters. */
  isNews(rates: LayerRates): boolean {
    if (!rates.isKnown || rates.revision === this.#toldRevision) return false;
    this.#toldRevision = rates.revision;
    return Math.abs(rates.totalBps - this.#toldBps) > this.#toldBps * NEWS;
  }

  told(rates: LayerRates): void {
    this.#toldBps = rates.totalBps;
  }

  /** The far end knows nothing any more. */
  forgetTold(): void {
    this.reportedAt = this.#toldRevision = NEVER;
    this.#toldBps = 0;
  }
}

/** Numbers that the ring had no room for, as far back as packets are cached. */
class RefusedNumbers {
  /** By the lower bits of the number; made when first needed. */
  #seq: Float64Array | undefined;

  add(seq: number, capacity: number): void {
    this.#seq ??= new Float64Array(capacity).fill(NEVER);
    this.#seq[seq & (this.#seq.length - 1)] = seq;
  }

  has(seq: number): boolean {
    return this.#seq !== undefined && this.#seq[seq & (this.#seq.length - 1)] === seq;
  }

  remove(seq: number): void {
    if (this.has(seq)) this.#seq![seq & (this.#seq!.length - 1)] = NEVER;
  }

  clear(): void {
    this.#seq?.fill(NEVER);
  }
}
