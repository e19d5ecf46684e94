/**
 * The receiving half of a client that has one peer connection only: down-tracks ride on its own
 * offers, and it is asked for an offer, or for more sections in it, when something waits.
 *
 * Contract: changes close together share one request; nothing is asked for that an offer on its way
 * will bring; the tracks of an answer are accepted right after it was sent. The connection itself
 * is the publisher's.
 *
 * @module
 */
import { MediaSectionsRequirement, type SessionDescription } from "@livekit/protocol";
import type { ConnectionId, DownTrackId } from "../../base/ids.ts";
import type { Cancel } from "../../base/platform.ts";
import type { OfferedSending, SentSection } from "../../negotiation/publisher_answer.ts";
import { SingleConnectionSections } from "../../negotiation/single_connection.ts";
import type { RemoteDescription } from "../../wire/session_description.ts";
import type { ClientTraits } from "../context/client_traits.ts";
import type { ConnectionHost } from "./connection_host.ts";
import type { AcceptanceListener, OfferCompanion, SubscribingSide } from "./connection_sides.ts";
import { receivePolicy } from "./room_codecs.ts";
import type { RoomContext } from "../context/room_context.ts";
import { DownTrackNames } from "./down_track_names.ts";
import type { DownTrackRequest } from "../subscription/subscriptions.ts";

/**
 * How long a client may take for its first offer before it is asked, ms. It makes one by itself,
 * with room for a few tracks; asked before, it would add as much again.
 */
const FIRST_OFFER_MS = 1_000;
/** Wait before a request when the last round is long past, ms: collects changes made together. */
const FAST_DELAY_MS = 10;
/** The same soon after a round. */
const SLOW_DELAY_MS = 150;

/**
 * The receiving half of a client with one connection. Tracks ride on the client's offers, nothing
 * is asked for twice, and acceptance is told after the answer went out.
 */
export class SingleConnection implements SubscribingSide, OfferCompanion {
  readonly final = false;
  readonly #sections: SingleConnectionSections;
  readonly #tracks: DownTrackNames;
  /** Absent before the client's first offer. */
  #lastRoundAt: number | undefined;
  #cancelTimer: Cancel | undefined;
  #closed = false;

  constructor(
    readonly id: ConnectionId,
    readonly context: RoomContext,
    readonly host: ConnectionHost,
    readonly listener: AcceptanceListener,
    traits: ClientTraits,
  ) {
    this.#tracks = new DownTrackNames(context, traits);
    this.#sections = new SingleConnectionSections({
      codecs: receivePolicy(context, traits),
      reuseTransceivers: this.#tracks.reuseTransceivers,
      setsDelay: this.#tracks.setsDelay,
    });
  }

  get sectionCount(): number {
    return this.#sections.size;
  }

  addTrack(request: DownTrackRequest): void {
    this.#sections.addTrack(this.#tracks.describe(request));
    this.negotiate(false);
  }

  removeTrack(downTrack: DownTrackId): void {
    this.#sections.removeTrack(downTrack);
    this.negotiate(false);
  }

  negotiate(now: boolean): void {
    if (this.#closed || !this.#sections.needsOffer) return;
    if (now) return this.#ask();
    if (this.#cancelTimer !== undefined) return;
    this.#cancelTimer = this.context.platform.timers.after(this.#delayMs(), () => this.#ask());
  }

  /** There is no offer of ours to answer. */
  answer(_description: SessionDescription): void {
    this.context.counters.count("single_connection_answer");
  }

  /** Restarting ICE is the client's to do, in an offer. */
  restart(): void {
    this.#sections.clientReturned();
    this.negotiate(false);
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
  }

  begin(offer: RemoteDescription): OfferedSending {
    this.#lastRoundAt = this.context.platform.clock.now();
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#sections.begin(offer);
    return this.#sections;
  }

  answered(connection: ConnectionId, sent: readonly SentSection[]): void {
    const { accepted, rejected } = this.#sections.finish(sent);
    for (const { downTrack, section } of accepted) {
      this.listener.accepted(downTrack, connection, section);
    }
    for (const { downTrack, reason } of rejected) this.listener.rejected(downTrack, reason);
    this.negotiate(true);
  }

  #delayMs(): number {
    if (this.#lastRoundAt === undefined) return FIRST_OFFER_MS;
    const recent = this.context.platform.clock.now() - this.#lastRoundAt <= SLOW_DELAY_MS;
    return recent ? SLOW_DELAY_MS : FAST_DELAY_MS;
  }

  #ask(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    // A client without a socket is asked again when it comes back.
    if (this.#closed || !this.#sections.needsOffer) return;
    const value = new MediaSectionsRequirement(this.#sections.requirement());
    this.host.send({ case: "mediaSectionsRequirement", value });
  }
}
