/**
 * All rooms of this node that others may serve, too: each has its mirror as long as it is open.
 *
 * @module
 */
import type { DisconnectReason } from "@livekit/protocol";
import type { DropSink } from "../../base/drop_counters.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Platform } from "../../base/platform.ts";
import type {
  CarriedCall,
  CarriedReply,
  MirroredRoom,
  RemoteMembers,
  RoomLink,
} from "../../room/context/node_ports.ts";
import type { ClusterDirectory } from "../directory/cluster_directory.ts";
import type { ClusterDrop } from "../drop_reasons.ts";
import type { NodeLinks } from "../link/link_ports.ts";
import { PeerBarriers } from "./peer_barriers.ts";
import { PeerCalls } from "./peer_calls.ts";
import { type MirrorHost, RoomMirror } from "./room_mirror.ts";

/** What lists a room waits so long for what other nodes are about to say, ms. */
const BARRIER_MS = 300;

/** Within this time after a link is back its rooms are asserted, ms; in more if they are many. */
const ASSERT_SPREAD_MS = 3_000;
/** Rooms that may be over are asked for so many at a time. */
const ASKED_AT_ONCE = 16;
/** A node asserts no more than one room in this time in the long run, ms. */
const ASSERT_PACE_MS = 5;

/** What rooms are shared by. */
export interface SharedRoomsOptions {
  readonly platform: Pick<Platform, "clock" | "timers" | "log" | "random">;
  readonly counters: DropSink<ClusterDrop>;
  readonly links: NodeLinks;
  readonly directory: ClusterDirectory;
  /** How long a node is waited for that is not heard of, ms. */
  readonly leaseMs: number;
  /** Another node's later claim of an identity came to nothing. */
  readonly reclaim: (room: string, identity: string) => void;
  /** Tells the directory what this node has in a room. */
  readonly assertRoom: (room: string) => Promise<void>;
  /** Carries out what another node's server API was asked; `undefined` if that is nothing. */
  readonly answer: (call: CarriedCall) => Promise<CarriedReply | undefined>;
}

/** The mirrors of this node's rooms, by name. */
export class SharedRooms implements RemoteMembers {
  readonly calls: PeerCalls;
  readonly #mirrors = new Map<string, RoomMirror>();
  /** Rooms of which the directory is about to be told. */
  readonly #unsure = new Set<MirroredRoom>();
  readonly #host: MirrorHost;
  readonly #barriers: PeerBarriers;
  /** Rooms about which the directory is to be asked, each with why it may be over. */
  readonly #doubted = new Map<MirroredRoom, DisconnectReason>();
  #asking = 0;

  constructor(readonly options: SharedRoomsOptions) {
    const { platform: { clock, timers, log }, counters, links, leaseMs } = options;
    const roomOf = (name: string) => this.#mirrors.get(name)?.room;
    const { answer, reclaim } = options;
    this.#barriers = new PeerBarriers((node) => links.barrier(node, BARRIER_MS));
    this.calls = new PeerCalls(links, { roomOf, answer, reclaim });
    this.#host = {
      clock,
      timers,
      log,
      counters,
      leaseMs,
      calls: this.calls,
      addressOf: (node) => this.addressOf(node),
      isAlive: async (node) =>
        (await this.options.directory.nodes()).some(({ nodeId }) => nodeId === node),
      openRoom: (name, stream) => links.openRoom(name, stream),
      doubted: (room, reason) => {
        this.#doubted.set(room, reason);
        void this.#verify();
      },
      settled: (nodes) => this.#barriers.pass(nodes),
      returned: (room) => this.#assertSoon(room),
      closed: (mirror) => {
        if (this.#mirrors.get(mirror.room.name) === mirror) this.#mirrors.delete(mirror.room.name);
      },
    };
  }

  open(room: MirroredRoom): RoomLink {
    const mirror = new RoomMirror(room, this.#host);
    this.#mirrors.set(room.name, mirror);
    return mirror;
  }

  async carry(
    node: NodeId,
    call: CarriedCall,
    withinMs: number,
  ): Promise<CarriedReply | undefined> {
    const address = await this.addressOf(node).catch(() => undefined);
    return address === undefined ? undefined : this.calls.carry(node, call, withinMs, address);
  }

  /** A later claim of this node's came to nothing: `node` has the identity still. */
  async reclaimAt(node: NodeId, room: string, identity: string): Promise<void> {
    const address = await this.addressOf(node).catch(() => undefined);
    if (address !== undefined) this.calls.reclaim(node, room, identity, address);
  }

  settled(rooms: readonly string[]): Promise<void> {
    const peers = new Set<NodeId>();
    const mirrors = rooms.length === 0
      ? this.#mirrors.values()
      : rooms.flatMap((name) => this.#mirrors.get(name) ?? []);
    for (const mirror of mirrors) for (const peer of mirror.peers) peers.add(peer);
    return this.#barriers.pass(peers);
  }

  get(name: string): RoomMirror | undefined {
    return this.#mirrors.get(name);
  }

  /** URL of a node's `/cluster`; `undefined` if it is not known to live, or not to be linked. */
  async addressOf(node: NodeId): Promise<string | undefined> {
    const { directory, links } = this.options;
    const nodes = await directory.nodes(node);
    const found = nodes.find(({ nodeId }) => nodeId === node);
    // Whoever has just come may have been met by nobody yet.
    if (found !== undefined) links.met(found);
    return links.isStranger(node) ? undefined : found?.link;
  }

  /** How long it takes at most until all rooms have had their turn, ms. */
  get assertSpreadMs(): number {
    return Math.max(ASSERT_SPREAD_MS, this.#mirrors.size * ASSERT_PACE_MS);
  }

  /** Tells the directory what this node has in all rooms, one after the other. */
  assertAll(): void {
    for (const { room } of this.#mirrors.values()) this.#assertSoon(room);
  }

  /** Rooms take turns, so that the directory is not asked for all at once. */
  #assertSoon(room: MirroredRoom): void {
    if (this.#unsure.has(room)) return;
    this.#unsure.add(room);
    const { platform: { timers, random }, assertRoom, directory } = this.options;
    timers.after(random.uint32() % this.assertSpreadMs, () => {
      this.#unsure.delete(room);
      if (this.#mirrors.get(room.name)?.room !== room) return;
      assertRoom(room.name).catch(() => {
        // If the directory is away this is done when it is back.
        if (directory.status === "up") this.#assertSoon(room);
      });
    });
  }

  /** Gives rooms up that are others by now; a few are asked for at a time. */
  async #verify(): Promise<void> {
    if (this.#asking >= ASKED_AT_ONCE) return;
    this.#asking++;
    for (const [room, reason] of this.#doubted) {
      this.#doubted.delete(room);
      await this.#verifyOne(room, reason);
    }
    this.#asking--;
  }

  async #verifyOne(room: MirroredRoom, reason: DisconnectReason): Promise<void> {
    try {
      const listing = await this.options.directory.find(room.name);
      if (listing === undefined) room.abandon(reason);
      else if (listing.record.sid !== room.sid) room.supersede(true);
    } catch {
      // The directory is away, so nobody can tell whose room it is; both go on.
    }
  }
}
