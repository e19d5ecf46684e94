/**
 * Who is in a room, by identity: at most one member each. Those whose client is served here are
 * known by their sessions, too.
 *
 * @module
 */
import type { ParticipantInfo } from "@livekit/protocol";
import type { Member } from "./member.ts";
import { sharedInfo } from "../context/participant_facts.ts";
import type { Session } from "./session.ts";

/** The members of one room. */
export class RoomMembers {
  readonly #members = new Map<string, Member>();
  readonly #sessions = new Map<string, Session>();

  /** All of them, as they are now: the list does not change while it is gone through. */
  all(): Member[] {
    return [...this.#members.values()];
  }

  values(): Iterable<Member> {
    return this.#members.values();
  }

  /** As {@linkcode RoomMembers.all}, of those whose client is here. */
  allSessions(): Session[] {
    return [...this.#sessions.values()];
  }

  sessions(): Iterable<Session> {
    return this.#sessions.values();
  }

  get(identity: string): Member | undefined {
    return this.#members.get(identity);
  }

  session(identity: string): Session | undefined {
    return this.#sessions.get(identity);
  }

  /** The session of `member`, if its client is here. */
  sessionOf(member: Member): Session | undefined {
    const session = this.#sessions.get(member.identity);
    return session === member ? session : undefined;
  }

  /** @param session The same as `member`, if its client is here. */
  set(member: Member, session?: Session): void {
    this.#members.set(member.identity, member);
    if (session === undefined) this.#sessions.delete(member.identity);
    else this.#sessions.set(member.identity, session);
  }

  /** Whether this very one is here. */
  has(member: Member): boolean {
    return this.#members.get(member.identity) === member;
  }

  delete(member: Member): void {
    if (!this.has(member)) return;
    this.#members.delete(member.identity);
    this.#sessions.delete(member.identity);
  }

  /** How many keep the room open: all but agents and recorders. */
  get counted(): number {
    let count = 0;
    for (const { profile } of this.#members.values()) if (!profile.isDependent) count++;
    return count;
  }

  /** Whether anybody is served here, also from another room. */
  get servesAnybody(): boolean {
    for (const { elsewhere } of this.#members.values()) if (!elsewhere) return true;
    return false;
  }

  /** Whether they are fewer than `limit`; 0 is no limit. */
  isSmall(limit: number): boolean {
    return limit === 0 || this.#members.size < limit;
  }

  /** A track of `publisher` can be had. */
  offerTrack(publisher: Member, trackSid: string): void {
    if (publisher.hidden) return;
    for (const { active, init, subscriptions } of this.othersThan(publisher)) {
      if (active && init.autoSubscribe) subscriptions.desire([trackSid]);
      else subscriptions.sourceChanged(trackSid);
    }
  }

  /** A track can no longer be had. */
  withdrawTrack(trackSid: string): void {
    for (const { subscriptions } of this.allSessions()) subscriptions.sourceRemoved(trackSid);
  }

  /** Sessions of others than `member`. */
  othersThan(member: Member): Session[] {
    return this.allSessions().filter((other) => other !== member);
  }

  /** Infos of everybody `member` may know of, itself not included; not to be changed. */
  visibleTo(member: Member): ParticipantInfo[] {
    return this.all().filter((other) => other !== member && !other.hidden && !other.closed)
      .map(sharedInfo);
  }
}
