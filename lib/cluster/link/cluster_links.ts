/**
 * All links of one node: who is dialled, who is let in, which rooms are shared with whom, and which
 * methods others may call.
 *
 * Contract: what others make of what they are told cannot harm a link: a throw of a room's owner,
 * an observer or a method is logged and counted here.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import { invariant } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Cancel, Platform } from "../../base/platform.ts";
import type { PackedValue } from "../../wire/message_pack.ts";
import type { ClusterDrop } from "../drop_reasons.ts";
import { type AdmissionRefusal, LinkAdmission } from "./link_admission.ts";
import { HANDSHAKE_TIMEOUT_MS } from "./link_dialler.ts";
import type { AnswerCode } from "./link_frames.ts";
import {
  AcceptingSide,
  commonVersion,
  LinkIdentity,
  type NodeIntroduction,
  type ProtocolRange,
} from "./link_handshake.ts";
import {
  type DatagramKind,
  LinkError,
  type LinkFacts,
  type LinkObserver,
  type MetNode,
  type NodeLinks,
  type RoomPeerStream,
  type RpcMethod,
  type SharedRoom,
} from "./link_ports.ts";
import type { OpenRoom } from "./link_rooms.ts";
import { LINK_CLOSE, type LinkDial, type LinkSocket } from "./link_socket.ts";
import { BARRIER_METHOD, NodeLink, type NodeLinkHost } from "./node_link.ts";

/** What this node's links say. */
export const LINK_PROTOCOL: ProtocolRange = { min: 1, max: 1 };
/** Sockets whose other end has not proved itself yet. */
const MAX_ACCEPTING = 256;

/** What links need. */
export interface ClusterLinksOptions {
  readonly platform: Platform;
  readonly counters: DropSink<ClusterDrop>;
  readonly node: NodeId;
  /** URL of this node's `/cluster`, as others reach it. */
  readonly address: () => string;
  /** The cluster's; at least 32 bytes, random or made of what is. */
  readonly secret: Uint8Array;
  readonly dial: LinkDial;
  readonly observer: LinkObserver;
  readonly protocol?: ProtocolRange;
}

/** What a route makes of a token: the socket's owner, or a refusal. */
export type LinkAcceptance =
  | { readonly ok: true; readonly open: (socket: LinkSocket) => void }
  | { readonly ok: false; readonly refusal: AdmissionRefusal };

/** All links of one node. */
export class ClusterLinks implements NodeLinks {
  readonly #options: ClusterLinksOptions;
  readonly #protocol: ProtocolRange;
  readonly #identity: LinkIdentity;
  readonly #processNonce: Uint8Array;
  readonly #admission: LinkAdmission;
  readonly #links = new Map<NodeId, NodeLink>();
  readonly #rooms = new Map<string, RoomEnd>();
  readonly #methods = new Map<string, RpcMethod>();
  /** Nodes that speak nothing this one does, and what they speak: nobody is linked with them. */
  readonly #strangers = new Map<NodeId, string>();
  /** Sockets whose other end has not proved itself, with what ends their waiting. */
  readonly #accepting = new Map<LinkSocket, Cancel>();
  readonly #host: NodeLinkHost;
  #isClosed = false;

  constructor(options: ClusterLinksOptions) {
    this.#options = options;
    const { platform, counters, secret, node, dial, observer } = options;
    this.#protocol = options.protocol ?? LINK_PROTOCOL;
    this.#identity = new LinkIdentity(secret, platform.random);
    this.#processNonce = this.#identity.nonce();
    this.#admission = new LinkAdmission(this.#identity, node, platform.clock, counters);
    this.#host = {
      platform,
      counters,
      identity: this.#identity,
      dial,
      introduce: (incarnation) => this.#introduce(incarnation),
      openRoom: (name) => this.#rooms.get(name),
      run: (peer, method, payload, withinMs) => this.#run(peer, method, payload, withinMs),
      onUp: (peer) => this.guard(() => observer.onUp(peer)),
      onDown: (peer) => this.guard(() => observer.onDown(peer)),
      onDatagram: (peer, of, bytes) => this.guard(() => observer.onDatagram(peer, of, bytes)),
      onGone: (link) => {
        if (this.#links.get(link.peer) === link) this.#links.delete(link.peer);
      },
    };
  }

