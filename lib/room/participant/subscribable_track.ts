/**
 * How a track published by a client that is served here looks to somebody who wants to receive it.
 *
 * @module
 */
import type { UpTrackId } from "../../base/ids.ts";
import type { CodecParameters } from "../../base/media_vocabulary.ts";
import { knownCodecs } from "../../negotiation/codec_catalog.ts";
import { codecOptions, type SubscribableTrack } from "../subscription/codec_choice.ts";
import type { OfferedTrack } from "./member.ts";

/**
 * @param allowed Whether the publisher lets the subscriber have it.
 * @param codecsOf What was negotiated for one of its up-tracks, by codec.
 */
export function subscribableTrack(
  publisherSid: string,
  { track, regressed }: OfferedTrack,
  allowed: boolean,
  codecsOf: (upTrack: UpTrackId, mime: string) => readonly CodecParameters[],
): SubscribableTrack {
  return {
    publisherSid,
    track,
    allowed,
    options: codecOptions(track, regressed),
    codecsOf: ({ upTrack, mime }) =>
      upTrack === undefined ? knownCodecs(mime) : codecsOf(upTrack, mime),
  };
}
