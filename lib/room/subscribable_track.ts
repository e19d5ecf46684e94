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