  /** What the route of `/cluster` asks before it takes a socket. */
  accept(token: string): LinkAcceptance {
    if (this.#isClosed || this.#accepting.size >= MAX_ACCEPTING) {
      this.#options.counters.count("link_refused_busy");
      return { ok: false, refusal: { status: 503, body: "no links taken now" } };
    }
    const shown = this.#admission.admit(token);
    if ("status" in shown) return { ok: false, refusal: shown };
    const version = commonVersion(this.#protocol, shown.from.protocol);
    if (version === undefined || shown.from.node === this.#options.node) {
      this.#options.counters.count("link_version_refused");
      const body = `no common version: this node speaks ${spoken(this.#protocol)}`;
      return { ok: false, refusal: { status: 400, body } };
    }
    const incarnation = (this.#links.get(shown.from.node) ?? this.#add(shown.from.node))
      .incarnation;
    const self = this.#introduce(incarnation);
    const side = new AcceptingSide(this.#identity, self, shown, version);
    return { ok: true, open: (socket) => this.#open(side, socket) };
  }

  get peers(): readonly NodeId[] {
    return [...this.#links.keys()];
  }

  met({ nodeId, link, protocol }: MetNode): void {
    const isUnderstood = commonVersion(this.#protocol, protocol) !== undefined;
    if (!isUnderstood && !this.facts(nodeId)?.isUp) {
      return this.#estrange(nodeId, spoken(protocol));
    }
    this.#strangers.delete(nodeId);
    this.#links.get(nodeId)?.setAddress(link);
  }

  isStranger(peer: NodeId): boolean {
    return this.#strangers.has(peer);
  }

  want(peer: NodeId, address: string): void {
    this.#link(peer)?.want(address);
  }

  release(peer: NodeId): void {
    this.#links.get(peer)?.release();
  }

  forget(peer: NodeId): void {
    this.#strangers.delete(peer);
    this.#links.get(peer)?.close();
  }

  /** How all links are, each by the node it leads to; what secrets they have is not said. */
  all(): readonly (Omit<LinkFacts, "secret"> & { readonly peer: NodeId })[] {
    return [...this.#links].map(([peer, { facts }]) => {
      const { isUp, protocol, rttMs, queuedBytes, mediaBytes } = facts;
      return { peer, isUp, protocol, rttMs, queuedBytes, mediaBytes };
    });
  }

  facts(peer: NodeId): LinkFacts | undefined {
    return this.#links.get(peer)?.facts;
  }

  openRoom(name: string, stream: RoomPeerStream): SharedRoom {
    invariant(!this.#rooms.has(name), `room "${name}" is open`);
    const room = new RoomEnd(name, this.#guarded(stream), {
      link: (peer) => this.#links.get(peer),
      linkTo: (peer) => this.#link(peer),
      closed: () => {
        if (this.#rooms.get(name) === room) this.#rooms.delete(name);
      },
    });
    if (this.#isClosed) return room;
    this.#rooms.set(name, room);
    for (const link of this.#links.values()) link.rooms.opened(room);
    return room;
  }

  serve(method: string, answer: RpcMethod): void {
    invariant(!this.#methods.has(method), `method "${method}" is served`);
    this.#methods.set(method, answer);
  }

  async call(
    peer: NodeId,
    method: string,
    payload: PackedValue,
    { withinMs, address }: { readonly withinMs: number; readonly address?: string },
  ): Promise<PackedValue> {
    const link = address === undefined ? this.#links.get(peer) : this.#link(peer);
    if (link === undefined) {
      const code = this.#isClosed ? "closed" : this.isStranger(peer) ? "version" : "timeout";
      throw new LinkError(code, `Cannot call "${method}": no link`);
    }
    if (address === undefined) return await link.call(method, payload, withinMs);
    link.want(address);
    try {
      return await link.call(method, payload, withinMs);
    } finally {
      link.release();
    }
  }

  async barrier(peer: NodeId, withinMs: number): Promise<void> {
    await this.call(peer, BARRIER_METHOD, null, { withinMs });
  }

  /** Whether a node answers within that time, with a link that is made for this if need be. */
  async reach(peer: NodeId, address: string, withinMs: number): Promise<boolean> {
    try {
      await this.call(peer, BARRIER_METHOD, null, { withinMs, address });
      return true;
    } catch {
      return false;
    }
  }

  sendDatagram(peer: NodeId, kind: DatagramKind, bytes: Uint8Array): boolean {
    return this.#links.get(peer)?.sendDatagram(kind, bytes) ?? false;
  }

  close(): void {
    if (this.#isClosed) return;
    for (const room of [...this.#rooms.values()]) room.close();
    this.#isClosed = true;
    for (const [socket, cancel] of this.#accepting) {
      cancel();
      socket.close(LINK_CLOSE.done, "closed");
    }
    this.#accepting.clear();
    for (const link of [...this.#links.values()]) link.close();
  }

  /** Runs what is not ours; its throw ends here. */
  guard<T>(run: () => T): T | undefined {
    try {
      return run();
    } catch (error) {
      const { counters, platform: { log } } = this.#options;
      counters.count("link_observer_bug");
      log.error("what came over a node link hit a bug", { error });
      return undefined;
    }
  }

  #introduce(incarnation: number): NodeIntroduction {
    const { node, address } = this.#options;
    return {
      node,
      address: address(),
      protocol: this.#protocol,
      processNonce: this.#processNonce,
      incarnation,
    };
  }

  #estrange(peer: NodeId, theirs: string): void {
    if (this.#strangers.get(peer) === theirs) return;
    this.#strangers.set(peer, theirs);
    const { counters, platform: { log } } = this.#options;
    counters.count("link_version_refused");
    const ours = spoken(this.#protocol);
    log.warn("node is of another version: no links with it", { peer, theirs, ours });
  }

  #link(peer: NodeId): NodeLink | undefined {
    if (this.#isClosed || this.isStranger(peer)) return undefined;
    invariant(peer !== this.#options.node, "a node has no link to itself");
    return this.#links.get(peer) ?? this.#add(peer);
  }

  #add(peer: NodeId): NodeLink {
    const link = new NodeLink(peer, this.#host);
    this.#links.set(peer, link);
    return link;
  }

  #open(side: AcceptingSide, socket: LinkSocket): void {
    const { platform: { timers }, counters } = this.#options;
    const refuse = () => {
      this.#accepting.get(socket)?.();
      if (this.#accepting.delete(socket)) socket.close(LINK_CLOSE.protocol, "no proof");
    };
    if (this.#isClosed) return socket.close(LINK_CLOSE.done, "closed");
    this.#accepting.set(socket, timers.after(HANDSHAKE_TIMEOUT_MS, refuse));
    socket.onClose = refuse;
    socket.onMessage = (data) => {
      if (!this.#accepting.has(socket)) return;
      const proven = typeof data === "string" ? undefined : side.prove(data);
      if (proven === undefined) {
        counters.count("link_proof_wrong");
        return refuse();
      }
      this.#accepting.get(socket)?.();
      this.#accepting.delete(socket);
      const { link, ended } = proven;
      const known = this.#links.get(link.peer.node);
      // The memory that was named in the welcome is gone: the next try names another one.
      if (known?.incarnation !== side.self.incarnation) {
        return socket.close(LINK_CLOSE.double, "forgotten");
      }
      known.adopt(link, ended, socket);
    };
    socket.send(side.welcome);
  }

  async #run(
    peer: NodeId,
    method: string,
    payload: PackedValue,
    withinMs: number,
  ): Promise<{ readonly code: AnswerCode; readonly payload: PackedValue }> {
    const answer = this.#methods.get(method);
    if (answer === undefined) return { code: "unknown_method", payload: null };
    try {
      return { code: "ok", payload: await answer(peer, payload, withinMs) };
    } catch (error) {
      const { counters, platform: { log } } = this.#options;
      counters.count("link_observer_bug");
      log.error("a call of another node hit a bug", { method, error });
      return { code: "failed", payload: null };
    }
  }

  #guarded(stream: RoomPeerStream): RoomPeerStream {
    return {
      snapshot: (peer) => this.guard(() => stream.snapshot(peer)) ?? null,
      onSnapshot: (peer, value) => this.guard(() => stream.onSnapshot(peer, value)),
      onChange: (peer, value) => this.guard(() => stream.onChange(peer, value)),
      onData: (peer, value) => this.guard(() => stream.onData(peer, value)),
      onDatagram: (peer, kind, value) => this.guard(() => stream.onDatagram(peer, kind, value)),
      onAway: (peer) => this.guard(() => stream.onAway(peer)),
      onBack: (peer) => this.guard(() => stream.onBack(peer)),
      onGone: (peer) => this.guard(() => stream.onGone(peer)),
      onDrained: (peer) => this.guard(() => stream.onDrained(peer)),
    };
  }
}

/** Versions in words. */
function spoken({ min, max }: ProtocolRange): string {
  return min === max ? `${min}` : `${min} to ${max}`;
}

/** What a room needs of the links. */
interface RoomEndHost {
  link(peer: NodeId): NodeLink | undefined;
  /** Made if there is none; `undefined` once all are closed. */
  linkTo(peer: NodeId): NodeLink | undefined;
  closed(): void;
}

/** This node's end of one room. */
class RoomEnd implements SharedRoom, OpenRoom {
  readonly #host: RoomEndHost;
  readonly #peers = new Set<NodeId>();
  #isClosed = false;

  constructor(readonly name: string, readonly stream: RoomPeerStream, host: RoomEndHost) {
    this.#host = host;
  }

  get peers(): readonly NodeId[] {
    return [...this.#peers];
  }

  share(peer: NodeId, address: string): void {
    const link = this.#isClosed ? undefined : this.#host.linkTo(peer);
    if (link === undefined) return;
    // Counted while it is shared; this one only brings the address.
    link.want(address);
    link.rooms.share(this);
    link.release();
  }

  unshare(peer: NodeId): void {
    this.#host.link(peer)?.rooms.unshare(this.name);
  }

  change(value: PackedValue, peer?: NodeId): void {
    for (const link of this.#linksOf(peer)) link.rooms.change(this.name, value);
  }

  sendData(peer: NodeId, value: PackedValue): boolean {
    return !this.#isClosed && (this.#host.link(peer)?.sendData(this.name, value) ?? false);
  }

  sendDatagram(kind: DatagramKind, value: PackedValue, peer?: NodeId): void {
    for (const link of this.#linksOf(peer)) link.rooms.sendDatagram(this.name, kind, value);
  }

  isCongested(peer: NodeId): boolean {
    return this.#host.link(peer)?.isCongested(this.name) ?? false;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#host.closed();
    for (const peer of this.peers) this.unshare(peer);
  }

  shared(peer: NodeId, isShared: boolean): void {
    if (isShared) this.#peers.add(peer);
    else this.#peers.delete(peer);
  }

  #linksOf(peer: NodeId | undefined): NodeLink[] {
    if (this.#isClosed) return [];
    const peers = peer === undefined ? this.peers : this.#peers.has(peer) ? [peer] : [];
    return peers.flatMap((each) => this.#host.link(each) ?? []);
  }
}
