/**
 * How a down-track appears in the descriptions of one connection: its stream and track ids, and
 * SSRCs that were never used there before.
 *
 * @module
 */
import type { SubscribedTrack } from "../../negotiation/sent_track.ts";
import type { ClientTraits } from "../context/client_traits.ts";
import type { RoomContext } from "../context/room_context.ts";
import type { DownTrackRequest } from "../subscription/subscriptions.ts";

/** Odd, so that adding it again and again meets every 32-bit number before it meets one twice. */
const SSRC_STEP = 0x9e37_79b1;

/** One per connection that sends. */
export class DownTrackNames {
  /** Tracks of one stream share a MediaStream, so that the client plays them in step. */
  readonly syncStreams: boolean;
  #lastSsrc: number;

  constructor({ platform, options }: RoomContext, readonly traits: ClientTraits) {
    this.#lastSsrc = platform.random.uint32();
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

  /** Unique on this connection, without remembering those before, and never 0. */
  #newSsrc(): number {
    do {
      this.#lastSsrc = (this.#lastSsrc + SSRC_STEP) >>> 0;
    } while (this.#lastSsrc === 0);
    return this.#lastSsrc;
  }
}
