/**
 * Which sections of a client's only offer carry which down-tracks, for a client that is answered
 * once and never asked for anything (WHIP).
 *
 * Contract: a section in which the client receives gets the first waiting track of its kind that it
 * can decode, in the order the tracks were added; a track without a section is rejected with the
 * round. Unlike other clients, one that names a section `sendrecv` means both: it has no other.
 *
 * @module
 */
import type { DownTrackId } from "../base/ids.ts";
import type { CodecParameters } from "../base/media_vocabulary.ts";
import type { RemoteSection } from "../wire/session_description.ts";
import { type CodecPolicy, sendableCodecs } from "./codec_catalog.ts";
import type { OfferedSending, PlacedTrack } from "./publisher_answer.ts";
import type { RejectedTrack, SubscribedTrack } from "./sent_track.ts";

/**
 * The down-tracks of a client's only offer: a section carries one track of its kind at most, and a
 * track that found none is rejected with the round.
 */
export class OneShotSending implements OfferedSending {
  readonly #waiting = new Map<DownTrackId, SubscribedTrack>();
  readonly #unsupported = new Set<DownTrackId>();
  #placed = 0;

  constructor(readonly codecs: CodecPolicy) {}

  /** Sections that carry a track. */
  get size(): number {
    return this.#placed;
  }

  /** Puts a track into the answer, behind those added before. */
  addTrack(track: SubscribedTrack): void {
    this.#waiting.set(track.downTrack, track);
  }

  /** Takes a track out of the answer, if it is not given yet. */
  removeTrack(downTrack: DownTrackId): void {
    this.#waiting.delete(downTrack);
  }

  trackFor(
    { kind }: RemoteSection,
    codecs: readonly CodecParameters[],
  ): PlacedTrack | undefined {
    for (const [downTrack, track] of this.#waiting) {
      if (track.kind !== kind) continue;
      const sendable = sendableCodecs(track.codecs, codecs);
      if (sendable.length === 0) {
        this.#unsupported.add(downTrack);
        continue;
      }
      this.#waiting.delete(downTrack);
      this.#placed++;
      return { track, codecs: sendable };
    }
    return undefined;
  }

  /** The answer is decided, or was long ago: what still waits will never be sent. */
  rejectRest(): readonly RejectedTrack[] {
    const rejected = [...this.#waiting.keys()].map((downTrack): RejectedTrack => ({
      downTrack,
      reason: this.#unsupported.has(downTrack) ? "codec_unsupported" : "section_rejected",
    }));
    this.#waiting.clear();
    return rejected;
  }
}
