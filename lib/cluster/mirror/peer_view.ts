/**
 * What one other node has in a room, as this node was told, and what both want of each other's
 * tracks.
 *
 * @module
 */
import type { DisconnectReason } from "@livekit/protocol";
import type { NodeId } from "../../base/ids.ts";
import type { BridgedData, MirroredRoom, RemoteMemberPort } from "../../room/context/node_ports.ts";
import { type MemberChange, ToldMember } from "./member_message.ts";
import type { ToldWant } from "./mirror_message.ts";

/** Tracks that one node may want. */
const MAX_WANTED = 65_536;
const MAX_MEMBERS = 20_000;

/** One node's part of a room. Nothing of it is left in the room after {@linkcode clear}. */
export class PeerView {
  readonly #members = new Map<string, ToldMember>();
  /** How many of them have an identity: two for a moment when one replaces another. */
  readonly #identities = new Map<string, number>();
  /** Theirs; absent since something has changed. */
  #upTracks: ReadonlySet<string> | undefined;
  /** What it wants of this node's tracks: codecs, by track. */
  readonly #wanted = new Map<string, readonly string[]>();
  /** What this node wants of its tracks. */
  readonly #wants = new Map<string, ToldWant>();

  constructor(
    readonly node: NodeId,
    readonly room: MirroredRoom,
    readonly portOf: (change: MemberChange) => RemoteMemberPort,
  ) {}

  sids(): string[] {
    return [...this.#members.keys()];
  }

  has(sid: string): boolean {
    return this.#members.has(sid);
  }

  serves(identity: string): boolean {
    return this.#identities.has(identity);
  }

  hasUpTrack(upTrack: string): boolean {
    this.#upTracks ??= new Set([...this.#members.values()].flatMap((each) => each.upTracks()));
    return this.#upTracks.has(upTrack);
  }

  /** Whether it serves somebody whom a packet is for. */
  isFor({ identities, sids }: BridgedData): boolean {
    return identities.length + sids.length === 0 || sids.some((sid) => this.#members.has(sid)) ||
      identities.some((identity) => this.#identities.has(identity));
  }

  get highestClaim(): number {
    let highest = 0;
    for (const { number } of this.#members.values()) highest = Math.max(highest, number);
    return highest;
  }

  /** A member is what `change` says and nothing else. @returns Whether that makes sense. */
  replace(change: MemberChange): boolean {
    const member = new ToldMember(change, this.node);
    if (!member.apply(change)) return false;
    return this.#show(member, change);
  }

  /** A member is not as it was, or new. @returns Whether that makes sense. */
  apply(change: MemberChange): boolean {
    const member = this.#members.get(change.sid) ?? new ToldMember(change, this.node);
    this.#upTracks = undefined;
    return member.apply(change) && this.#show(member, change);
  }

  leave(sid: string, reason: DisconnectReason): void {
    const member = this.#members.get(sid);
    if (member === undefined) return;
    this.#members.delete(sid);
    this.#upTracks = undefined;
    this.#count(member.identity, -1);
    this.room.followNoMore(sid, this.node, reason);
  }

  /** It wants this of a track of ours, in place of what it wanted before. */
  takeWant({ trackSid, wishes }: ToldWant): void {
    const mimes = wishes.map(({ mime }) => mime);
    for (const mime of this.#wanted.get(trackSid) ?? []) {
      if (!mimes.includes(mime)) this.room.wished(trackSid, this.#wisher(mime), undefined);
    }
    this.#wanted.delete(trackSid);
    if (mimes.length === 0 || this.#wanted.size >= MAX_WANTED) return;
    this.#wanted.set(trackSid, mimes);
    for (const wish of wishes) this.room.wished(trackSid, this.#wisher(wish.mime), wish);
  }

  /** It wants this and nothing else. */
  takeWants(wants: readonly ToldWant[]): void {
    const named = new Set(wants.map(({ trackSid }) => trackSid));
    for (const trackSid of [...this.#wanted.keys()]) {
      if (!named.has(trackSid)) this.takeWant({ trackSid, wishes: [] });
    }
    for (const want of wants) this.takeWant(want);
  }

  /** This node wants that of one of its tracks. */
  noteWant(want: ToldWant): void {
    if (want.wishes.length === 0) this.#wants.delete(want.trackSid);
    else this.#wants.set(want.trackSid, want);
  }

  /** What this node wants of its tracks. */
  wants(): ToldWant[] {
    return [...this.#wants.values()];
  }

  clear(reason: DisconnectReason): void {
    for (const sid of this.sids()) this.leave(sid, reason);
    this.takeWants([]);
    this.#wants.clear();
  }

  #show(member: ToldMember, change: MemberChange): boolean {
    const facts = member.facts();
    if (facts === undefined) return false;
    if (!this.#members.has(member.sid)) {
      if (this.#members.size >= MAX_MEMBERS) return false;
      this.#count(member.identity, 1);
    }
    this.#members.set(member.sid, member);
    this.#upTracks = undefined;
    this.room.follow(facts, this.portOf(change));
    return true;
  }

  #count(identity: string, by: 1 | -1): void {
    const count = (this.#identities.get(identity) ?? 0) + by;
    if (count === 0) this.#identities.delete(identity);
    else this.#identities.set(identity, count);
  }

  /** A subscriber that stands for all of that node who want this codec. */
  #wisher(mime: string): { readonly sid: string } {
    return { sid: `${this.node} ${mime}` };
  }
}
