/**
 * Decides which track a section or its media belongs to. Pure: looks, changes nothing.
 *
 * Names come first, published tracks before pending ones, and a guess by kind only if no name
 * matches. Media whose announcement is queued behind another track waits for it and is never given
 * to a stranger.
 *
 * @module
 */
import type { SimulcastCodecInfo, TrackInfo } from "@livekit/protocol";
import type { TrackSid, UpTrackId } from "../../base/ids.ts";
import type { MediaKind } from "../../base/media_vocabulary.ts";
import { type PendingSlot, type PendingTracks, slotKind } from "./pending_tracks.ts";
import {
  awaitedByCid,
  awaitedByMime,
  type Binding,
  hasSdpCid,
  type LiveTrack,
} from "./track_binding.ts";
import type { RefusalReason, SectionPlan } from "./registry_messages.ts";

/** What is being looked for: `sdpCid` is never empty. */
export interface MatchQuery {
  readonly sdpCid: string;
  readonly kind: MediaKind;
  readonly upTrack: UpTrackId;
}

/** The tables to look in. */
export interface MatchView {
  readonly pending: PendingTracks;
  readonly tracks: ReadonlyMap<TrackSid, LiveTrack>;
  /** Sections whose track the server has taken away. */
  readonly ended: ReadonlySet<UpTrackId>;
}

/** Which track media belongs to. */
export type Match =
  /** Another layer of a section that already carries this track. */
  | { readonly type: "bound"; readonly track: LiveTrack; readonly binding: Binding }
  /** Another codec of a published track; without `codec`, one that was not announced. */
  | { readonly type: "codec"; readonly track: LiveTrack; readonly codec?: SimulcastCodecInfo }
  /** The current entry of a slot. `candidates`: 0 by name, else among how many it was guessed. */
  | { readonly type: "slot"; readonly slot: PendingSlot; readonly candidates: number }
  /** Another track has to end first. */
  | { readonly type: "wait"; readonly slot?: PendingSlot }
  | { readonly type: "refused"; readonly reason: RefusalReason }
  | { readonly type: "none" };

/**
 * @param mimes What the section offers, or the one mime that came.
 * @param byKind Whether a pending track of the same kind may be taken if no name matches.
 */
export function matchMedia(
  view: MatchView,
  query: MatchQuery,
  mimes: readonly string[],
  byKind: boolean,
): Match {
  const named = matchPublished(view, query, mimes) ?? matchNamedSlot(view, query);
  if (named !== undefined) return named;
  if (!byKind) return { type: "none" };
  const candidates = view.pending.unclaimed(query.kind);
  const oldest = candidates[0];
  if (oldest !== undefined) return { type: "slot", slot: oldest, candidates: candidates.length };
  for (const track of view.tracks.values()) {
    const codec = track.kind === query.kind ? awaitedByMime(track, mimes, true) : undefined;
    if (codec !== undefined) return { type: "codec", track, codec };
  }
  return { type: "none" };
}

/** By the section itself, then by the SDP cid of media that has come before. */
function matchPublished(
  view: MatchView,
  { sdpCid, kind, upTrack }: MatchQuery,
  mimes: readonly string[],
): Match | undefined {
  if (view.ended.has(upTrack)) return { type: "refused", reason: "up_track_ended" };
  for (const track of view.tracks.values()) {
    const binding = track.bindings.get(upTrack);
    if (binding === undefined) continue;
    if (track.kind !== kind) return { type: "refused", reason: "kind_mismatch" };
    if (binding.sdpCid !== sdpCid) return { type: "refused", reason: "up_track_taken" };
    return { type: "bound", track, binding };
  }
  for (const track of view.tracks.values()) {
    if (!hasSdpCid(track, sdpCid)) continue;
    if (track.kind !== kind) return { type: "refused", reason: "kind_mismatch" };
    return matchNewSection(view, track, sdpCid, mimes);
  }
  return undefined;
}

/** The known name on a second section: the track published anew, or another codec of it. */
function matchNewSection(
  view: MatchView,
  track: LiveTrack,
  sdpCid: string,
  mimes: readonly string[],
): Match {
  const anew = view.pending.get(sdpCid) ?? view.pending.get(track.signalCid);
  if (anew !== undefined) return { type: "wait", slot: anew };
  const codec = awaitedByMime(track, mimes, false);
  if (codec !== undefined) return { type: "codec", track, codec };
  const carried = [...track.bindings.values()].some((binding) => mimes.includes(binding.mime));
  return carried ? { type: "wait" } : { type: "codec", track };
}

/** By signal cid, by the cid its offer was found to use, then by the cid of a codec. */
function matchNamedSlot(view: MatchView, { sdpCid, kind }: MatchQuery): Match | undefined {
  const exact = view.pending.get(sdpCid);
  const current = exact?.queued === false ? exact : view.pending.expecting(sdpCid);
  if (current !== undefined) return currentSlot(current, kind);
  for (const track of view.tracks.values()) {
    const codec = awaitedByCid(track, sdpCid);
    if (codec === undefined) continue;
    return track.kind === kind
      ? { type: "codec", track, codec }
      : { type: "refused", reason: "kind_mismatch" };
  }
  const slot = exact ?? view.pending.byCodecCid(sdpCid);
  if (slot === undefined) return undefined;
  return slot.queued ? { type: "wait", slot } : currentSlot(slot, kind);
}

function currentSlot(slot: PendingSlot, kind: MediaKind): Match {
  return slotKind(slot) === kind
    ? { type: "slot", slot, candidates: 0 }
    : { type: "refused", reason: "kind_mismatch" };
}

/** What the offer handler is told about a section that matched like this. */
export function planFor(mid: string, query: MatchQuery, match: Match): SectionPlan {
  switch (match.type) {
    case "bound":
      return describe(mid, match.track.info, match.binding.codec, match.track.sid);
    case "codec":
      return describe(mid, match.track.info, match.codec, match.track.sid);
    case "slot":
      return describeSlot(mid, query, match.slot, match.slot.sid);
    case "wait":
      if (match.slot !== undefined) return describeSlot(mid, query, match.slot);
  }
  return { mid, stereo: false, dtx: true, red: true };
}

function describeSlot(
  mid: string,
  query: MatchQuery,
  slot: PendingSlot,
  sid?: TrackSid,
): SectionPlan {
  const info = slot.entries[0]!.info;
  const codec = info.codecs.find(({ cid }) => cid === query.sdpCid) ?? info.codecs[0];
  return describe(mid, info, codec, sid);
}

function describe(
  mid: string,
  info: TrackInfo,
  codec: SimulcastCodecInfo | undefined,
  sid: TrackSid | undefined,
): SectionPlan {
  const preferredMime = codec?.mimeType ?? "";
  return {
    mid,
    ...(sid === undefined ? {} : { sid }),
    ...(preferredMime === "" ? {} : { preferredMime }),
    stereo: info.stereo,
    dtx: !info.disableDtx,
    red: !info.disableRed || info.codecs[0]?.mimeType === "audio/red",
  };
}
