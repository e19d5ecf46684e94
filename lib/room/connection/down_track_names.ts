/**
 * How a down-track appears in the descriptions of one connection: its stream and track ids, and
 * SSRCs that were never used there before.
 *
 * @module
 */
import { Encryption_Type, TrackSource } from "@livekit/protocol";
import type { DownTrackId } from "../../base/ids.ts";
import type { MediaKind } from "../../base/media_vocabulary.ts";
import type { SubscribedTrack } from "../../negotiation/sent_track.ts";
import type { ClientTraits } from "../context/client_traits.ts";
import type { RoomContext } from "../context/room_context.ts";
import type { PublishedTrack } from "../registry/registry_messages.ts";
import type { DownTrackRequest } from "../subscription/subscriptions.ts";

/** Odd, so that adding it again and again meets every 32-bit number before it meets one twice. */
const SSRC_STEP = 0x9e37_79b1;

/** One per connection that sends. */
export class DownTrackNames {
  /** Tracks of one stream share a MediaStream, so that the client plays them in step. */
  readonly syncStreams: boolean;
  /** What clients are told of how long to wait. */
  readonly #playoutDelay: { readonly min: number; readonly max: number } | undefined;
  /** Without that they are told to wait for what is sent again. */
  readonly #waitsForRepairs: boolean;
  #lastSsrc: number;

  constructor({ platform, options }: RoomContext, readonly traits: ClientTraits) {
    this.#lastSsrc = platform.random.uint32();
    this.syncStreams = options.syncStreams && traits.protocol > 9 && !traits.isFirefox;
    const { playoutDelay } = options;
    // Firefox plays streams in step by a delay of its own.
    const isOwn = traits.isFirefox && options.syncStreams;
    if (playoutDelay?.enabled === true && !isOwn) this.#playoutDelay = playoutDelay;
    this.#waitsForRepairs = options.waitsForRepairs === true && !isOwn;
  }

  /** Whether a section may carry one track after another; those of one stream must keep theirs. */
  get reuseTransceivers(): boolean {
    return this.traits.reusesTransceivers && !this.syncStreams;
  }

  /** Whether the client is told how long to wait before it shows a picture. */
  get setsDelay(): boolean {
    return this.#playoutDelay !== undefined || this.#waitsForRepairs;
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
      ...this.#newSsrcs(kind),
      stereo: info.stereo,
      ...this.#delayOf(track),
      ...(this.#stripsTrailer(track) ? { stripsTrailer: true } : {}),
      ...(info.encryption === Encryption_Type.NONE ? {} : { isEncrypted: true }),
      isRedundant: track.upTracks.some(({ mime }) => mime === "audio/red"),
    };
  }

  /**
   * Names a section that one track after the other will be sent in. All that are held in one
   * description are one stream, so that the client plays them in step.
   */
  held(downTrack: DownTrackId, kind: MediaKind, streamId: string): SubscribedTrack {
    const ssrcs = this.#newSsrcs(kind);
    return {
      downTrack,
      kind,
      codecs: [],
      streamId,
      trackId: `${kind}-${ssrcs.ssrc}`,
      cname: streamId,
      ...ssrcs,
      stereo: false,
    };
  }

  #newSsrcs(kind: MediaKind): Pick<SubscribedTrack, "ssrc" | "rtxSsrc" | "fecSsrc"> {
    const media = { ssrc: this.#newSsrc(), rtxSsrc: this.#newSsrc() };
    return kind === "video" ? { ...media, fecSsrc: this.#newSsrc() } : media;
  }

  #stripsTrailer({ kind, info }: PublishedTrack): boolean {
    return kind === "video" && info.packetTrailerFeatures.length > 0 && !this.traits.readsTrailers;
  }

  #delayOf({ kind, source }: PublishedTrack): Pick<SubscribedTrack, "playoutDelay"> {
    const delay = this.#playoutDelay;
    const followsJitter = source !== TrackSource.SCREEN_SHARE;
    if (kind !== "video") return {};
    if (delay === undefined) {
      if (!this.#waitsForRepairs || !followsJitter) return {};
      return { playoutDelay: { minMs: 0, maxMs: 0, followsJitter, onlyRepairs: true } };
    }
    return { playoutDelay: { minMs: delay.min, maxMs: delay.max, followsJitter } };
  }

  /** Unique on this connection, without remembering those before, and never 0. */
  #newSsrc(): number {
    do {
      this.#lastSsrc = (this.#lastSsrc + SSRC_STEP) >>> 0;
    } while (this.#lastSsrc === 0);
    return this.#lastSsrc;
  }
}
