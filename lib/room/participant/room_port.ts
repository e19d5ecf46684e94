/**
 * What those who are in a room ask of it and tell it; the room implements it.
 *
 * @module
 */
import type {
  DataTrackInfo,
  PublishDataTrackRequest,
  UpdateDataSubscription,
} from "@livekit/protocol";
import type { DataEvent } from "../../engine/messages/data_messages.ts";
import type { DataTrackPublication } from "../data/published_data_tracks.ts";
import type { Member } from "./member.ts";
import type { TrackSources } from "../subscription/room_tracks.ts";
import type { PublishedTrack } from "../registry/registry_messages.ts";

/** The room's data tracks as its participants see them. */
export interface DataTrackHost<Session> {
  publish(publisher: Session, request: PublishDataTrackRequest): DataTrackPublication;
  /** @returns what ended; `undefined` if there is no such track. */
  unpublish(publisher: Session, pubHandle: number): DataTrackInfo | undefined;
  update(subscriber: Session, message: UpdateDataSubscription): void;
  /** `copy` is a member of another room that publishes `infos` now. */
  mirror(copy: Member, infos: readonly DataTrackInfo[]): void;
}

/** The room as every member sees it, wherever its client is. */
export interface MemberPort {
  readonly name: string;
  readonly tracks: TrackSources;
  readonly dataTracks: {
    /** `copy` is a member of another room that publishes `infos` now. */
    mirror(copy: Member, infos: readonly DataTrackInfo[]): void;
  };
  participants(): Iterable<Member>;
  byIdentity(identity: string): Member | undefined;
  participantChanged(member: Member, immediate: boolean): void;
  permissionChanged(member: Member): void;
  /** It was hidden, or is no longer. */
  visibilityChanged(member: Member): void;
  participantClosed(member: Member): void;
  trackPublished(member: Member, track: PublishedTrack): void;
  trackUpdated(member: Member, track: PublishedTrack): void;
  trackUnpublished(member: Member, track: PublishedTrack): void;
  subscriptionRuleChanged(member: Member): void;
}

/** The room as a session sees it. */
export interface RoomPort<Session> extends MemberPort {
  readonly sid: string;
  readonly dataTracks: DataTrackHost<Session>;
  /** It may come to forward only its loudest audio. */
  readonly forwardsLoudest: boolean;
  participantActive(session: Session): void;
  /** Its client is on a new socket. */
  participantResumed(session: Session): void;
  introduce(trackSid: string, receiver: Session): void;
  subscriptionAccepted(trackSid: string, subscriber: Session): void;
  simulateSpeaker(session: Session, seconds: number): void;
  /** The media plane tells something of its data. */
  dataEvent(session: Session, event: DataEvent): void;
}
