/**
 * One room between this node and the others that serve it: tells them whom this node serves, and
 * shows the room whom they serve.
 *
 * Contract: every member is told of by the node that serves it alone, so whatever a peer says can
 * change its own part of the room and nothing else. What a snapshot does not name has left. A peer
 * that is away keeps its part for a lease, and longer while the directory says that it lives.
 *
 * @module
 */
import {
  type DataBlobKey,
  DisconnectReason,
  ParticipantInfo_State as State,
} from "@livekit/protocol";
import type { DropSink } from "../../base/drop_counters.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Cancel, Clock, Log, Timers } from "../../base/platform.ts";
import type {
  BridgedData,
  HeardQuality,
  MirroredRoom,
  QualityWish,
  RemoteMemberPort,
  RoomLink,
  RoomRecord,
  ServedMember,
  TokenBan,
} from "../../room/context/node_ports.ts";
import type { AudioLevelEntry } from "../../engine/messages/media_messages.ts";
import type { ParticipantFacts } from "../../room/context/participant_facts.ts";
import { UpdatePace } from "../../room/participant/update_pace.ts";
import { planText } from "../../room/context/room_plan.ts";
import type { PackedValue } from "../../wire/message_pack.ts";
import type { ClusterDrop } from "../drop_reasons.ts";
import type { DatagramKind, RoomPeerStream, SharedRoom } from "../link/link_ports.ts";
import { packData, packLevels, readData, readLevels } from "./data_message.ts";
import {
  differenceOf,
  type MemberChange,
  type MemberParts,
  partsOf,
  saysMore,
} from "./member_message.ts";
import {
  type MirrorChange,
  packMirrorChange,
  packSnapshot,
  readMirrorChange,
  readSnapshot,
  type ToldPlan,
  toldPlan,
  type ToldWant,
} from "./mirror_message.ts";
import { PeerView } from "./peer_view.ts";
import type { PeerCalls } from "./peer_calls.ts";
import { ToldQualities, type ToldQuality } from "./told_quality.ts";

/** A join's answer waits so long for nodes to tell whom they serve, ms. */
const MEETING_MS = 300;
/** Microphones of a room that are remembered as active. */
const MAX_LOUD = 1_000;
/** A peer that is away is looked for this often once a lease is over, ms. */
const LOOK_MS = 1_000;
/** A peer that is away although it lives is given up after so many looks. */
const MAX_LOOKS = 30;

/** What mirrors work with. */
export interface MirrorHost {
  readonly clock: Pick<Clock, "now">;
  readonly timers: Timers;
  readonly log: Log;
  readonly counters: DropSink<ClusterDrop>;
  readonly calls: PeerCalls;
  /** How long a node is waited for that is not heard of, ms. */
  readonly leaseMs: number;
  /** URL of a node's `/cluster`; `undefined` if it is not known to live. */
  addressOf(node: NodeId): Promise<string | undefined>;
  /** Whether a node lives; the answer may be a second old. */
  isAlive(node: NodeId): Promise<boolean>;
  /** Takes part in the room of that name. */
  openRoom(name: string, stream: RoomPeerStream): SharedRoom;
  /** A node says that the room is over, or another one: whether it is the directory knows. */
  doubted(room: MirroredRoom, reason: DisconnectReason): void;
  /** Resolves when what `nodes` have said so far is known here, or it takes too long. */
  settled(nodes: readonly NodeId[]): Promise<void>;
  /** A node was out of reach: who was replaced meanwhile, here or there, is to give way. */
  returned(room: MirroredRoom): void;
  closed(mirror: RoomMirror): void;
}

interface OwnPart {
  readonly identity: string;
  readonly number: number;
  readonly parts: MemberParts;
}

/** One room's mirror, from its opening to its end. */
export class RoomMirror implements RoomLink, RoomPeerStream {
  readonly #end: SharedRoom;
  /** Whom this node serves, as the others were told. */
  readonly #own = new Map<string, OwnPart>();
  readonly #pace = new UpdatePace();
  /** Those whose changes come too fast to be told one by one, by sid. */
  readonly #gathered = new Map<string, Cancel>();
  readonly #peers = new Map<NodeId, PeerView>();
  readonly #leases = new Map<NodeId, Cancel>();
  /** Nodes that were out of reach, until they have told whom they serve now. */
  readonly #returning = new Set<NodeId>();
  readonly #qualities: ToldQualities;
  /** Microphones that others were told are active, and some that have ended since. */
  readonly #loud = new Set<string>();
  /** Whoever waits for a node's snapshot. */
  readonly #meetings = new Map<NodeId, Set<() => void>>();
  #isClosed = false;

