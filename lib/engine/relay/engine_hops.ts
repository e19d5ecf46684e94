/**
 * The ways from one engine to those of other nodes: which datagram is of which, where they go, and
 * when each has something to do.
 *
 * A node may be reached at several addresses, from several of ours. Until something genuine has
 * come from one of them the little that is said goes to all; then everything goes there.
 *
 * Contract: what a turn costs grows with the hops that something came by, was written to or is due
 * at, and not with all that there are.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { Random } from "../../base/platform.ts";
import { WakeEntry, WakeQueue } from "../../base/wake_queue.ts";
import { type Datagrams, MAX_SEND_BYTES } from "../../transport/datagrams/datagrams.ts";
import type { RemoteAddress } from "../../transport/datagrams/datagrams.ts";
import { SendKind } from "../../transport/datagrams/datagrams.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import type { HopPeer } from "../messages/neighbour_messages.ts";
import type { NodeEvent, RelayStats } from "../messages/node_messages.ts";
import { hopAssociation } from "./hop_datagram.ts";
import type { HopCrypto } from "./hop_keys.ts";
import { HopLink } from "./hop_link.ts";
import type { HopOutlet } from "./hop_ports.ts";
import { RelayLink, type RelayWorld } from "./relay_link.ts";

const NONCE_BYTES = 16;

/** A socket of this engine. */
export interface HopSocket {
  /** Literal address. */
  readonly hostname: string;
  readonly datagrams: Datagrams;
  /** The machine has the address no more. */
  readonly isGone?: boolean;
}

/** What the hops of an engine are given of it. */
export interface HopsWorld {
  readonly random: Random;
  /** Known once the engine has started. */
  readonly crypto: () => HopCrypto;
  /** Open now. */
  readonly sockets: () => readonly HopSocket[];
  readonly emit: (event: NodeEvent) => void;
  /** Something is to be done at `at`, monotonic ms. */
  readonly timed: (at: number) => void;
}

/** One engine's hops. */
export class EngineHops {
  readonly #world: HopsWorld;
  readonly #relayWorld: RelayWorld;
  readonly #hops = new Map<number, Hop>();
  /** By what names them in datagrams. */
  readonly #byId = new Map<number, Hop>();
  /** When each has something to do. */
  readonly #wakes = new WakeQueue<Hop>();
  /** Those for which something came in this batch. */
  readonly #touched = new Set<Hop>();
  /** Those that something was written to in this turn: their time is not known. */
  readonly #written: Hop[] = [];
  /** Those that have more to read than one turn's share. */
  readonly #behind = new Set<Hop>();

  constructor(world: HopsWorld, relayWorld: RelayWorld) {
    this.#world = world;
    this.#relayWorld = relayWorld;
  }

  /** Joins an engine of another node; in place of what had its name. */
  connect(peer: HopPeer): RelayLink {
    this.disconnect(peer.index);
    const hop: Hop = new Hop(
      peer,
      this.#world,
      this.#relayWorld,
      () => void this.#written.push(hop),
    );
    this.#hops.set(peer.index, hop);
    this.#byId.set(peer.receiveId, hop);
    this.#look(hop);
    return hop.relay;
  }

  disconnect(index: number): void {
    const hop = this.#hops.get(index);
    if (hop === undefined) return;
    this.#hops.delete(index);
    this.#byId.delete(hop.peer.receiveId);
    this.#touched.delete(hop);
    this.#behind.delete(hop);
    hop.close();
    this.#look(hop);
  }

  /** The other end of a hop is reached elsewhere; what is between the two goes on. */
  move(index: number, addresses: HopPeer["addresses"], now: number): void {
    const hop = this.#hops.get(index);
    if (hop === undefined) return;
    hop.outlet.setRemotes(addresses);
    this.#moved(hop, now);
  }

  /** This engine has other sockets than before: what went by one that is gone takes another. */
  socketsChanged(now: number): void {
    for (const hop of this.#hops.values()) if (hop.outlet.leaveGone()) this.#moved(hop, now);
  }

  #moved(hop: Hop, now: number): void {
    hop.link.path.moved(now);
    this.#look(hop);
    this.#world.timed(hop.wake.at);
  }

