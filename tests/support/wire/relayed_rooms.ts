/**
 * Two media engines in one thread that are joined by relay rings, or as those of two nodes by a
 * hop, each with clients of its own.
 *
 * @module
 */
import type { NodeId, UpTrackId } from "../../../lib/base/ids.ts";
import type { ReceiveSection } from "../../../lib/base/media_vocabulary.ts";
import type { RelayNeighbours } from "../../../lib/engine/relay/engine_relays.ts";
import { createLocalEngine } from "../../../lib/engine/local/local_engine.ts";
import type { DistantEngine } from "../../../lib/engine/messages/node_messages.ts";
import type { SingleEngine } from "../../../lib/engine/messages/engine_messages.ts";
import { createRelayRing } from "../../../lib/engine/relay/relay_ring.ts";
import { clonedEngine } from "../virtual/cloned_engine.ts";
import { WireRoom } from "./wire_room.ts";

/** Two engines with their relays. Dispose it to end engines and clients. */
export class RelayedRooms implements AsyncDisposable {
  private constructor(
    readonly near: WireRoom,
    readonly far: WireRoom,
    readonly engines: { readonly near: SingleEngine; readonly far: SingleEngine },
  ) {}

  /** @param ringBytes Of each ring, a power of two; absent: as in production. */
  static async open(ringBytes?: number): Promise<RelayedRooms> {
    const [there, back] = [createRelayRing(ringBytes), createRelayRing(ringBytes)];
    const engines: SingleEngine[] = [];
    const open = (relays: RelayNeighbours) =>
      WireRoom.open((options) => {
        const engine = clonedEngine(createLocalEngine({ ...options, relays }));
        engines.push(engine);
        return engine;
      });
    const near = await open({
      index: 0,
      peers: [{ index: 1, inbound: back, outbound: there }],
    });
    const far = await open({ index: 1, peers: [{ index: 0, inbound: there, outbound: back }] });
    return new RelayedRooms(near, far, { near: engines[0]!, far: engines[1]! });
  }

  /** Relays a track that is published on the near engine. */
  relay(section: ReceiveSection): void {
    const { upTrack } = section;
    this.engines.near.send({ type: "send_relay", upTrack, to: 1 });
    this.engines.far.send({ type: "receive_relay", upTrack, from: 0, section });
  }

  /** The same as if they were of two nodes, joined over UDP. */
  static async openHop(): Promise<RelayedRooms> {
    const engines: SingleEngine[] = [];
    const open = () =>
      WireRoom.open((options) => {
        const engine = clonedEngine(createLocalEngine(options));
        engines.push(engine);
        return engine;
      });
    const [near, far] = [await open(), await open()];
    const rooms = new RelayedRooms(near, far, { near: engines[0]!, far: engines[1]! });
    rooms.hop(near, far, 1);
    rooms.hop(far, near, 0);
    return rooms;
  }

  /** Tells one engine of the other, which it knows as `index`. */
  hop(here: WireRoom, there: WireRoom, index: number): void {
    const [own, other] = [1 - index, index].map((n) => ({
      node: `ND_${n}` as NodeId,
      engine: 0,
    })) as [DistantEngine, DistantEngine];
    const peer = {
      index,
      own,
      other,
      sendId: 0x1000 + index,
      receiveId: 0x1000 + 1 - index,
      secret: new Uint8Array(32).fill(7),
      addresses: there.ready.relays[0]!.addresses,
    };
    const engine = here === this.near ? this.engines.near : this.engines.far;
    engine.send({ type: "connect_hop", peer });
  }

  /** As the control plane tells it: to both engines. */
  mute(upTrack: UpTrackId, muted: boolean): void {
    for (const room of [this.near, this.far]) {
      room.send({ type: "set_up_track_muted", upTrack, muted });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.near[Symbol.asyncDispose]();
    await this.far[Symbol.asyncDispose]();
  }
}
