/**
 * A member as other nodes are told of it by the node that serves it: all that it takes to show it,
 * and to subscribe to what it publishes.
 *
 * @module
 */
import type {
  ClientInfo,
  DataTrackInfo,
  ParticipantInfo,
  SubscriptionPermission,
  TrackInfo,
  TrackSource,
} from "@livekit/protocol";
import type { ParticipantSid, TrackSid, UpTrackId } from "../../base/ids.ts";
import type { MediaKind, ReceiveSection } from "../../base/media_vocabulary.ts";

/** The media of a track in one codec. */
export interface SharedUpTrack {
  readonly upTrack: UpTrackId;
  readonly mime: string;
  readonly mid: string;
  /** As the publisher's engine receives it. */
  readonly section: ReceiveSection;
}

/** A published track. */
export interface SharedTrack {
  readonly sid: TrackSid;
  readonly info: TrackInfo;
  readonly kind: MediaKind;
  readonly source: TrackSource;
  /** Its backup codec has taken the place of its first one. */
  readonly regressed: boolean;
  /** One for each codec whose media has come. */
  readonly upTracks: readonly SharedUpTrack[];
}

/** A member. None of the messages is changed later. */
export interface MemberFacts {
  readonly sid: ParticipantSid;
  readonly identity: string;
  /** Of its claim; 0 without. */
  readonly number: number;
  /** Without its tracks. */
  readonly info: ParticipantInfo;
  /** Whose session it is; see `ParticipantInit`. */
  readonly userIdentity: string;
  /** Unix milliseconds; 0 if that is not known. */
  readonly tokenExpiresAt: number;
  readonly client: Pick<ClientInfo, "sdk" | "protocol">;
  /** Who may have its tracks, by identities. */
  readonly rule: SubscriptionPermission;
  /** In the order they were published. */
  readonly tracks: readonly SharedTrack[];
  readonly dataTracks: readonly DataTrackInfo[];
}
