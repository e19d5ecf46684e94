/**
 * What happens in rooms that nobody may have wanted: requests that are not used, guesses, and bugs.
 *
 * @module
 */
import type { DropReasons } from "../base/drop_counters.ts";

/** By counter name. */
export const ROOM_DROPS = {
  // Tracks
  track_matched_by_kind: "media was matched with an announcement by its kind alone",
  track_match_ambiguous: "media fits several announcements",
  track_effect_failed: "a bug of ours ended what follows from a change of tracks",
  track_refused_unknown_rid: "media has a layer that was not announced",
  track_refused_kind_mismatch: "audio came for video, or the other way round",
  track_refused_up_track_taken: "media came on a section that carries another track",
  track_refused_up_track_ended: "media came on a section whose track has ended",
  track_refused_not_allowed: "media came that its participant may not publish",
  track_refused_too_many_parked: "too much media waits for its announcement",
  track_refused_closed: "media came for a participant that has left",
  publication_timeout: "a track was announced and its media did not come",
  // Subscriptions
  subscription_permission_invalid: "a publisher's rule of who may subscribe cannot be used",
  subscriber_answer_stale: "an answer is to an offer that was replaced",
  subscriber_answer_unexpected: "an answer is to no offer",
  single_connection_answer: "a client answered, though no offer was made to it",
  // Data
  room_chat_not_kept: "a member of another node writes more in a recorded room than is kept of it",
  // Sessions
  simulated_speech_too_often: "a client under test speaks for show more often than others are told",
  token_revocation_evicted: "the oldest of too many revoked tokens was forgotten",
  participant_bug: "a bug of ours ended a participant's session",
  room_bug: "a bug of ours ended what a room was doing",
  room_observer_bug: "a bug of ours kept an event from an observer",
} as const satisfies DropReasons;

/** One of {@linkcode ROOM_DROPS}. */
export type RoomDrop = keyof typeof ROOM_DROPS;
