/**
 * A seeded publisher with up to three VP8 layers, a network that loses, delays and doubles its
 * packets, an up-track and its down-tracks, on virtual time.
 *
 * The publisher answers NACKs with RTX and PLIs with key frames. Each payload names its layer,
 * frame and packet, so a test can tell what became of it.
 *
 * @module
 */
import {
  EXTENSION_URI,
  type LayerTarget,
  type SpatialLayer,
} from "../../../lib/base/media_vocabulary.ts";
import { DownTrack } from "../../../lib/media/down/down_track.ts";
import { FanOutBatch } from "../../../lib/media/packet/fan_out_batch.ts";
import type { OutgoingPacket } from "../../../lib/media/packet/outgoing_packet.ts";
import { UpTrack } from "../../../lib/media/up/up_track.ts";
import { RtpView } from "../../../lib/wire/rtp_view.ts";
import { Vp8Descriptor } from "../../../lib/wire/vp8_descriptor.ts";
import {
  bareVp8Payload,
  codec,
  layerListener,
  RecordingSink,
  viewOf,
  vp8Payload,
} from "./forwarding_fixtures.ts";
import { rtpPacket } from "./rtp_packets.ts";
import { temporalDescriptor } from "./temporal_descriptors.ts";
import { SeededRandom } from "../virtual/seeded_random.ts";

export const PUBLISHER_CODEC = codec("video/VP8", 96, 97);
/** Padding says of no frame, so that streams open with media. */
const NEVER_MS = 1e9;
const FRAME_MS = 33;
const TICKS_PER_MS = 90;
const ONE_WAY_MS = 20;
/** Temporal layers of L1T3, repeating. */
const TEMPORAL = [0, 2, 1, 2] as const;
const DESCRIPTOR = { id: 5, uri: EXTENSION_URI.dependencyDescriptor };
/** Descriptors count the frames of all layers together, and soon wrap. */
const FIRST_FRAME_NUMBER = 65_300;
/** NTP seconds of virtual time 0. */
const NTP_EPOCH = 3_900_000_000;

export interface NetworkOptions {
  readonly loss: number;
  readonly duplicate: number;
  /** Up to so many ms later than the one-way delay. */
  readonly jitterMs: number;
}

export interface WorldOptions extends Partial<NetworkOptions> {
  readonly seed: number;
  readonly layers?: number;
  readonly firstSequence?: number;
  readonly firstTimestamp?: number;
  readonly senderReports?: boolean;
  /** Packets of a frame by layer, and bytes of each beside what tells them apart. */
  readonly framePackets?: readonly number[];
  readonly payloadBytes?: number;
  /** Arrivals are read so often, ms; what has come by then comes at once. */
  readonly readEveryMs?: number;
  /** Whether what comes at once is fanned out together, or packet by packet. */
  readonly batched?: boolean;
  /** Dependency descriptors tell of frames, and payloads do not; as libwebrtc does it. */
  readonly described?: boolean;
}

interface Arrival {
  readonly at: number;
  readonly order: number;
  readonly spatial: SpatialLayer;
  readonly rtx: boolean;
  readonly bytes: Uint8Array;
}

/** What one outgoing packet carries. */
export interface Received {
  readonly seq: number;
  readonly timestamp: number;
  readonly pictureId: number;
  readonly tl0: number;
  readonly tid: number;
  readonly keyFrameStart: boolean;
  readonly spatial: number;
  readonly frame: number;
  readonly index: number;
  readonly empty: boolean;
  readonly at: number;
}

class Layer {
  enabled = true;
  sequence: number;
  rtxSequence = 7;
  pictureId = 100;
  tl0 = 10;
  keyIdx = 3;
  step = 0;
  wantsKey = true;
  /** The newest frames of the two lower temporal layers. */
  t0 = -1;
  t1 = -1;
  /** Frames that each described one needs. */
  readonly refs = new Map<number, readonly number[]>();
  readonly sent = new Map<number, Uint8Array>();
  readonly ssrc: number;
  constructor(readonly spatial: SpatialLayer, sequence: number, readonly firstTimestamp: number) {
    this.sequence = sequence;
    this.ssrc = 0x9000_0000 + spatial;
  }
}