  /** What is relayed by a hop has changed, perhaps without a word to the other end. */
  changed(index: number): void {
    const hop = this.#hops.get(index);
    if (hop !== undefined) this.#look(hop);
  }

  /** Takes a datagram that came by UDP. */
  readonly receive = (
    bytes: Uint8Array,
    length: number,
    remote: RemoteAddress,
    datagrams: Datagrams,
    now: number,
  ): void => {
    const hop = this.#byId.get(hopAssociation(bytes, length));
    if (hop === undefined) return this.#relayWorld.drops.count("hop_unknown");
    if (hop.link.receive(bytes, length, now)) hop.outlet.latch(datagrams, remote);
    this.#touched.add(hop);
  };

  /** Takes one that came by another way. */
  receiveOther(index: number, bytes: Uint8Array, now: number): void {
    const hop = this.#hops.get(index);
    if (hop === undefined) return this.#relayWorld.drops.count("hop_unknown");
    hop.link.receive(bytes, bytes.length, now, false);
    this.#touched.add(hop);
  }

  /** The other way of a hop holds so many bytes back. */
  otherQueue(index: number, bytes: number, now: number): void {
    this.#hops.get(index)?.link.otherQueue(bytes, now);
  }

  /** Reads what the batch brought. */
  endBatch(now: number): void {
    if (this.#touched.size === 0) return;
    const touched = [...this.#touched];
    this.#touched.clear();
    for (const hop of touched) {
      hop.link.endBatch(now);
      this.#read(hop, now);
      this.#look(hop);
      this.#world.timed(hop.wake.at);
    }
  }

  /** Lets leave what was written. */
  flush(now: number): void {
    const written = this.#written;
    for (let i = 0; i < written.length; i++) {
      written[i]!.link.flush(now);
      this.#look(written[i]!);
    }
    written.length = 0;
  }

  /** How the hops do, each by the node it leads to. */
  stats(): readonly RelayStats[] {
    return [...this.#hops.values()].map(({ peer: { own, other }, link, relay }) => ({
      ...link.stats,
      shed: relay.lowered,
      node: other.node,
      ownEngine: own.engine,
      theirEngine: other.engine,
    }));
  }

  /** When there is timed work; `Infinity` if none is foreseen. */
  get nextWakeAt(): number {
    this.#lookAtWritten();
    return this.#wakes.nextAt;
  }

  tick(now: number): void {
    this.#lookAtWritten();
    for (const hop of [...this.#behind]) this.#read(hop, now);
    // All of them are taken first: one that is due again at once has its turn in the next tick.
    const due: Hop[] = [];
    for (let hop = this.#wakes.take(now); hop !== undefined; hop = this.#wakes.take(now)) {
      due.push(hop);
    }
    for (const hop of due) {
      hop.link.setActive(hop.relay.isActive);
      if (now >= hop.link.nextWakeAt()) hop.link.tick(now);
      this.#look(hop);
    }
  }

  close(): void {
    for (const index of [...this.#hops.keys()]) this.disconnect(index);
  }

  #read(hop: Hop, now: number): void {
    if (hop.relay.drain()) {
      this.#behind.add(hop);
      this.#world.timed(now);
    } else this.#behind.delete(hop);
  }

  #lookAtWritten(): void {
    const written = this.#written;
    for (let i = 0; i < written.length; i++) this.#look(written[i]!);
  }

  /** Whether anything is relayed by a hop, and when it has something to do. */
  #look(hop: Hop): void {
    hop.link.setActive(hop.relay.isActive);
    this.#wakes.move(hop.wake, hop.link.nextWakeAt());
  }
}

/** One hop, with the relays that go by it. */
class Hop {
  readonly link: HopLink;
  readonly relay: RelayLink;
  readonly outlet: HopUdpOutlet;
  readonly wake: WakeEntry<Hop> = new WakeEntry<Hop>(this);

