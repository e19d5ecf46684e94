/**
 * What a participant asks of its room and tells it; the room implements it.
 *
 * @module
 */
import type { DataTrackHost } from "./data_track_host.ts";
import type { CodecWish } from "./subscribed_codecs.ts";
import type { SubscribableTrack } from "./codec_choice.ts";
import type { SourceState } from "./subscription_table.ts";
import type { PublishedTrack } from "./track_effects.ts";

/** The room as its participants see it. */
export interface ParticipantHost<Participant> {
  readonly name: string;
  readonly dataTracks: DataTrackHost<Participant>;
  participants(): Iterable<Participant>;
  byIdentity(identity: string): Participant | undefined;
  participantChanged(participant: Participant, immediate: boolean): void;
  participantActive(participant: Participant): void;
  /** Its client is on a new socket. */
  participantResumed(participant: Participant): void;
  permissionChanged(participant: Participant): void;
  /** It was hidden, or is no longer. */
  visibilityChanged(participant: Participant): void;
  participantClosed(participant: Participant): void;
  trackPublished(participant: Participant, track: PublishedTrack): void;
  trackUpdated(participant: Participant, track: PublishedTrack): void;
  trackUnpublished(participant: Participant, track: PublishedTrack): void;
  subscriptionRuleChanged(participant: Participant): void;
  resolveTrack(trackSid: string, subscriber: Participant): SubscribableTrack | undefined;
  sourceState(trackSid: string, subscriber: Participant): SourceState;
  introduce(trackSid: string, receiver: Participant): void;
  subscriptionBound(trackSid: string, subscriber: Participant): void;
  wish(trackSid: string, subscriber: Participant, wish: CodecWish | undefined): void;
  simulateSpeaker(participant: Participant, seconds: number): void;
  dataReceived(participant: Participant, label: string, bytes: Uint8Array): void;
  dataChannelOpen(participant: Participant): void;
}