/**
 * One seeded publisher with its network and down-tracks. Time moves in `run` alone, and equal seeds
 * give equal packets.
 */
export class SimulcastWorld {
  now = 1000;
  readonly up: UpTrack;
  readonly layers: Layer[];
  readonly pliAt: { readonly spatial: number; readonly at: number }[] = [];
  nacked = 0;
  readonly #random: SeededRandom;
  readonly #network: NetworkOptions;
  readonly #reports: boolean;
  readonly #readEveryMs: number;
  readonly #view = new RtpView();
  readonly #batch: FanOutBatch | undefined;
  readonly framePackets: readonly number[];
  readonly described: boolean;
  readonly #filler: readonly number[];
  #arrivals: Arrival[] = [];
  #order = 0;
  #frame = 0;
  #firstNumber = FIRST_FRAME_NUMBER;
  #nextFrameAt = 1001;
  #nextReportAt = 1000;
  readonly #subscribers: TimedSubscriber[] = [];

  constructor(options: WorldOptions) {
    this.#random = new SeededRandom(options.seed);
    this.#network = {
      loss: options.loss ?? 0,
      duplicate: options.duplicate ?? 0,
      jitterMs: options.jitterMs ?? 0,
    };
    this.framePackets = options.framePackets ?? [1, 2, 3];
    this.described = options.described ?? false;
    this.#filler = [2, 3, ...new Array(options.payloadBytes ?? 0).fill(0)];
    this.#reports = options.senderReports ?? true;
    this.#readEveryMs = options.readEveryMs ?? 1;
    this.layers = ([0, 1, 2] as const).slice(0, options.layers ?? 1).map((spatial) =>
      new Layer(
        spatial,
        ((options.firstSequence ?? 1000) + spatial * 5000) & 0xffff,
        ((options.firstTimestamp ?? 5000) + spatial * 1_000_000) >>> 0,
      )
    );
    if (options.batched) this.#batch = new FanOutBatch();
    this.up = new UpTrack({
      kind: "video",
      ...(this.#batch === undefined ? {} : { batch: this.#batch }),
      extensions: [
        { id: 4, uri: EXTENSION_URI.mid },
        ...(this.described ? [DESCRIPTOR] : []),
      ],
      listener: {
        onNack: (ssrc, numbers, count) => this.#onNack(ssrc, numbers.slice(0, count)),
        onKeyFrameNeeded: (ssrc) => this.#onPli(ssrc),
      },
    });
  }

  /** Adds a subscriber; what it receives is in the returned sink. */
  subscribe(target: LayerTarget): TimedSubscriber {
    const subscriber = timedSubscriber(this, this.up, target);
    this.up.addDownTrack(subscriber.down, this.now);
    this.#subscribers.push(subscriber);
    return subscriber;
  }

  /** The publisher's encoder begins anew, and counts its frames from 0. */
  restartEncoder(): void {
    this.#firstNumber = -(this.#frame + 1) * this.layers.length;
    for (const layer of this.layers) layer.wantsKey = true;
  }

