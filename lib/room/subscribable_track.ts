/**
 * How a published track looks to somebody who wants to receive it.
 *
 * A forwarded track is what its origin's room says it is (rule, codecs, media); only the publisher it
 * shows is the one of this room.
 *
 * @module
 */
import { knownCodecs } from "../negotiation/codec_catalog.ts";
import { codecOptions, type SubscribableTrack } from "./codec_choice.ts";
import { ForwardedParticipant } from "./forwarded_participant.ts";
import type { Participant } from "./participant.ts";
import type { RoomTrack } from "./room_tracks.ts";
import { NO_SOURCE, type SourceState } from "./subscription_table.ts";

/**
 * `entry` for `subscriber`; `undefined` if it cannot have it at all. Who is hidden cannot be received:
 * a track would say whose it is.
 */
export function subscribableTrack(
  { publisher, track, regressed }: RoomTrack<Participant>,
  subscriber: Participant,
): SubscribableTrack | undefined {
  if (publisher === subscriber || publisher.hidden) return undefined;
  if (publisher instanceof ForwardedParticipant) {
    const { origin } = publisher;
    const source = origin.host.resolveTrack(track.sid, subscriber);
    return source && { ...source, publisherSid: publisher.sid };
  }
  return {
    publisherSid: publisher.sid,
    track,
    allowed: publisher.allowsSubscription(track.sid, subscriber),
    options: codecOptions(track, regressed),
    codecsOf: ({ upTrack, mime }) =>
      upTrack === undefined ? knownCodecs(mime) : publisher.publisher.codecsOf(upTrack, mime),
  };
}

/** Whether `subscriber` can have `entry` now: as much of it as is asked most often. */
export function sourceState(
  { publisher, track }: RoomTrack<Participant>,
  subscriber: Participant,
): SourceState {
  if (publisher === subscriber || publisher.hidden) return NO_SOURCE;
  if (publisher instanceof ForwardedParticipant) {
    return publisher.origin.host.sourceState(track.sid, subscriber);
  }
  if (track.upTracks.length === 0) return NO_SOURCE;
  const allowed = publisher.allowsSubscription(track.sid, subscriber);
  return { exists: true, kind: track.kind, allowed };
}
