/**
 * What goes into the track registry and what comes out of it, as values.
 *
 * Messages inside effects are copies made when the change was committed: nobody can change the
 * registry through them, and they do not change when the registry moves on.
 *
 * @module
 */
import {
  RequestResponse,
  type RequestResponse_Reason,
  type TrackInfo,
  type TrackSource,
} from "@livekit/protocol";
import type { TrackSid, UpTrackId } from "../../base/ids.ts";
import type { MediaKind, SpatialLayer } from "../../base/media_vocabulary.ts";
import { echoOf } from "./request_echo.ts";

/** One sending section of a publisher's offer. */
export interface SectionQuery {
  readonly mid: string;
  readonly kind: MediaKind;
  /** Track id of the section's `a=msid`; empty if the client wrote none. */
  readonly sdpCid: string;
  readonly upTrack: UpTrackId;
  /** Simulcast ids, lowest layer first; empty without simulcast. */
  readonly rids: readonly string[];
  /** The mimes the section offers, for matching a codec added to a published track. */
  readonly codecs: readonly { readonly mime: string }[];
}

/** What the announcements say about one section; without a match the client's own order stands. */
export interface SectionPlan {
  readonly mid: string;
  /** Absent if nothing matches (yet), and while the announcement is queued behind another track. */
  readonly sid?: TrackSid;
  /** The announced codec, to be put first in the answer. */
  readonly preferredMime?: string;
  readonly stereo: boolean;
  /** Discontinuous transmission is allowed. */
  readonly dtx: boolean;
  /** Redundant audio (RFC 2198 §3) is allowed, and preferred if offered. */
  readonly red: boolean;
}

/** Media of one layer, or of a whole section that is taken as sending because its offer says so. */
export interface MediaArrival {
  readonly sdpCid: string;
  readonly kind: MediaKind;
  readonly mid: string;
  readonly upTrack: UpTrackId;
  readonly mime: string;
  readonly rid?: string;
  readonly spatial?: SpatialLayer;
  /** Absent while only the offer has been seen. */
  readonly ssrc?: number;
  readonly rtxSsrc?: number;
  /** The section's simulcast ids, lowest first; those of the offer are used if absent. */
  readonly rids?: readonly string[];
}

/** How large one layer's pictures are, pixels. */
export interface LayerSize {
  readonly spatial: SpatialLayer;
  readonly width: number;
  readonly height: number;
}

/** What the pictures of a section told. */
export interface LayerSizes {
  readonly sizes: readonly LayerSize[];
  /** Its simulcast ids, lowest first, if they are not in the order in which they were claimed. */
  readonly rids?: readonly string[];
}

/** Why media is not accepted; each is also counted as `track_refused_<reason>`. */
export type RefusalReason =
  | "unknown_rid"
  | "kind_mismatch"
  | "up_track_taken"
  | "up_track_ended"
  | "not_allowed"
  | "too_many_parked"
  | "closed";

/** What became of media that arrived. */
export type ClaimOutcome =
  | { readonly type: "published"; readonly sid: TrackSid }
  | { readonly type: "layer_added"; readonly sid: TrackSid }
  | { readonly type: "codec_added"; readonly sid: TrackSid }
  | { readonly type: "parked" }
  | { readonly type: "refused"; readonly reason: RefusalReason };

/** A published track as others may see it: committed state, a copy. */
export interface PublishedTrack {
  readonly sid: TrackSid;
  readonly info: TrackInfo;
  readonly kind: MediaKind;
  readonly source: TrackSource;
  /** Whether its backup codec has taken the place of its first; absent: to be decided here. */
  readonly regressed?: boolean;
  /** One for each codec whose media has come. */
  readonly upTracks: readonly {
    readonly upTrack: UpTrackId;
    readonly mime: string;
    readonly mid: string;
  }[];
}

/** What the world is to be told, in the order in which it happened. */
export type RegistryEffect =
  /** To the publisher: its announcement has become a track (or, with a `sid`, gained a codec). */
  | { readonly type: "track_published"; readonly cid: string; readonly track: TrackInfo }
  /** To the publisher: its request was queued or refused. */
  | { readonly type: "request_response"; readonly response: RequestResponse }
  /** To the publisher: an administrator changed the mute state of its track. */
  | { readonly type: "mute"; readonly sid: TrackSid; readonly muted: boolean }
  /** To the publisher: the server took the track away (permission revoked). */
  | { readonly type: "track_unpublished"; readonly sid: TrackSid }
  /** To the room. */
  | { readonly type: "published"; readonly track: PublishedTrack }
  /** To the room: another layer, codec, mute state or feature of a published track. */
  | { readonly type: "updated"; readonly track: PublishedTrack }
  /** To the room: `track` is how it was when it ended. */
  | { readonly type: "unpublished"; readonly track: PublishedTrack };

/** The answer to a publisher's request. */
export function respond(
  reason: RequestResponse_Reason,
  message: string,
  request: RequestResponse["request"],
): RegistryEffect {
  const response = new RequestResponse({ reason, message, request: echoOf(request) });
  return { type: "request_response", response };
}
