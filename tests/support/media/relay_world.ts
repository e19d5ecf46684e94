/**
 * The publisher of a {@linkcode SimulcastWorld} on one engine's side and its subscribers on
 * another's, with the relays of both and the rings between them, on virtual time. The two sides'
 * clocks have different zeros, as those of two workers do.
 *
 * @module
 */
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import type { UpTrackId } from "../../../lib/base/ids.ts";
import {
  EXTENSION_URI,
  type LayerTarget,
  type ReceiveSection,
} from "../../../lib/base/media_vocabulary.ts";
import { type Log, silentLog } from "../../../lib/base/platform.ts";
import type { DataArrivals } from "../../../lib/engine/relay/data_lane.ts";
import { ReceivedTracks } from "../../../lib/engine/relay/received_tracks.ts";
import type { RelayChannel } from "../../../lib/engine/relay/relay_channel.ts";
import { RelayLink } from "../../../lib/engine/relay/relay_link.ts";
import { createRelayRing, ringChannel } from "../../../lib/engine/relay/relay_ring.ts";
import { DownTrack } from "../../../lib/media/down/down_track.ts";
import { FanOutBatch } from "../../../lib/media/packet/fan_out_batch.ts";
import { LoudestRooms } from "../../../lib/media/up/loudest_audio.ts";
import type { UpTrack } from "../../../lib/media/up/up_track.ts";
import {
  PUBLISHER_CODEC,
  SimulcastWorld,
  type TimedSubscriber,
  timedSubscriber,
  type WorldOptions,
} from "./simulcast_world.ts";

export const TRACK = "TR_relayed" as UpTrackId;
/** All layers, all frame rates. */
export const EVERYTHING: LayerTarget = { enabled: true, maxSpatial: 2, maxTemporal: 3 };
/** The far side's clock is ahead by so much, ms. */
const FAR_AHEAD_MS = 7_000;

/** Nobody here sends messages. */
const NO_DATA: DataArrivals = {
  receiveMessage() {},
  receiveTrackPacket() {},
  receiveOfferedPacket() {},
  receiveHold() {},
  laneFree() {},
  engineGone() {},
};

/** The publisher's section, as the control plane tells the far engine of it. */
export const SECTION: ReceiveSection = {
  mid: "0",
  kind: "video",
  upTrack: TRACK,
  codecs: [PUBLISHER_CODEC],
  extensions: [{ id: 4, uri: EXTENSION_URI.mid }],
  rids: ["q", "h", "f"],
  ssrcs: [],
};

export interface RelayWorldOptions extends WorldOptions {
  /** Bytes of each ring, a power of two. */
  readonly ringBytes?: number;
}

/** One engine's side. */
export class RelaySide {
  readonly drops = new DropCounters();
  readonly errors: unknown[] = [];
  readonly batch = new FanOutBatch();
  readonly loudest = new LoudestRooms();
  readonly link: RelayLink;

  readonly #received: ReceivedTracks;
  readonly #now: () => number;

  /** @param upTracks The engine's, where it has other channels besides. */
  constructor(
    channel: RelayChannel,
    now: () => number,
    readonly upTracks: Map<UpTrackId, UpTrack> = new Map(),
  ) {
    this.#now = now;
    const log: Log = { ...silentLog, error: (_message, fields) => this.errors.push(fields?.error) };
    const world = {
      clock: { now, nowUs: () => now() * 1000, wallMs: now },
      log,
      drops: this.drops,
      upTracks: this.upTracks,
      batch: this.batch,
      loudest: this.loudest,
      data: NO_DATA,
      endBatch: (now: number) => this.batch.end(now),
      spent: () => {},
    };
    this.link = new RelayLink(0, channel, world);
    this.#received = new ReceivedTracks(world);
  }

  /** Makes an up-track of what the other side offers. */
  receive(id: UpTrackId, section: ReceiveSection): void {
    this.#received.receive(id, this.link, section, this.#now());
  }

  end(id: UpTrackId): void {
    this.#received.end(id, this.#now());
  }
}

/** Two sides with their rings. Everything is seeded, and time moves in `run` alone. */
export class RelayWorld {
  readonly world: SimulcastWorld;
  readonly near: RelaySide;
  readonly far: RelaySide;
  readonly toFar: SharedArrayBuffer;
  readonly toNear: SharedArrayBuffer;
  /** `false` while the far engine's thread is busy with something else. */
  farReads = true;
  readonly #downTracks: DownTrack[] = [];

  constructor(options: RelayWorldOptions) {
    this.world = new SimulcastWorld(options);
    this.toFar = createRelayRing(options.ringBytes);
    this.toNear = createRelayRing(options.ringBytes);
    this.near = new RelaySide(ringChannel(this.toNear, this.toFar), () => this.world.now);
    this.far = new RelaySide(ringChannel(this.toFar, this.toNear), () => this.farNow);
    this.near.upTracks.set(TRACK, this.world.up);
  }

  get farNow(): number {
    return this.world.now + FAR_AHEAD_MS;
  }

  /** The track as the far side has it. */
  get farTrack(): UpTrack {
    return this.far.upTracks.get(TRACK)!;
  }

  /** What crossed of each layer so far, in packets that the far side took. */
  get crossed(): number[] {
    const stats = this.farTrack.stats();
    return [0, 1, 2].map((spatial) =>
      stats.find((layer) => layer.spatial === spatial)?.packets ?? 0
    );
  }

  /** Both engines are told of the relay. */
  open(): void {
    this.near.link.send(TRACK, this.world.now);
    this.far.receive(TRACK, SECTION);
  }

  /** A subscriber on the far side. */
  subscribe(target: LayerTarget): TimedSubscriber {
    const { down, sink } = timedSubscriber(this.world, this.farTrack, target);
    this.#downTracks.push(down);
    this.farTrack.addDownTrack(down, this.farNow);
    return { down, sink };
  }

  /** Lets `ms` of virtual time pass; the rings are read once each ms. */
  run(ms: number): void {
    for (let i = 0; i < ms; i++) {
      this.world.run(1);
      this.exchange();
    }
  }

  /** Timed work of both sides, and all that they have written. */
  exchange(): void {
    this.near.link.tick(this.world.now);
    for (const down of this.#downTracks) {
      if (this.farNow >= down.nextWakeAt()) down.tick(this.farNow);
    }
    if (!this.farReads) return;
    for (let turn = 0; turn < 3; turn++) {
      this.far.link.drain();
      this.far.link.tick(this.farNow);
      this.near.link.drain();
      this.near.link.tick(this.world.now);
    }
  }
}