  /** Lets `ms` of virtual time pass. */
  run(ms: number): void {
    const end = this.now + ms;
    while (this.now < end) {
      this.now++;
      if (this.now >= this.#nextFrameAt) this.#publishFrame();
      if (this.#reports && this.now >= this.#nextReportAt) this.#sendReports();
      this.#deliver();
      if (this.now >= this.up.nextWakeAt()) this.up.tick(this.now);
      for (const { down } of this.#subscribers) {
        if (this.now >= down.nextWakeAt()) down.tick(this.now);
      }
    }
  }

  #publishFrame(): void {
    this.#nextFrameAt += FRAME_MS;
    this.#frame++;
    for (const layer of this.layers) if (layer.enabled) this.#publishLayer(layer);
  }

  #publishLayer(layer: Layer): void {
    const key = layer.wantsKey;
    if (key) {
      layer.wantsKey = false;
      layer.step = 0;
      layer.keyIdx = (layer.keyIdx + 1) & 0x1f;
    }
    const tid = TEMPORAL[layer.step++ % 4]!;
    if (tid === 0) layer.tl0 = (layer.tl0 + 1) & 0xff;
    layer.pictureId = (layer.pictureId + 1) & 0x7fff;
    const refs = this.#refer(layer, tid, key);
    const packets = this.framePackets[layer.spatial]! + (key ? 3 : 0);
    for (let index = 0; index < packets; index++) {
      const isFirst = index === 0;
      const name = [0, layer.spatial, this.#frame >> 8, this.#frame & 0xff, index, tid];
      const body = [...name, ...this.#filler];
      const payload = this.described ? bareVp8Payload(key && isFirst, isFirst, body) : vp8Payload({
        pictureId: layer.pictureId,
        tl0: layer.tl0,
        tid,
        sync: tid > 0,
        keyIdx: layer.keyIdx,
        key: key && isFirst,
        start: isFirst,
        body,
      });
      const described = { number: this.#number(layer, this.#frame), t: tid, key, refs };
      const descriptor = temporalDescriptor(described, isFirst, index === packets - 1);
      const bytes = rtpPacket({
        ssrc: layer.ssrc,
        payloadType: 96,
        sequenceNumber: layer.sequence,
        timestamp: this.timestampOf(layer.spatial, this.now),
        marker: index === packets - 1,
        extensions: { 4: "0", ...(this.described ? { [DESCRIPTOR.id]: descriptor } : {}) },
        payload,
      });
      layer.sent.set(layer.sequence, bytes);
      layer.sequence = (layer.sequence + 1) & 0xffff;
      this.#transmit(layer.spatial, false, bytes);
    }
  }

  /** Notes what a frame needs; every fourth one of T1 needs no other of T1. */
  #refer(layer: Layer, tid: number, key: boolean): number[] {
    const { t0, t1, step } = layer;
    const refs = key ? [] : [t0];
    if (tid === 1 && t1 >= 0 && step % 16 !== 3) refs.push(t1);
    if (tid === 2 && step % 4 === 0) refs.push(t1);
    layer.refs.set(this.#frame, refs);
    if (tid === 0) layer.t0 = this.#frame;
    if (key) layer.t1 = -1;
    else if (tid === 1) layer.t1 = this.#frame;
    return refs.map((frame) => this.#number(layer, frame));
  }

  #number({ spatial }: Layer, frame: number): number {
    return this.#firstNumber + frame * this.layers.length + spatial;
  }

  /** The publisher's RTP clock of a layer. */
  timestampOf(spatial: number, at: number): number {
    return (this.layers[spatial]!.firstTimestamp + at * TICKS_PER_MS) >>> 0;
  }

  #transmit(spatial: SpatialLayer, rtx: boolean, bytes: Uint8Array): void {
    const copies = this.#random.chance(this.#network.duplicate) ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      if (this.#random.chance(this.#network.loss)) continue;
      const jitter = this.#network.jitterMs > 0 ? this.#random.below(this.#network.jitterMs) : 0;
      const at = this.now + ONE_WAY_MS + jitter;
      this.#arrivals.push({ at, order: this.#order++, spatial, rtx, bytes });
    }
  }

  #deliver(): void {
    if (this.now % this.#readEveryMs !== 0) return;
    const due = this.#arrivals.filter((arrival) => arrival.at <= this.now);
    if (due.length === 0) return;
    this.#arrivals = this.#arrivals.filter((arrival) => arrival.at > this.now);
    due.sort((a, b) => a.at - b.at || a.order - b.order);
    for (const { spatial, rtx, bytes } of due) {
      if (!this.#view.wrap(bytes)) throw new Error("the world made a bad packet");
      if (rtx) this.up.receiveRtx(spatial, this.#view, this.now);
      else {
        this.up.bindLayer(spatial, this.layers[spatial]!.ssrc, PUBLISHER_CODEC, this.now);
        this.up.receive(spatial, this.#view, this.now);
      }
    }
    this.#batch?.end(this.now);
  }

  #sendReports(): void {
    this.#nextReportAt += 1000;
    for (const { spatial } of this.layers) {
      const seconds = NTP_EPOCH + Math.floor(this.now / 1000);
      const fraction = Math.round(((this.now % 1000) / 1000) * 2 ** 32);
      const timestamp = this.timestampOf(spatial, this.now);
      this.up.receiveSenderReport(spatial, seconds, fraction, timestamp, this.now);
    }
  }

  #onNack(ssrc: number, numbers: Uint16Array): void {
    this.nacked += numbers.length;
    const layer = this.layers.find((other) => other.ssrc === ssrc)!;
    for (const number of numbers) {
      const bytes = layer.sent.get(number);
      if (bytes === undefined) throw new Error(`NACK for ${number}, which was never sent`);
      const original = viewOf(bytes);
      const payload = bytes.slice(original.payloadOffset, original.length);
      const rtx = rtpPacket({
        ssrc: layer.ssrc + 0x100,
        payloadType: 97,
        sequenceNumber: layer.rtxSequence++ & 0xffff,
        timestamp: original.timestamp,
        marker: original.marker,
        extensions: { 4: "0", 6: "q", ...descriptorIn(original) },
        payload: Uint8Array.of(number >> 8, number & 0xff, ...payload),
      });
      this.#transmit(layer.spatial, true, rtx);
    }
  }

  #onPli(ssrc: number): void {
    const layer = this.layers.find((other) => other.ssrc === ssrc)!;
    this.pliAt.push({ spatial: layer.spatial, at: this.now });
    layer.wantsKey = true;
  }
}

/** As repair packets repeat it. */
function descriptorIn(packet: RtpView): Readonly<Record<number, Uint8Array>> {
  const at = packet.extensionOffset(DESCRIPTOR.id);
  const length = packet.extensionLength(DESCRIPTOR.id);
  return length === 0 ? {} : { [DESCRIPTOR.id]: packet.bytes.slice(at, at + length) };
}

/** A sink that reads what it gets and notes when. */
export class TimedSink extends RecordingSink {
  readonly received: Received[] = [];
  readonly layers: { readonly spatial: number; readonly at: number }[] = [];
  readonly #world: SimulcastWorld;