  constructor(
    readonly peer: HopPeer,
    world: HopsWorld,
    relayWorld: RelayWorld,
    onWritten: () => void,
  ) {
    const { clock, drops } = relayWorld;
    this.outlet = new HopUdpOutlet(peer, world.sockets, drops);
    this.link = new HopLink({
      crypto: world.crypto(),
      secret: peer.secret,
      nonce: world.random.bytes(NONCE_BYTES),
      ourId: peer.receiveId,
      theirId: peer.sendId,
      clock,
      drops,
      udp: this.outlet,
      fallback: new HopOtherOutlet(peer, world.emit),
      listener: {
        onWritten,
        onBlocked: (blocked) => {
          // Another address may be reached where this one is not any more.
          if (blocked) this.outlet.unlatch();
          const { engine: ownEngine } = peer.own;
          world.emit({ type: "relay_blocked", ownEngine, ...peer.other, blocked });
        },
        onRestarted: () => this.relay.renew(clock.now()),
      },
    });
    this.relay = new RelayLink(peer.index, this.link.channel, relayWorld);
  }

  close(): void {
    this.relay.close();
    this.link.close();
  }
}

/** UDP to one engine of another node. */
class HopUdpOutlet implements HopOutlet {
  #remotes: readonly RemoteAddress[] = [];
  readonly #sockets: () => readonly HopSocket[];
  readonly #drops: DropSink<EngineDrop>;
  /** For what goes to several addresses. */
  readonly #scratch = new Uint8Array(MAX_SEND_BYTES);
  /** From where, and to where, something genuine came last. */
  #datagrams: Datagrams | undefined;
  #remote: RemoteAddress | undefined;

  constructor(
    { addresses }: HopPeer,
    sockets: () => readonly HopSocket[],
    drops: DropSink<EngineDrop>,
  ) {
    this.setRemotes(addresses);
    this.#sockets = sockets;
    this.#drops = drops;
  }

  latch(datagrams: Datagrams, remote: RemoteAddress): void {
    this.#datagrams = datagrams;
    this.#remote = remote;
  }

  /** Where the other end listens from now on. */
  setRemotes(addresses: HopPeer["addresses"]): void {
    this.#remotes = addresses.map(({ hostname, port }) => ({ transport: "udp", hostname, port }));
    const isThere = this.#remotes.some(({ hostname, port }) =>
      hostname === this.#remote?.hostname && port === this.#remote.port
    );
    if (!isThere) this.unlatch();
  }

  /** Leaves a socket whose address is gone. @returns Whether it had to. */
  leaveGone(): boolean {
    const used = this.#datagrams;
    if (used === undefined) return true;
    if (this.#sockets().some(({ datagrams, isGone }) => datagrams === used && !isGone)) {
      return false;
    }
    this.unlatch();
    return true;
  }

  /** What is sent goes to all addresses again. */
  unlatch(): void {
    this.#datagrams = undefined;
  }

  reserve(): Uint8Array | undefined {
    return this.#datagrams === undefined ? this.#scratch : this.#datagrams.reserve();
  }

  commit(length: number, isMedia: boolean): void {
    if (this.#datagrams !== undefined) {
      const kind = isMedia ? SendKind.video : SendKind.other;
      return this.#datagrams.commit(length, this.#remote!, kind);
    }
    let sent = 0;
    for (const { hostname, datagrams, isGone } of this.#sockets()) {
      if (isGone) continue;
      for (const remote of this.#remotes) {
        if (!mayReach(hostname, remote.hostname)) continue;
        datagrams.send(this.#scratch, length, remote);
        sent++;
      }
    }
    if (sent === 0) this.#drops.count("hop_no_way");
  }
}

/** Whether a socket bound to `own` may reach `other`: literal addresses. */
function mayReach(own: string, other: string): boolean {
  const isAny = own === "0.0.0.0" || own === "::";
  if (own.includes(":") !== other.includes(":")) return own === "::";
  return isAny || isLoopback(own) === isLoopback(other);
}

function isLoopback(hostname: string): boolean {
  return hostname === "::1" || hostname.startsWith("127.");
}

/** The way where UDP is blocked: by whoever hears of it. */
class HopOtherOutlet implements HopOutlet {
  readonly #scratch = new Uint8Array(MAX_SEND_BYTES);

  constructor(readonly peer: HopPeer, readonly emit: (event: NodeEvent) => void) {}

  reserve(): Uint8Array {
    return this.#scratch;
  }

  commit(length: number): void {
    const { own, other } = this.peer;
    this.emit({
      type: "relay_datagram",
      node: other.node,
      theirEngine: other.engine,
      ownEngine: own.engine,
      bytes: this.#scratch.slice(0, length),
    });
  }
}
