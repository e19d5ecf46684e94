/**
 * A participant to read about: the one face it shows to whoever only wants to know.
 *
 * @module
 */
import type { ParticipantInfo, ParticipantInfo_State as State } from "@livekit/protocol";
import type { ParticipantSid } from "../../base/ids.ts";
import type { ParticipantInit, ParticipantProfile } from "./participant_profile.ts";

/** What client it has, and what it is: how some figures are told apart. */
export type ClientFacts =
  & Pick<ParticipantInit, "kind">
  & { readonly clientInfo: Pick<ParticipantInit["clientInfo"], "sdk"> };

/** Whose wish it is; there is one for each name. */
export interface Wisher {
  readonly sid: string;
}

/** A participant to read about. */
export interface ParticipantFacts {
  /** New in each room it is moved to. */
  readonly sid: ParticipantSid;
  readonly identity: string;
  readonly init: ParticipantInit;
  readonly profile: ParticipantProfile;
  readonly state: State;
  readonly hidden: boolean;
  readonly agent: boolean;
  /** Its primary connection was up once, and it has not left. */
  readonly active: boolean;
  readonly closed: boolean;
  readonly canPublishData: boolean;
  /** Another node serves it, and speaks for it. */
  readonly elsewhere: boolean;
  /** Everything a receiver may know; the version goes up if something changed since last time. */
  info(): ParticipantInfo;
}

/** A member's info as others are told; not to be changed. */
export function sharedInfo(member: ParticipantFacts): ParticipantInfo {
  return member.profile.sharedInfo(() => member.info());
}