  constructor(world: SimulcastWorld) {
    super();
    this.#world = world;
  }

  override send(packet: OutgoingPacket): void {
    super.send(packet);
    const view = viewOf(this.packets.at(-1)!);
    if (view.ssrc !== 0x1234) return;
    const vp8 = new Vp8Descriptor();
    const empty = !vp8.parse(view.bytes, view.payloadOffset, view.payloadLength);
    const body = view.payloadOffset + vp8.headerLength;
    this.received.push({
      seq: view.sequenceNumber,
      timestamp: view.timestamp,
      pictureId: vp8.pictureId,
      tl0: vp8.tl0PicIdx,
      tid: empty ? 0 : view.bytes[body + 5]!,
      keyFrameStart: vp8.keyFrameStart,
      spatial: view.bytes[body + 1]!,
      frame: (view.bytes[body + 2]! << 8) | view.bytes[body + 3]!,
      index: view.bytes[body + 4]!,
      empty,
      at: this.#world.now,
    });
  }
}

/** A down-track, and what it sent by the clock of its world. */
export interface TimedSubscriber {
  readonly down: DownTrack;
  readonly sink: TimedSink;
}

/** A subscriber of VP8 to a track that is received as `source`; to be added to that. */
export function timedSubscriber(
  world: SimulcastWorld,
  source: UpTrack,
  target: LayerTarget,
): TimedSubscriber {
  const sink = new TimedSink(world);
  const down = new DownTrack({
    section: {
      mid: "3",
      kind: "video",
      ssrc: 0x1234,
      rtxSsrc: 0x1235,
      codecs: [codec("video/VP8", 100, 101)],
      extensions: [{ id: 1, uri: EXTENSION_URI.mid }, ...(world.described ? [DESCRIPTOR] : [])],
      openAfterMs: NEVER_MS,
    },
    publisherExtensions: source.extensions,
    sink,
    place: undefined,
    listener: layerListener((spatial) => sink.layers.push({ spatial, at: world.now })),
    target,
  });
  return { down, sink };
}
