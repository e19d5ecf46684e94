/**
 * Who is in a room, by identity: at most one participant each.
 *
 * @module
 */
import type { ParticipantInfo } from "@livekit/protocol";
import type { Participant } from "./participant.ts";

/** The participants of one room. */
export class RoomMembers {
  readonly #byIdentity = new Map<string, Participant>();

  /** All of them, as they are now: the list does not change while it is gone through. */
  all(): Participant[] {
    return [...this.#byIdentity.values()];
  }

  values(): Iterable<Participant> {
    return this.#byIdentity.values();
  }

  get(identity: string): Participant | undefined {
    return this.#byIdentity.get(identity);
  }

  set(participant: Participant): void {
    this.#byIdentity.set(participant.identity, participant);
  }

  /** Whether this very session is here. */
  has(participant: Participant): boolean {
    return this.#byIdentity.get(participant.identity) === participant;
  }

  delete(participant: Participant): void {
    if (this.has(participant)) this.#byIdentity.delete(participant.identity);
  }

  /** How many keep the room open: all but agents and recorders. */
  get counted(): number {
    let count = 0;
    for (const { profile } of this.#byIdentity.values()) if (!profile.isDependent) count++;
    return count;
  }

  /** Whether they are fewer than `limit`; 0 is no limit. */
  isSmall(limit: number): boolean {
    return limit === 0 || this.#byIdentity.size < limit;
  }

  /** A track of `publisher` can be had. */
  offerTrack(publisher: Participant, trackSid: string): void {
    if (publisher.hidden) return;
    for (const { active, init, subscriptions } of this.others(publisher)) {
      if (active && init.autoSubscribe) subscriptions.desire([trackSid]);
      else subscriptions.sourceChanged(trackSid);
    }
  }

  /** A track can no longer be had. */
  withdrawTrack(trackSid: string): void {
    for (const { subscriptions } of this.all()) subscriptions.sourceRemoved(trackSid);
  }

  others(participant: Participant): Participant[] {
    return this.all().filter((other) => other !== participant);
  }

  /** Infos of everybody `participant` may know of, itself not included; not to be changed. */
  visibleTo(participant: Participant): ParticipantInfo[] {
    return this.others(participant).filter((other) => !other.hidden && !other.closed)
      .map(sharedInfo);
  }
}

/** A participant's info as others are told; not to be changed. */
export function sharedInfo(participant: Participant): ParticipantInfo {
  return participant.profile.sharedInfo(() => participant.info());
}
