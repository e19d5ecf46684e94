/**
 * Publishers of three layers on one node, and one subscriber of each on other nodes behind it, over
 * hops with bottlenecks, on virtual time: where a chain has several hops, those in between pass
 * tracks on, as the head of a region does.
 *
 * @module
 */
import type { UpTrackId } from "../../../lib/base/ids.ts";
import type { LayerTarget } from "../../../lib/base/media_vocabulary.ts";
import { AHEAD_MS, type HopEnd, type HopNetwork, HopWorld } from "./hop_world.ts";
import { EVERYTHING, RelaySide, SECTION } from "./relay_world.ts";
import { SimulcastWorld, type TimedSubscriber, timedSubscriber } from "./simulcast_world.ts";

/** Packets of 1,000 bytes a frame, by layer: 250, 500 and 1,500 kbit/s. */
const FRAME_PACKETS = [1, 2, 6] as const;
const PAYLOAD_BYTES = 980;

/** One subscriber of one publisher's track, behind so many hops. */
export interface FarSubscriber extends TimedSubscriber {
  readonly publisher: number;
  readonly hops: number;
}

export interface HopRoomOptions {
  readonly seed: number;
  /** Hops one after the other. */
  readonly hops?: number;
  readonly network?: Partial<HopNetwork>;
}

/** A room on several nodes. Time moves in `run` alone. */
export class HopRoom {
  readonly worlds: SimulcastWorld[] = [];
  readonly hops: HopWorld[];
  /** The near and the far side of each hop. */
  readonly near: RelaySide[] = [];
  readonly far: RelaySide[] = [];
  readonly subscribers: FarSubscriber[] = [];
  readonly #seed: number;

  constructor({ seed, hops = 1, network = {} }: HopRoomOptions) {
    this.#seed = seed;
    this.hops = Array.from({ length: hops }, (_, i) => {
      return new HopWorld({ seed: seed + i, network, nearAheadMs: i === 0 ? 0 : AHEAD_MS });
    });
    for (const hop of this.hops) {
      this.near.push(this.#side(hop.near, this.far.at(-1)?.upTracks));
      this.far.push(this.#side(hop.far));
      hop.connect();
    }
  }

  /** Somebody begins to publish video, known on all nodes. @returns Which one it is. */
  publish(): number {
    const index = this.worlds.length;
    const world = new SimulcastWorld({
      seed: 100 * this.#seed + index,
      layers: 3,
      framePackets: FRAME_PACKETS,
      payloadBytes: PAYLOAD_BYTES,
    });
    world.now = this.now;
    this.worlds.push(world);
    const id = trackOf(index);
    this.near[0]!.upTracks.set(id, world.up);
    for (const [i, near] of this.near.entries()) {
      this.far[i]!.receive(id, { ...SECTION, upTrack: id });
      near.link.send(id, this.hops[i]!.near.now);
    }
    return index;
  }

  /** Somebody subscribes on the node behind so many hops. */
  subscribe(
    publisher: number,
    target: LayerTarget = EVERYTHING,
    hops = this.hops.length,
  ): FarSubscriber {
    const source = this.far[hops - 1]!.upTracks.get(trackOf(publisher))!;
    const timed = timedSubscriber(this.worlds[publisher]!, source, target);
    source.addDownTrack(timed.down, this.hops[hops - 1]!.far.now);
    const subscriber = { ...timed, publisher, hops };
    this.subscribers.push(subscriber);
    return subscriber;
  }

  /** Since the beginning, ms. */
  get now(): number {
    return this.hops[0]!.now;
  }

  run(ms: number, each: () => void = () => {}): void {
    for (let i = 0; i < ms; i++) {
      for (const world of this.worlds) world.run(1);
      for (const hop of this.hops) {
        hop.run(1);
        // As the control plane does while datagrams take that way.
        if (hop.now % 100 === 0) hop.near.link.otherQueue(hop.waiting(hop.far), hop.near.now);
      }
      for (const { down, hops } of this.subscribers) {
        const { now } = this.hops[hops - 1]!.far;
        if (now >= down.nextWakeAt()) down.tick(now);
      }
      each();
    }
    for (const { errors } of [...this.near, ...this.far]) {
      if (errors.length > 0) throw errors[0];
    }
  }

  #side(end: HopEnd, upTracks?: RelaySide["upTracks"]): RelaySide {
    const side = new RelaySide(end.link.channel, () => end.now, upTracks);
    end.read = () => {
      side.link.drain();
      side.link.tick(end.now);
    };
    end.onEvent = (event) => event === "restarted" && side.link.renew(end.now);
    return side;
  }
}

function trackOf(publisher: number): UpTrackId {
  return `TR_${publisher}` as UpTrackId;
}
