/**
 * Which up-track each sending section of a publisher's offers stands for.
 *
 * Pure state. A section keeps its up-track as long as it names the same track; another track on the
 * same mid is a new up-track, and a section that stops sending ends the one it had. Nothing else
 * ends a track: the protocol has no request for it.
 *
 * @module
 */
import type { UpTrackId } from "../../base/ids.ts";
import type { RemoteDescription } from "../../wire/session_description.ts";
import type { SectionQuery } from "../registry/registry_messages.ts";

interface Carried {
  readonly sdpCid: string;
  readonly upTrack: UpTrackId;
}

/** What one offer changed. */
export interface SectionChanges {
  /** Up-tracks that ended, to be closed before anything new is matched. */
  readonly ended: readonly UpTrackId[];
  /** All sections that send now, old and new, in the order of the offer. */
  readonly sending: readonly SectionQuery[];
}

/** The sections of one publisher connection. */
export class PublisherSections {
  readonly #carried = new Map<string, Carried>();

  constructor(readonly newUpTrack: () => UpTrackId) {}

  /** Takes over an offer. */
  apply(offer: RemoteDescription): SectionChanges {
    const ended: UpTrackId[] = [];
    const sending: SectionQuery[] = [];
    const present = new Set<string>();
    for (const section of offer.sections) {
      const { mid, kind } = section;
      const sends = !section.rejected &&
        (section.direction === "sendrecv" || section.direction === "sendonly");
      if (kind === "application" || !sends) continue;
      present.add(mid);
      const sdpCid = section.msid?.track ?? "";
      let carried = this.#carried.get(mid);
      if (carried === undefined || carried.sdpCid !== sdpCid) {
        if (carried !== undefined) ended.push(carried.upTrack);
        carried = { sdpCid, upTrack: this.newUpTrack() };
        this.#carried.set(mid, carried);
      }
      const { rids, codecs } = section;
      sending.push({ mid, kind, sdpCid, upTrack: carried.upTrack, rids, codecs });
    }
    for (const [mid, carried] of this.#carried) {
      if (present.has(mid)) continue;
      this.#carried.delete(mid);
      ended.push(carried.upTrack);
    }
    return { ended, sending };
  }
}