  constructor(readonly room: MirroredRoom, readonly host: MirrorHost) {
    this.#end = host.openRoom(room.name, this);
    this.#qualities = new ToldQualities(host.timers, (qualities) => {
      if (this.hasPeers) this.#tell({ kind: "quality", qualities });
    });
  }

  /** Nodes that have told whom they serve, and are not given up. */
  get peers(): readonly NodeId[] {
    return [...this.#peers.keys()];
  }

  /** The same, and those that are about to tell. */
  get nodes(): readonly NodeId[] {
    return [...new Set([...this.#peers.keys(), ...this.#meetings.keys()])];
  }

  /** The node that serves somebody under that identity, if it is another one. */
  holderOf(identity: string): NodeId | undefined {
    for (const [node, peer] of this.#peers) if (peer.serves(identity)) return node;
    return undefined;
  }

  /** The highest claim that is known of. */
  get highestClaim(): number {
    let highest = 0;
    for (const { claim } of this.room.served()) highest = Math.max(highest, claim?.number ?? 0);
    for (const peer of this.#peers.values()) highest = Math.max(highest, peer.highestClaim);
    return highest;
  }

  // RoomLink

  changed(member: ServedMember): void {
    const { sid, identity } = member;
    if (this.#gathered.has(sid)) return;
    const waitMs = this.#own.has(sid) ? this.#pace.waitMs(identity, this.host.clock.now()) : 0;
    if (waitMs === 0) return this.#changed(member);
    const cancel = this.host.timers.after(waitMs, () => {
      this.#gathered.delete(sid);
      this.#changed(member);
    });
    this.#gathered.set(sid, cancel);
  }

  #changed(member: ServedMember): void {
    // Nobody is told of it yet, here either.
    if (member.state === State.JOINING || member.closed) return;
    const { sid, identity } = member;
    const facts = member.facts();
    const { number } = facts;
    const parts = partsOf(facts);
    const difference = differenceOf(this.#own.get(sid)?.parts ?? new Map(), parts);
    if (difference === undefined) return;
    this.#own.set(sid, { identity, number, parts });
    this.#tell({ kind: "member", change: { sid, identity, number, ...difference } });
    const bytes = difference.parts.values().reduce((sum, { length }) => sum + length, 0);
    this.#pace.told(identity, bytes, this.#peers.size, this.host.clock.now());
  }

  left(member: ParticipantFacts): void {
    this.#gathered.get(member.sid)?.();
    this.#gathered.delete(member.sid);
    if (!this.#own.delete(member.sid)) return;
    this.#qualities.left(member.sid);
    const reason = member.closed ? member.info().disconnectReason : DisconnectReason.MIGRATION;
    this.#tell({ kind: "left", sid: member.sid, reason });
  }

  planned(record: RoomRecord): void {
    this.#tell({ kind: "plan", plan: toldPlan(record) });
  }

  ended(reason: DisconnectReason): void {
    this.#tell({ kind: "ended", reason });
  }

  get hasPeers(): boolean {
    return this.#peers.size > 0;
  }

  deliver(data: BridgedData): boolean {
    const value = packData(data);
    let mayGoOn = true;
    for (const [node, view] of this.#peers) {
      if (!view.isFor(data)) continue;
      if (data.kind === "lossy") this.#end.sendDatagram("data", value, node);
      else if (!this.#end.sendData(node, value)) this.host.counters.count("mirror_data_lost");
      if (data.kind === "reliable" && this.#end.isCongested(node)) mayGoOn = false;
    }
    return mayGoOn;
  }

  /** What is not loud is of interest where it was. */
  levels(levels: readonly AudioLevelEntry[]): void {
    const told = levels.filter(({ active, upTrack }) => active || this.#loud.has(upTrack));
    if (told.length === 0) return;
    // Of what is forgotten here others hear nothing any more, which tells them the same.
    if (this.#loud.size > MAX_LOUD) this.#loud.clear();
    for (const { active, upTrack } of told) {
      if (active) this.#loud.add(upTrack);
      else this.#loud.delete(upTrack);
    }
    this.#end.sendDatagram("levels", packLevels(told));
  }

  quality(sid: string, heard: HeardQuality): void {
    if (this.#own.has(sid)) this.#qualities.measured(sid, heard);
  }

  speakerSimulated(sid: string, seconds: number): void {
    this.#tell({ kind: "speaker", sid, seconds });
  }

  barred(ban: TokenBan): void {
    this.#tell({ kind: "ban", ban });
  }

  settled(): Promise<void> {
    return this.host.settled(this.peers);
  }

  async meet(nodes: readonly NodeId[]): Promise<void> {
    await Promise.all(nodes.map((node) => this.#meet(node)));
  }

  close(): void {
    this.#isClosed = true;
    this.#qualities.close();
    this.#end.close();
    for (const cancel of this.#gathered.values()) cancel();
    this.#gathered.clear();
    for (const cancel of this.#leases.values()) cancel();
    for (const node of [...this.#meetings.keys()]) this.#met(node);
    this.#peers.clear();
    this.host.closed(this);
  }

  // RoomPeerStream

  snapshot(peer: NodeId): PackedValue {
    const members = Array.from(this.#own, ([sid, { identity, number, parts }]) => {
      return { sid: sid as MemberChange["sid"], identity, number, parts, gone: [] };
    });
    const wants = this.#peers.get(peer)?.wants() ?? [];
    const { sid, record } = this.room;
    return packSnapshot({
      sid,
      plan: toldPlan(record),
      members,
      wants,
      bans: this.room.bans(),
      qualities: this.#qualities.all,
      isLate: this.#returning.has(peer),
    });
  }

  onSnapshot(peer: NodeId, value: PackedValue): void {
    const snapshot = readSnapshot(value);
    if (this.#returning.delete(peer) || snapshot?.isLate) this.host.returned(this.room);
    if (snapshot === undefined) {
      this.#unreadable(peer);
    } else if (snapshot.sid !== this.room.sid) {
      this.#drop(peer, DisconnectReason.STATE_MISMATCH);
      this.host.doubted(this.room, DisconnectReason.ROOM_DELETED);
    } else {
      const view = this.#view(peer);
      this.#adopt(snapshot.plan);
      const present = new Set<string>(snapshot.members.map(({ sid }) => sid));
      for (const sid of view.sids()) {
        if (!present.has(sid)) view.leave(sid, DisconnectReason.UNKNOWN_REASON);
      }
      for (const change of snapshot.members) {
        this.#noteUnknown(change);
        if (!view.replace(change)) this.#unreadable(peer);
      }
      view.takeWants(snapshot.wants);
      for (const ban of snapshot.bans) this.room.barred(ban);
      this.#hearQualities(view, snapshot.qualities);
    }
    this.#met(peer);
  }

  onChange(peer: NodeId, value: PackedValue): void {
    const view = this.#peers.get(peer);
    // What it said before was about another room.
    if (view === undefined) return;
    const change = readMirrorChange(value);
    if (change === undefined) return this.#unreadable(peer);
    if (change === "unknown") this.host.counters.count("mirror_message_unknown");
    else this.#take(peer, view, change);
  }

  onData(peer: NodeId, value: PackedValue): void {
    const view = this.#peers.get(peer);
    const data = readData(value, "reliable");
    if (view === undefined || data === undefined) return this.#unreadable(peer);
    // Somebody who has just left may still have said something.
    if (data.from === "" || !this.#isElsewhere(data.from, peer)) this.room.dataArrived(data);
  }

  onDatagram(peer: NodeId, kind: DatagramKind, value: PackedValue): void {
    const view = this.#peers.get(peer);
    if (view === undefined) return;
    switch (kind) {
      case "data": {
        const data = readData(value, "lossy");
        if (data === undefined) return this.#unreadable(peer);
        if (data.from === "" || view.has(data.from)) this.room.dataArrived(data);
        return;
      }
      case "levels": {
        const levels = readLevels(value);
        if (levels === undefined) return this.#unreadable(peer);
        const its = levels.filter(({ upTrack }) => view.hasUpTrack(upTrack));
        return this.room.levelsHeard(its);
      }
    }
  }

  onAway(peer: NodeId): void {
    this.#await(peer, this.host.leaseMs, 0);
  }

  onBack(peer: NodeId): void {
    this.#endLease(peer);
    this.#returning.add(peer);
  }

  onGone(peer: NodeId): void {
    this.#endLease(peer);
    // What it did to the room meanwhile may have been told to nobody here: it may be over.
    if (this.#returning.delete(peer)) this.host.returned(this.room);
    this.#drop(peer, DisconnectReason.CONNECTION_TIMEOUT);
    this.#met(peer);
  }

  onDrained(_peer: NodeId): void {
    if (!this.#end.peers.some((peer) => this.#end.isCongested(peer))) this.room.drained();
  }

  /** Whether it is somebody whom another node than `peer` serves, or this one. */
  #isElsewhere(sid: string, peer: NodeId): boolean {
    if (this.#own.has(sid)) return true;
    for (const [node, view] of this.#peers) if (node !== peer && view.has(sid)) return true;
    return false;
  }

  #take(peer: NodeId, view: PeerView, change: MirrorChange): void {
    switch (change.kind) {
      case "member":
        this.#noteUnknown(change.change);
        if (!view.apply(change.change)) this.#unreadable(peer);
        return;
      case "left":
        return view.leave(change.sid, change.reason);
      case "plan":
        return this.#adopt(change.plan);
      case "want":
        return view.takeWant(change.want);
      case "subscribed":
        return this.room.subscribedElsewhere(change.trackSid);
      case "ban":
        return this.room.barred(change.ban);
      case "speaker":
        if (view.has(change.sid)) this.room.speakerSimulated(change.sid, change.seconds);
        return;
      case "quality":
        return this.#hearQualities(view, change.qualities);
      case "ended":
        return this.host.doubted(this.room, change.reason);
    }
  }

  #adopt(told: ToldPlan): void {
    const { record } = this.room;
    const isOther = told.version === record.version &&
      planText(told.plan) !== planText(record.plan);
    // Of two changes with one number a failover has lost one: which holds the directory says.
    if (isOther) this.host.returned(this.room);
    this.room.adopt({ ...record, ...told });
  }

  #hearQualities(view: PeerView, qualities: readonly ToldQuality[]): void {
    for (const { sid, ...heard } of qualities) {
      if (view.has(sid)) this.room.qualityHeard(sid, heard);
    }
  }

  async #meet(node: NodeId): Promise<void> {
    if (this.#peers.has(node) || this.#isClosed) return;
    const address = await this.host.addressOf(node).catch(() => undefined);
    if (address === undefined) return this.#vanished(node);
    if (this.#isClosed || this.#peers.has(node)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = this.#meetings.get(node) ?? new Set();
    this.#meetings.set(node, waiting.add(resolve));
    const cancel = this.host.timers.after(MEETING_MS, resolve);
    this.#end.share(node, address);
    await promise;
    cancel();
    waiting.delete(resolve);
    if (!this.#peers.has(node)) this.#returning.add(node);
  }

  /** It died before it told anything, so its link never said that it is gone. */
  #vanished(node: NodeId): void {
    if (this.#peers.has(node)) return;
    this.#returning.delete(node);
    this.#met(node);
  }

  #met(node: NodeId): void {
    const waiting = this.#meetings.get(node);
    this.#meetings.delete(node);
    for (const resolve of waiting ?? []) resolve();
  }

  #view(peer: NodeId): PeerView {
    const known = this.#peers.get(peer);
    if (known !== undefined) return known;
    const view = new PeerView(peer, this.room, (change) => this.#portOf(peer, change));
    this.#peers.set(peer, view);
    if (this.#peers.size === 1) this.room.bridged();
    return view;
  }

  #portOf(node: NodeId, { sid, identity }: MemberChange): RemoteMemberPort {
    const { calls } = this.host;
    const { name } = this.room;
    return {
      node,
      want: (trackSid: string, wishes: readonly QualityWish[]) => {
        const want: ToldWant = { trackSid, wishes };
        this.#peers.get(node)?.noteWant(want);
        this.#tell({ kind: "want", want }, node);
      },
      subscribed: (trackSid) => this.#tell({ kind: "subscribed", trackSid }, node),
      blob: (key: DataBlobKey) => calls.blob(node, { room: name, sid, key }),
      evict: (number) => calls.evict(node, { room: name, identity, number }),
    };
  }

  #tell(change: MirrorChange, peer?: NodeId): void {
    if (!this.#isClosed) this.#end.change(packMirrorChange(change), peer);
  }

  #drop(peer: NodeId, reason: DisconnectReason): void {
    const view = this.#peers.get(peer);
    this.#peers.delete(peer);
    view?.clear(reason);
    if (view === undefined) return;
    if (this.#peers.size === 0) this.room.bridged();
    this.onDrained(peer);
  }

  #await(peer: NodeId, waitMs: number, looks: number): void {
    this.#endLease(peer);
    const cancel = this.host.timers.after(waitMs, () => {
      if (looks >= MAX_LOOKS) return this.#expire(peer);
      this.host.isAlive(peer).catch(() => false).then((isAlive) => {
        // It may be back, or gone, by now.
        if (this.#leases.get(peer) !== cancel) return;
        if (isAlive) this.#await(peer, LOOK_MS, looks + 1);
        else this.#expire(peer);
      });
    });
    this.#leases.set(peer, cancel);
  }

  #endLease(peer: NodeId): void {
    this.#leases.get(peer)?.();
    this.#leases.delete(peer);
  }

  #expire(peer: NodeId): void {
    this.#leases.delete(peer);
    this.host.log.warn("node is out of reach", { room: this.room.name, node: peer });
    this.#drop(peer, DisconnectReason.CONNECTION_TIMEOUT);
  }

  #noteUnknown(change: MemberChange): void {
    if (saysMore(change)) this.host.counters.count("mirror_message_unknown");
  }

  #unreadable(peer: NodeId): void {
    this.host.counters.count("mirror_message_unreadable");
    this.host.log.warn("what a node says of a room makes no sense", {
      room: this.room.name,
      node: peer,
    });
  }
}
