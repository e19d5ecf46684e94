/**
 * Tracks between nodes, as the control planes of two nodes agree on them: how engines are reached,
 * which engine wants which track, and who sends it. Packets go from engine to engine.
 *
 * Contract: a track crosses to an engine of another node while that one wants it; to another region
 * once, to its head (`region_heads.ts`), where others get it. A link that ends stops no media; a
 * node that is given up does.
 *
 * @module
 */
import { isDataTrackId, type NodeId, type RelayedTrackId } from "../../base/ids.ts";
import type { Log, Timers } from "../../base/platform.ts";
import type {
  DistantEngine,
  NodeCommand,
  NodeEvent,
  RelayEndpoint,
} from "../../engine/messages/node_messages.ts";
import type { PackedValue } from "../../wire/message_pack.ts";
import type { NodeLinks } from "../link/link_ports.ts";
import {
  packAnswer,
  packDatagram,
  packEngine,
  packHello,
  packRequest,
  packWants,
  readAnswer,
  readDatagram,
  readEngine,
  readHello,
  readRequest,
  readWant,
  readWants,
  type TrackAnswer,
  type TrackRequest,
  type TrackWant,
} from "./exchange_messages.ts";
import { MediaQueues } from "./media_queues.ts";
import { RegionHeads } from "./region_heads.ts";
import { TrackWants } from "./track_wants.ts";

/** How long a node may take to answer for a track, ms; then the origin is asked. */
const ASK_MS = 500;
/** How long the media plane may take to say that it sends, ms. */
const START_MS = 300;
const HELLO_MS = 2_000;
const MAX_SLOT = 0xffff;

/** Methods that nodes call of each other. */
const METHOD = {
  hello: "media.hello",
  want: "media.want",
  unwant: "media.unwant",
  wants: "media.wants",
  reset: "media.reset",
  ended: "media.ended",
} as const;

/** What the exchange works with. */
export interface ExchangeHost {
  readonly self: NodeId;
  readonly region: string;
  readonly timers: Timers;
  readonly log: Log;
  readonly links: Pick<NodeLinks, "call" | "serve" | "facts" | "sendDatagram">;
  /** Where this node's engines are reached. */
  endpoints(): readonly RelayEndpoint[];
  regionOf(node: NodeId): string | undefined;
  /** To the media plane. */
  send(command: NodeCommand): void;
}

interface Peer {
  readonly slot: number;
  /** What the media plane was told of it with; absent if it was not. */
  secret: Uint8Array | undefined;
  /** Where the media plane was told that its engines are. */
  engines: readonly RelayEndpoint[];
  /** Said once. */
  isBlocked: boolean;
}

/** This node's part of it. */
export class MediaExchange {
  readonly #host: ExchangeHost;
  readonly #wants: TrackWants;
  readonly #heads = new RegionHeads();
  readonly #peers = new Map<NodeId, Peer>();
  readonly #queues: MediaQueues;
  /** What goes to engines of other nodes: up-track → `node engine`. */
  readonly #sent = new Map<RelayedTrackId, Map<string, DistantEngine>>();
  /** Whoever waits for the media plane to send. */
  readonly #starting = new Map<string, (engine: number) => void>();
  #lastSlot = 0;

