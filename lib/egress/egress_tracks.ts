/**
 * Which tracks of a room an egress records now, and which of them are the same again: those of
 * somebody who came back.
 *
 * A track is known by who publishes it, from what source, and of what kind. While one is gone its
 * place is kept, so that it goes on in the same file.
 *
 * @module
 */
import { Encryption_Type, TrackType } from "@livekit/protocol";
import type { UpTrackId } from "../base/ids.ts";
import type { MediaKind } from "../base/media_vocabulary.ts";
import { MOST_TRACKS } from "../recording/container/container.ts";
import { recordedCodec } from "../recording/frames/frame_assembly.ts";
import { PublisherClock } from "../recording/media_timeline.ts";
import type { Member } from "../room/participant/member.ts";
import type { PublishedTrack } from "../room/registry/registry_messages.ts";
import { codecOptions } from "../room/subscription/codec_choice.ts";
import type { TrackSelector } from "./egress_plan.ts";

/** One place for a track. */
export interface RecordedTrack {
  readonly identity: string;
  readonly kind: MediaKind;
  /** LiveKit's name of the source, in lower case: `camera`. */
  readonly source: string;
  /** The first sid it had. */
  readonly sid: string;
  readonly clock: PublisherClock;
  /** The sid it has now. */
  currentSid: string;
  /** Monotonic ms since when it is not there; `Infinity` while it is. */
  goneAt: number;
}

const SOURCES: Readonly<Record<number, string>> = {
  1: "camera",
  2: "microphone",
  3: "screen_share",
  4: "screen_share_audio",
};

/** LiveKit's name of a source. */
export function sourceName(source: number): string {
  return SOURCES[source] ?? "unknown";
}

/** One egress's places. */
export class EgressTracks {
  readonly #selector: TrackSelector;
  readonly #tracks: RecordedTrack[] = [];
  readonly #clocks = new Map<string, PublisherClock>();
  /** Somebody's track was not recorded because nobody but its receivers can read it. */
  sawEncrypted = false;
  /** Somebody has more tracks than one file takes. */
  #sawTooMany = false;
  /** Codecs of tracks that were not recorded because of them. */
  readonly leftOut = new Set<string>();

  constructor(selector: TrackSelector) {
    this.#selector = selector;
  }

  /** What was left out, for people; empty if nothing. */
  get notes(): string {
    return [
      ...(this.sawEncrypted ? ["end-to-end encrypted tracks are left out"] : []),
      ...(this.#sawTooMany ? [`more than ${MOST_TRACKS} tracks are left out`] : []),
      ...[...this.leftOut].map((mime) => `tracks in ${mime} are left out`),
    ].join("; ");
  }

  get all(): readonly RecordedTrack[] {
    return this.#tracks;
  }

  /** The place of a track that is there; `undefined` if it is not to be recorded. */
  there(publisher: Member, track: PublishedTrack): RecordedTrack | undefined {
    const { sid, info, kind } = track;
    const known = this.#tracks.find(({ currentSid }) => currentSid === sid);
    if (known === undefined && info.encryption !== Encryption_Type.NONE) {
      this.sawEncrypted ||= this.#wants(publisher.identity, track);
      return undefined;
    }
    if (known !== undefined) {
      known.goneAt = Infinity;
      return known;
    }
    const source = sourceName(info.source);
    const { identity } = publisher;
    const former = this.#tracks.find((place) =>
      place.goneAt !== Infinity && place.identity === identity && place.kind === kind &&
      place.source === source
    );
    if (former !== undefined) {
      former.currentSid = sid;
      former.goneAt = Infinity;
      return former;
    }
    if (!this.#wants(identity, track)) return undefined;
    if (this.#selector.type !== "room" && this.#tracks.length >= MOST_TRACKS) {
      this.#sawTooMany = true;
      return undefined;
    }
    const clock = this.#clocks.get(identity) ?? new PublisherClock();
    this.#clocks.set(identity, clock);
    const place = { identity, kind, source, sid, clock, currentSid: sid, goneAt: Infinity };
    this.#tracks.push(place);
    return place;
  }

  /** A track is there no more. */
  gone(trackSid: string, now: number): void {
    const place = this.#tracks.find(({ currentSid }) => currentSid === trackSid);
    if (place !== undefined && place.goneAt === Infinity) place.goneAt = now;
  }

  /** Gives a place up: whoever comes back gets another one. */
  forget(place: RecordedTrack): void {
    const at = this.#tracks.indexOf(place);
    if (at >= 0) this.#tracks.splice(at, 1);
    const { identity } = place;
    if (!this.#tracks.some((other) => other.identity === identity)) this.#clocks.delete(identity);
  }

  #wants(identity: string, { sid, info, kind }: PublishedTrack): boolean {
    const selector = this.#selector;
    switch (selector.type) {
      case "tracks":
        return selector.sids.includes(sid);
      case "room":
        return kind === "audio" ? selector.audio : selector.video;
      case "participant": {
        const wanted = selector.screenShare
          ? ["screen_share", "screen_share_audio"]
          : ["camera", "microphone"];
        return selector.identity === identity && wanted.includes(sourceName(info.source));
      }
    }
  }
}

/** The best up-track of a track that can be recorded; `undefined` while there is none. */
export function recordableUpTrack(
  track: PublishedTrack,
  regressed: boolean,
): { readonly upTrack: UpTrackId; readonly mime: string } | undefined {
  for (const { upTrack, mime } of codecOptions(track, regressed)) {
    if (upTrack !== undefined && recordedCodec(mime) !== undefined) return { upTrack, mime };
  }
  return undefined;
}

/** Whether a track will never be recordable: nothing that it is announced in can be. */
export function isUnrecordable({ info }: PublishedTrack): boolean {
  if (info.type === TrackType.AUDIO) {
    return info.mimeType !== "" && recordedCodec(info.mimeType) === undefined;
  }
  return info.codecs.length > 0 &&
    info.codecs.every(({ mimeType }) => mimeType !== "" && recordedCodec(mimeType) === undefined);
}
