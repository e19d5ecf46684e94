/**
 * What an `AddTrack` request does: a new pending track, the same one announced anew, one more entry
 * in a queue, a codec for a published track, or a refusal.
 *
 * @module
 */
import {
  type AddTrackRequest,
  RequestResponse_Reason as Reason,
  type TrackInfo,
  type TrackSource,
  type TrackType,
} from "@livekit/protocol";
import type { TrackSid } from "../../base/ids.ts";
import type { Random } from "../../base/platform.ts";
import { MAX_ENTRIES_PER_CID, MAX_PENDING_TRACKS, type PendingTracks } from "./pending_tracks.ts";
import { announceCodecs, hasName, isNameTaken, type LiveTrack } from "./track_binding.ts";
import {
  mediaKindOf,
  newTrackSid,
  trackInfoFromRequest,
  type TrackInfoOptions,
} from "./track_info.ts";

/** What decides about an announcement. */
export interface AnnouncementOptions extends TrackInfoOptions {
  readonly random: Random;
  /** Asked at the announcement and again when media comes: permissions change in between. */
  readonly canPublishSource: (source: TrackSource, type: TrackType) => boolean;
}

/** What became of a request. */
export type Announcement =
  | { readonly type: "pending"; readonly info: TrackInfo }
  | { readonly type: "codec"; readonly track: LiveTrack }
  /** Not, or not yet, a track: what the client is answered. */
  | { readonly type: "answered"; readonly reason: Reason; readonly message: string };

/** Changes `pending`, or the published track that the request names; nothing if it is refused. */
export function announceTrack(
  request: AddTrackRequest,
  pending: PendingTracks,
  tracks: ReadonlyMap<TrackSid, LiveTrack>,
  options: AnnouncementOptions,
): Announcement {
  if (!options.canPublishSource(request.source, request.type)) return answered(Reason.NOT_ALLOWED);
  if (mediaKindOf(request.type) === undefined) return answered(Reason.UNSUPPORTED_TYPE);
  if (request.sid !== "") return announceCodec(request, pending, tracks);
  const { cid: signalCid } = request;
  if (signalCid === "") return answered(Reason.INVALID_REQUEST, "Cannot add track: no cid");
  const slot = pending.get(signalCid);
  if (slot?.queued === false) {
    const info = trackInfoFromRequest(request, slot.sid, options);
    pending.announceAnew(slot, { info, request });
    return { type: "pending", info };
  }
  if (pending.size >= MAX_PENDING_TRACKS) {
    const message = `Cannot add track: ${pending.size} pending, limit is ${MAX_PENDING_TRACKS}`;
    return answered(Reason.LIMIT_EXCEEDED, message);
  }
  if (slot !== undefined && slot.entries.length >= MAX_ENTRIES_PER_CID) {
    const { length } = slot.entries;
    const message = `Cannot add track: ${length} under one cid, limit is ${MAX_ENTRIES_PER_CID}`;
    return answered(Reason.LIMIT_EXCEEDED, message);
  }
  const sid = slot?.sid ?? newTrackSid(options.random, request.type, request.source);
  const info = trackInfoFromRequest(request, sid, options);
  if (slot !== undefined) {
    slot.entries.push({ info, request });
    return answered(Reason.QUEUED);
  }
  const queued = isNameTaken(tracks, signalCid);
  pending.add({ signalCid, sid, queued, entries: [{ info, request }], expected: undefined });
  return queued ? answered(Reason.QUEUED) : { type: "pending", info };
}

/** With a sid: the client is about to send another codec of a published track. */
function announceCodec(
  request: AddTrackRequest,
  pending: PendingTracks,
  tracks: ReadonlyMap<TrackSid, LiveTrack>,
): Announcement {
  const track = tracks.get(request.sid as TrackSid);
  if (track === undefined) return answered(Reason.NOT_FOUND);
  const isUsed = (cid: string) =>
    cid !== "" && (pending.get(cid) !== undefined ||
      [...tracks.values()].some((other) => other !== track && hasName(other, cid)));
  if (request.simulcastCodecs.some(({ cid }) => isUsed(cid))) {
    return answered(Reason.INVALID_REQUEST, "Cannot add codec: its cid is in use");
  }
  announceCodecs(track, request.simulcastCodecs);
  return { type: "codec", track };
}

function answered(reason: Reason, message = ""): Announcement {
  return { type: "answered", reason, message };
}
