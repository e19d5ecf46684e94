/**
 * The receiving half of a viewer that is answered once (WHEP): its sections are answered before
 * anybody may have published, and carry one track after the other.
 *
 * Contract: there is one round, and no other is ever asked for. A track begins in a section that is
 * free, or is rejected. The connection itself is the publisher's.
 *
 * @module
 */
import type { SessionDescription } from "@livekit/protocol";
import type { ConnectionId, DownTrackId } from "../../base/ids.ts";
import type { MediaKind } from "../../base/media_vocabulary.ts";
import type { Cancel } from "../../base/platform.ts";
import { HeldSections } from "../../negotiation/held_sections.ts";
import type { OfferedSending, SentSection } from "../../negotiation/publisher_answer.ts";
import type { RejectionReason } from "../../negotiation/sent_track.ts";
import type { ClientTraits } from "../context/client_traits.ts";
import type { RoomContext } from "../context/room_context.ts";
import type { DownTrackRequest } from "../subscription/subscriptions.ts";
import type { ConnectionHost } from "./connection_host.ts";
import type { AcceptanceListener, OfferCompanion, SubscribingSide } from "./connection_sides.ts";
import { DownTrackNames } from "./down_track_names.ts";
import { receivePolicy } from "./room_codecs.ts";

/**
 * The receiving half of a viewer with one round. A section goes from track to track; the client is
 * told of none of it but by what it receives.
 */
export class HeldConnection implements SubscribingSide, OfferCompanion {
  readonly final = true;
  readonly #sections: HeldSections;
  readonly #names: DownTrackNames;
  readonly #timers = new Map<DownTrackId, Cancel>();

  constructor(
    readonly id: ConnectionId,
    readonly context: RoomContext,
    readonly host: ConnectionHost,
    readonly listener: AcceptanceListener,
    traits: ClientTraits,
  ) {
    const { router } = context;
    this.#names = new DownTrackNames(context, traits);
    this.#sections = new HeldSections(
      receivePolicy(context, traits),
      (kind: MediaKind) => this.#names.held(router.newDownTrackId(), kind, String(id)),
    );
  }

  get sectionCount(): number {
    return this.#sections.size;
  }

  addTrack(request: DownTrackRequest): void {
    const { downTrack } = request;
    const placed = this.#sections.place(this.#names.describe(request));
    if (typeof placed === "string") return this.#reject(downTrack, placed);
    this.listener.accepted(downTrack, this.id, placed);
  }

  removeTrack(downTrack: DownTrackId): void {
    this.#timers.get(downTrack)?.();
    this.#timers.delete(downTrack);
    this.#sections.release(downTrack);
  }

  /** The client cannot be asked for anything. */
  negotiate(): void {}

  /** There is no offer of ours to answer, and no socket it could come on. */
  answer(_description: SessionDescription): void {}

  /** There is no socket to come back on. */
  restart(): void {}

  close(): void {
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  begin(): OfferedSending {
    return this.#sections;
  }

  answered(_connection: ConnectionId, sent: readonly SentSection[]): void {
    this.#sections.hold(sent);
  }

  /** Not at once: whoever subscribes has not finished yet. */
  #reject(downTrack: DownTrackId, reason: RejectionReason): void {
    const cancel = this.context.platform.timers.after(0, () => {
      this.#timers.delete(downTrack);
      this.listener.rejected(downTrack, reason);
    });
    this.#timers.set(downTrack, cancel);
  }
}