  constructor(host: ExchangeHost) {
    this.#host = host;
    this.#wants = new TrackWants({
      timers: host.timers,
      originOf,
      ask: (node, want, direct) => this.#ask(node, want, direct),
      stop: (node, { upTrack, engine }) => this.#tell(node, METHOD.unwant, { upTrack, engine }),
      from: (upTrack, source) => host.send({ type: "relay_from", upTrack, ...source }),
    });
    this.#queues = new MediaQueues(host);
    const { links } = host;
    links.serve(METHOD.hello, (peer, value) => this.#serveHello(peer, value));
    links.serve(METHOD.want, async (peer, value) => packAnswer(await this.#serveWant(peer, value)));
    links.serve(METHOD.unwant, (peer, value) => this.#serveUnwant(peer, value));
    links.serve(METHOD.wants, (peer, value) => this.#serveWants(peer, value));
    links.serve(METHOD.reset, (peer, value) => this.#serveReset(peer, value));
    links.serve(METHOD.ended, (peer, value) => this.#serveEnded(peer, value));
  }

  /** The link to a node is there, for the first time or again. */
  linkUp(node: NodeId): void {
    this.#hello(node).then((isKnown) => {
      if (!isKnown) return;
      this.#tell(node, METHOD.wants, packWants(this.#wants.of(node)));
      this.#wants.reachable(node);
    });
  }

  /** The link to a node has ended; it may come back. What it sends of its own it still sends. */
  linkDown(node: NodeId): void {
    const passedOn = this.#wants.of(node).some(({ upTrack }) => originOf(upTrack) !== node);
    // A region's head that is not heard of: its region asks the origin, and does not wait.
    if (passedOn) this.#wants.lost(node);
  }

  /** This node's engines are reached elsewhere: those that are known are told. */
  moved(): void {
    for (const [node, { secret }] of this.#peers) if (secret !== undefined) void this.#hello(node);
  }

  /** A node is given up. */
  forget(node: NodeId): void {
    if (!this.#peers.delete(node)) return;
    this.#heads.gone(node);
    for (const [upTrack, engines] of this.#sent) {
      for (const [key, engine] of engines) if (engine.node === node) engines.delete(key);
      if (engines.size === 0) this.#sent.delete(upTrack);
    }
    this.#host.send({ type: "forget_node", node });
  }

  /** What the media plane tells. */
  handle(event: NodeEvent): void {
    switch (event.type) {
      case "relay_wanted":
        return this.#wants.wanted(event.upTrack, event.engine);
      case "relay_unwanted":
        this.#wants.unwanted(event.upTrack);
        return this.#passesOnNoMore(event.upTrack);
      case "relay_sending":
        return this.#starting.get(keyOf(event.upTrack, event))?.(event.from);
      case "relay_engine_lost":
        for (const node of this.#peers.keys()) {
          this.#tell(node, METHOD.reset, packEngine(event.engine));
        }
        return;
      case "relay_blocked":
        return this.#blocked(event.node, event.blocked);
      case "relay_datagram": {
        const { node, ownEngine, theirEngine, bytes } = event;
        this.#host.links.sendDatagram(node, "media", packDatagram(ownEngine, theirEngine, bytes));
        return this.#queues.sent(node, ownEngine, theirEngine);
      }
    }
  }

  /** A datagram between engines that came over the link. */
  datagram(node: NodeId, packed: Uint8Array): void {
    const datagram = readDatagram(packed);
    if (datagram === undefined) return;
    const { from: theirEngine, to: ownEngine, bytes } = datagram;
    this.#host.send({ type: "relay_datagram", node, theirEngine, ownEngine, bytes });
  }

  close(): void {
    this.#wants.close();
    this.#queues.close();
  }

  /** @returns Whether the media plane knows the node now. */
  async #hello(node: NodeId): Promise<boolean> {
    try {
      const { links } = this.#host;
      const answer = await links.call(node, METHOD.hello, this.#ownHello(node), {
        withinMs: HELLO_MS,
      });
      return this.#met(node, answer);
    } catch {
      // The link has ended, and says so; or a node that knows nothing of media.
      return false;
    }
  }

  #ownHello(node: NodeId): PackedValue {
    return packHello({ slot: this.#peer(node).slot, engines: this.#host.endpoints() });
  }

  #serveHello(node: NodeId, value: PackedValue): PackedValue {
    this.#met(node, value);
    return this.#ownHello(node);
  }

  /**
   * Tells the media plane of a node, once for each secret, as both ends hear hello twice; and where
   * its engines are whenever that is elsewhere.
   */
  #met(node: NodeId, value: PackedValue): boolean {
    const hello = readHello(value);
    const secret = this.#host.links.facts(node)?.secret;
    if (hello === undefined || secret === undefined) return false;
    const peer = this.#peer(node);
    const hasMoved = JSON.stringify(peer.engines) !== JSON.stringify(hello.engines);
    peer.engines = hello.engines;
    if (peer.secret !== undefined && isSame(peer.secret, secret)) {
      if (hasMoved) this.#host.send({ type: "move_node", node, engines: hello.engines });
      return true;
    }
    peer.secret = secret.slice();
    this.#host.send({
      type: "set_node",
      node,
      self: this.#host.self,
      slot: peer.slot,
      theirSlot: hello.slot,
      engines: hello.engines,
      secret,
    });
    return true;
  }

  #peer(node: NodeId): Peer {
    let peer = this.#peers.get(node);
    if (peer === undefined) {
      peer = { slot: this.#freeSlot(), secret: undefined, engines: [], isBlocked: false };
      this.#peers.set(node, peer);
    }
    return peer;
  }

  #freeSlot(): number {
    const taken = new Set([...this.#peers.values()].map(({ slot }) => slot));
    do this.#lastSlot = this.#lastSlot % MAX_SLOT + 1; while (taken.has(this.#lastSlot));
    return this.#lastSlot;
  }

  async #ask(node: NodeId, want: TrackWant, direct: boolean): Promise<TrackAnswer> {
    try {
      const request = packRequest({ ...want, direct });
      const { links } = this.#host;
      return readAnswer(await links.call(node, METHOD.want, request, { withinMs: ASK_MS }));
    } catch {
      return { type: "unknown" };
    }
  }

  async #serveWant(node: NodeId, value: PackedValue): Promise<TrackAnswer> {
    const request = readRequest(value);
    if (request === undefined || this.#peers.get(node)?.secret === undefined) {
      return { type: "unknown" };
    }
    const head = this.#headFor(node, request);
    if (head !== undefined) return { type: "ask", node: head };
    const engine = await this.#start(request.upTrack, { node, engine: request.engine });
    if (engine !== undefined) return { type: "sending", engine };
    this.#heads.stopped(request.upTrack, node);
    return { type: "unknown" };
  }

  /** Who of the asking node's region is to be asked instead, if the track is published here. */
  #headFor(node: NodeId, { upTrack, direct }: TrackRequest): NodeId | undefined {
    const { self, region, regionOf } = this.#host;
    const theirs = regionOf(node) ?? "";
    if (direct || theirs === "" || theirs === region || originOf(upTrack) !== self) {
      return undefined;
    }
    // They are small, and do not go on from a head.
    if (isDataTrackId(upTrack)) return undefined;
    return this.#heads.headFor(upTrack, theirs, node);
  }

  /** Has the media plane send a track. @returns the engine that does. */
  #start(upTrack: RelayedTrackId, to: DistantEngine): Promise<number | undefined> {
    const key = keyOf(upTrack, to);
    return new Promise((resolve) => {
      const cancel = this.#host.timers.after(START_MS, () => {
        this.#starting.delete(key);
        resolve(undefined);
      });
      this.#starting.set(key, (engine) => {
        cancel();
        this.#starting.delete(key);
        const engines = this.#sent.get(upTrack) ?? new Map<string, DistantEngine>();
        this.#sent.set(upTrack, engines.set(`${to.node} ${to.engine}`, to));
        resolve(engine);
      });
      this.#host.send({ type: "send_to_node", upTrack, ...to });
    });
  }

  #serveUnwant(node: NodeId, value: PackedValue): PackedValue {
    const want = readWant(value);
    if (want !== undefined) this.#stop(want.upTrack, { node, engine: want.engine });
    return null;
  }

  /** All that a node wants of this one: what it does not name is stopped. */
  #serveWants(node: NodeId, value: PackedValue): PackedValue {
    const wants = readWants(value);
    if (wants === undefined) return null;
    const named = new Set(wants.map(({ upTrack, engine }) => keyOf(upTrack, { node, engine })));
    for (const [upTrack, engines] of [...this.#sent]) {
      for (const engine of [...engines.values()]) {
        if (engine.node === node && !named.has(keyOf(upTrack, engine))) {
          this.#stop(upTrack, engine);
        }
      }
    }
    return null;
  }

  #stop(upTrack: RelayedTrackId, to: DistantEngine): void {
    const engines = this.#sent.get(upTrack);
    engines?.delete(`${to.node} ${to.engine}`);
    if (engines?.size === 0) this.#sent.delete(upTrack);
    const left = [...engines?.values() ?? []].some(({ node }) => node === to.node);
    if (!left) this.#heads.stopped(upTrack, to.node);
    this.#host.send({ type: "stop_to_node", upTrack, ...to });
  }

  #serveReset(node: NodeId, value: PackedValue): PackedValue {
    const engine = readEngine(value);
    if (engine !== undefined) this.#wants.lost(node, engine);
    return null;
  }

  #serveEnded(node: NodeId, value: PackedValue): PackedValue {
    const want = readWant(value);
    if (want !== undefined) this.#wants.ended(want.upTrack, node);
    return null;
  }

  /**
   * A track that this node passed on is gone here, as nobody here is in its room any more: those
   * that got it from here have to ask its origin.
   */
  #passesOnNoMore(upTrack: RelayedTrackId): void {
    const engines = this.#sent.get(upTrack);
    this.#sent.delete(upTrack);
    for (const { node, engine } of engines?.values() ?? []) {
      this.#tell(node, METHOD.ended, { upTrack, engine });
    }
  }

  #blocked(node: NodeId, isBlocked: boolean): void {
    const peer = this.#peers.get(node);
    if (peer === undefined || peer.isBlocked === isBlocked) return;
    peer.isBlocked = isBlocked;
    const { log } = this.#host;
    if (isBlocked) log.warn("UDP to a node is blocked: media goes by the link", { node });
    else log.info("UDP to a node works", { node });
  }

  /** Says something that needs no answer; with a link that ends everything is said anew. */
  #tell(node: NodeId, method: string, value: PackedValue): void {
    this.#host.links.call(node, method, value, { withinMs: HELLO_MS }).catch(() => {});
  }
}

/** The node that a track is published on: its id names it (`engine_router.ts`, `ids.ts`). */
export function originOf(track: RelayedTrackId): NodeId {
  return `ND_${track.slice(track.indexOf("_") + 1, track.indexOf("."))}` as NodeId;
}

function keyOf(upTrack: RelayedTrackId, { node, engine }: DistantEngine): string {
  return `${upTrack} ${node} ${engine}`;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
