/**
 * Who is here, by whose session it is, by token and by address: what a newcomer is measured
 * against, without a look at everybody.
 *
 * Contract: a session is in it from when it is in a room until it is in none. Forwarded
 * participants are nobody's sessions.
 *
 * @module
 */
import { ParticipantInfo_KindDetail as KindDetail } from "@livekit/protocol";
import type { ParticipantInit } from "./participant_profile.ts";

/** By what sessions are counted; `user` is within one room. */
export type CensusKind = "user" | "token" | "address";

/** A place in a room, which one session can have. */
export interface CensusPlace {
  readonly room: string;
  readonly identity: string;
}

/** All sessions of this process. */
export class SessionCensus {
  /** By kind and key; each with the room it is in. */
  readonly #groups = {
    user: new Map<string, Map<ParticipantInit, string>>(),
    token: new Map<string, Map<ParticipantInit, string>>(),
    address: new Map<string, Map<ParticipantInit, string>>(),
  };

  /** `init` is in `room` now. */
  entered(room: string, init: ParticipantInit): void {
    if (init.kindDetails.includes(KindDetail.FORWARDED)) return;
    for (const [kind, key] of keysOf(room, init)) {
      const groups = this.#groups[kind];
      const group = groups.get(key);
      if (group === undefined) groups.set(key, new Map([[init, room]]));
      else group.set(init, room);
    }
  }

  /** `init` is no longer in `room`. */
  left(room: string, init: ParticipantInit): void {
    for (const [kind, key] of keysOf(room, init)) {
      const group = this.#groups[kind].get(key);
      if (group?.get(init) !== room) continue;
      group.delete(init);
      if (group.size === 0) this.#groups[kind].delete(key);
    }
  }

  /**
   * Whether there are at least `limit` sessions of that key, whoever is in `place` left out.
   *
   * @param key Of users: {@linkcode userKey}.
   */
  hasMany(kind: CensusKind, key: string, limit: number, place: CensusPlace): boolean {
    const group = this.#groups[kind].get(key);
    if (group === undefined || group.size < limit) return false;
    if (group.size > limit) return true;
    for (const [{ identity }, room] of group) {
      if (room === place.room && identity === place.identity) return false;
    }
    return true;
  }
}

/** One user of a room; no name can be taken for another's. */
export function userKey(room: string, user: string): string {
  return JSON.stringify([room, user]);
}

function keysOf(room: string, init: ParticipantInit): [CensusKind, string][] {
  const { identity, userIdentity = identity, tokenId, addressBlock } = init;
  const keys: [CensusKind, string][] = [["user", userKey(room, userIdentity)]];
  if (tokenId !== undefined) keys.push(["token", tokenId]);
  if (addressBlock !== undefined) keys.push(["address", addressBlock]);
  return keys;
}
