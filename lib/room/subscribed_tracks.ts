/**
 * How a down-track appears in the descriptions of one connection: its stream and track ids, and SSRCs
 * that were never used there before.
 *
 * @module
 */
import type { Random } from "../base/platform.ts";
import type { SubscribedTrack } from "../negotiation/sent_track.ts";
import type { ClientTraits } from "./client_traits.ts";
import type { RoomContext } from "./room_context.ts";
import type { DownTrackRequest } from "./subscriptions.ts";

/** One per connection that sends. */
export class SubscribedTracks {
  /** Tracks of one stream share a MediaStream, so that the client plays them in step. */
  readonly syncStreams: boolean;
  readonly #random: Random;
  readonly #usedSsrcs = new Set<number>();

  constructor({ platform, options }: RoomContext, readonly traits: ClientTraits) {
    this.#random = platform.random;
    this.syncStreams = options.syncStreams && traits.protocol > 9 && !traits.isFirefox;
  }

  /** Whether a section may carry one track after another; those of one stream must keep theirs. */
  get reuseTransceivers(): boolean {
    return this.traits.reusesTransceivers && !this.syncStreams;
  }

  /** Names a down-track that enters the descriptions. */
  describe({ downTrack, publisherSid, track, codecs }: DownTrackRequest): SubscribedTrack {
    const { info, sid, kind } = track;
    const group = this.syncStreams && info.stream !== "" ? info.stream : sid;
    const streamId = this.traits.protocol > 0 ? `${publisherSid}|${group}` : publisherSid;
    return {
      downTrack,
      kind,
      codecs,
      streamId,
      trackId: sid,
      cname: streamId,
      ssrc: this.#newSsrc(),
      rtxSsrc: this.#newSsrc(),
      stereo: info.stereo,
    };
  }

  /** Unique on this connection and never 0. */
  #newSsrc(): number {
    for (;;) {
      const ssrc = this.#random.uint32();
      if (ssrc === 0 || this.#usedSsrcs.has(ssrc)) continue;
      this.#usedSsrcs.add(ssrc);
      return ssrc;
    }
  }
}
