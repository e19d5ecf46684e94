/**
 * The receiving half of a client that is answered once (WHIP): what it is to receive must be known
 * when its offer is answered.
 *
 * Contract: there is one round. Tracks that come later than it, or found no section in it, are
 * rejected; nothing is asked of the client. The connection itself is the publisher's.
 *
 * @module
 */
import type { SessionDescription } from "@livekit/protocol";
import type { ConnectionId, DownTrackId } from "../../base/ids.ts";
import type { Cancel } from "../../base/platform.ts";
import { OneShotSending } from "../../negotiation/one_shot_sending.ts";
import type { OfferedSending, SentSection } from "../../negotiation/publisher_answer.ts";
import type { ClientTraits } from "../context/client_traits.ts";
import type { ConnectionHost } from "./connection_host.ts";
import type { AcceptanceListener, OfferCompanion, SubscribingSide } from "./connection_sides.ts";
import { receivePolicy } from "./room_codecs.ts";
import type { RoomContext } from "../context/room_context.ts";
import { DownTrackNames } from "./down_track_names.ts";
import type { DownTrackRequest } from "../subscription/subscriptions.ts";

/**
 * The receiving half of a client with one round. Tracks are in its answer or rejected; the client
 * is asked for nothing.
 */
export class OneShotConnection implements SubscribingSide, OfferCompanion {
  readonly final = true;
  readonly #sending: OneShotSending;
  readonly #tracks: DownTrackNames;
  #answered = false;
  #cancelTimer: Cancel | undefined;

  constructor(
    readonly id: ConnectionId,
    readonly context: RoomContext,
    readonly host: ConnectionHost,
    readonly listener: AcceptanceListener,
    traits: ClientTraits,
  ) {
    this.#tracks = new DownTrackNames(context, traits);
    this.#sending = new OneShotSending(receivePolicy(context, traits));
  }

  get sectionCount(): number {
    return this.#sending.size;
  }

  addTrack(request: DownTrackRequest): void {
    this.#sending.addTrack(this.#tracks.describe(request));
    if (!this.#answered || this.#cancelTimer !== undefined) return;
    // Not at once: whoever subscribes has not finished yet.
    this.#cancelTimer = this.context.platform.timers.after(0, () => {
      this.#cancelTimer = undefined;
      this.#rejectRest();
    });
  }

  removeTrack(downTrack: DownTrackId): void {
    this.#sending.removeTrack(downTrack);
  }

  /** The client cannot be asked for anything. */
  negotiate(): void {}

  /** There is no offer of ours to answer, and no socket it could come on. */
  answer(_description: SessionDescription): void {}

  /** There is no socket to come back on. */
  restart(): void {}

  close(): void {
    this.#cancelTimer?.();
  }

  begin(): OfferedSending {
    return this.#sending;
  }

  answered(connection: ConnectionId, sent: readonly SentSection[]): void {
    this.#answered = true;
    for (const { downTrack, section } of sent) {
      this.listener.accepted(downTrack, connection, section);
    }
    this.#rejectRest();
  }

  #rejectRest(): void {
    for (const { downTrack, reason } of this.#sending.rejectRest()) {
      this.listener.rejected(downTrack, reason);
    }
  }
}
