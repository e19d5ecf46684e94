/**
 * Sections of a client's only offer that are answered before it is known what they carry, for a
 * viewer that is never asked for anything again (WHEP).
 *
 * Contract: each section in which the client receives keeps its SSRCs, codecs and msid for good,
 * and carries one down-track at a time. What comes first gets the first section that is free.
 *
 * @module
 */
import type { DownTrackId } from "../base/ids.ts";
import {
  type CodecParameters,
  FLEXFEC_MIME,
  type MediaKind,
  type SendSection,
} from "../base/media_vocabulary.ts";
import type { RemoteSection } from "../wire/session_description.ts";
import { type CodecPolicy, sendableCodecs } from "./codec_catalog.ts";
import type { OfferedSending, PlacedTrack, SentSection } from "./publisher_answer.ts";
import { handlingOf, type RejectionReason, type SubscribedTrack } from "./sent_track.ts";

/**
 * Sections held, at most: fewer than a connection remembers numbers of (`sending_side.ts`), so that
 * none ever begins anew under an SSRC that was used.
 */
const MAX_HELD = 16;

interface HeldSection {
  readonly section: SendSection;
  /** What it carries now. */
  carries: DownTrackId | undefined;
}

/** One viewer's sections: what each sends as is fixed with the answer, and of what is not. */
export class HeldSections implements OfferedSending {
  #held: readonly HeldSection[] = [];
  #named = 0;

  /** @param name How the next section of a kind is to appear. */
  constructor(readonly codecs: CodecPolicy, readonly name: (kind: MediaKind) => SubscribedTrack) {}

  get size(): number {
    return this.#held.length;
  }

  trackFor(
    { kind }: RemoteSection,
    codecs: readonly CodecParameters[],
  ): PlacedTrack | undefined {
    if (kind === "application") return undefined;
    // Opus alone, which every track can be had in and which may be asked for again when it is lost.
    const media = codecs.filter(({ mime }) => mime !== "audio/red" && mime !== FLEXFEC_MIME);
    if (media.length === 0 || this.#named >= MAX_HELD) return undefined;
    this.#named++;
    return { track: this.name(kind), codecs: sendableCodecs(media, codecs) };
  }

  /** The answer went out. */
  hold(sent: readonly SentSection[]): void {
    this.#held = sent.map(({ section }) => ({ section, carries: undefined }));
  }

  /** Gives `track` a section. @returns How it is sent, or why it is not. */
  place(track: SubscribedTrack): SendSection | RejectionReason {
    const free = this.#held.filter(({ section, carries }) =>
      section.kind === track.kind && carries === undefined
    );
    const found = free.find(({ section }) =>
      sendableCodecs(track.codecs, section.codecs).length > 0
    );
    if (found === undefined) return free.length === 0 ? "section_rejected" : "codec_unsupported";
    found.carries = track.downTrack;
    return { ...found.section, ...handlingOf(track) };
  }

  /** A down-track is gone: its section waits for the next. */
  release(downTrack: DownTrackId): void {
    for (const held of this.#held) {
      if (held.carries === downTrack) held.carries = undefined;
    }
  }
}
