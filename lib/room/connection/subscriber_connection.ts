/**
 * The peer connection on which a client receives: we offer, it answers.
 *
 * Contract: at most one offer is outstanding; changes close together share an offer; an offer that
 * a reachable client with a working connection does not answer in time, or answers with what cannot
 * be read, makes it join anew. Without a connection, other clocks run (join timeout, departure).
 * SSRCs are never used twice on one connection.
 *
 * @module
 */
import type { SessionDescription } from "@livekit/protocol";
import type { ConnectionId, DownTrackId } from "../../base/ids.ts";
import { WakeTimer } from "../../base/wake_timer.ts";
import { OfferCycle } from "../../negotiation/offer_cycle.ts";
import { SubscriberSections } from "../../negotiation/subscriber_offer.ts";
import { SectionMemo } from "../../wire/sdp_tree.ts";
import { parseDescription } from "../../wire/session_description.ts";
import type { ClientTraits } from "../context/client_traits.ts";
import { ConnectionControl } from "./connection_control.ts";
import type { ConnectionHost } from "./connection_host.ts";
import type { AcceptanceListener, SubscribingSide } from "./connection_sides.ts";
import type { ConnectionEvent, ConnectionOwner } from "../context/engine_router.ts";
import { receivePolicy } from "./room_codecs.ts";
import type { RoomContext } from "../context/room_context.ts";
import { DownTrackNames } from "./down_track_names.ts";
import type { DownTrackRequest } from "../subscription/subscriptions.ts";

export interface SubscriberConnectionOptions extends AcceptanceListener {
  /** It carries the data channels, which we create. */
  readonly primary: boolean;
}

/**
 * One client's receiving half with two connections. At most one offer is outstanding, and no SSRC
 * is used twice.
 */
export class SubscriberConnection implements ConnectionOwner, SubscribingSide {
  readonly #control: ConnectionControl;
  readonly #sections: SubscriberSections;
  readonly #cycle: OfferCycle;
  readonly #memo = new SectionMemo();
  readonly #tracks: DownTrackNames;
  readonly #timer: WakeTimer;
  /** ICE and DTLS are up and not interrupted. */
  #up = false;

  constructor(
    readonly context: RoomContext,
    readonly host: ConnectionHost,
    readonly traits: ClientTraits,
    readonly options: SubscriberConnectionOptions,
  ) {
    this.#control = new ConnectionControl(context, host, "subscriber");
    this.#timer = new WakeTimer(context.platform, () => this.#pump());
    this.#tracks = new DownTrackNames(context, traits);
    this.#sections = new SubscriberSections({
      createsDataChannels: options.primary,
      reuseTransceivers: this.#tracks.reuseTransceivers,
      codecs: receivePolicy(context, traits),
    });
    this.#cycle = new OfferCycle(1 + context.platform.random.uint32() % 256);
  }

  get id(): ConnectionId {
    return this.#control.id;
  }

  /** Sections of the description, the data channels' included. */
  get sectionCount(): number {
    return this.#sections.size;
  }

  /** Puts a down-track into the next offer. */
  addTrack(request: DownTrackRequest): void {
    this.#sections.addTrack(this.#tracks.describe(request));
    this.negotiate(false);
  }

  /** Takes a down-track out of the next offer; its section is kept for another. */
  removeTrack(downTrack: DownTrackId): void {
    this.#sections.removeTrack(downTrack);
    if (this.#sections.needsOffer) this.negotiate(false);
  }

  /** Asks for an offer: soon, or `now` at once if none is outstanding. */
  negotiate(now: boolean): void {
    if (this.#control.closed) return;
    this.#cycle.request(this.#now(), now);
    this.#pump();
  }

  /**
   * Restarts ICE with new credentials after the client came back on another socket. An offer that
   * it may never have seen is given up. Before the first offer there is nothing to restart.
   */
  restart(): void {
    if (this.#control.closed || !this.#control.opened) return;
    this.#control.restartIce();
    this.#cycle.restart(this.#now());
    this.#pump();
  }

  /** Handles one `answer` of the client. */
  answer(description: SessionDescription): void {
    if (this.#control.closed) return;
    const parsed = parseDescription(description.sdp, this.#memo);
    if (description.type !== "answer" || !parsed.ok) {
      const detail = parsed.ok ? "answer expected" : parsed.message;
      return this.#refuse(detail);
    }
    const verdict = this.#cycle.answered(this.#now(), description.id);
    if (verdict === "stale" || verdict === "unexpected") {
      this.context.counters.count(`subscriber_answer_${verdict}`);
      return;
    }
    const contradiction = this.#control.settleDtlsRole("answer", parsed.value);
    if (contradiction !== undefined) return this.#refuse(contradiction);
    const { accepted, rejected, sctp } = this.#sections.applyAnswer(parsed.value);
    this.#control.setRemote(parsed.value, sctp);
    for (const { downTrack, section } of accepted) {
      this.options.accepted(downTrack, this.id, section);
    }
    for (const { downTrack, reason } of rejected) this.options.rejected(downTrack, reason);
    if (this.#sections.needsOffer && this.#cycle.state === "none") this.negotiate(false);
    else this.#pump();
  }

  /** Ends the connection; later events and answers are ignored. */
  close(): void {
    this.#timer.stop();
    this.#control.close();
  }

  handleEngineEvent(event: ConnectionEvent): void {
    if (event.type === "connection_connected") this.#up = true;
    if (event.type === "connection_interrupted" || event.type === "connection_lost") {
      this.#up = false;
    }
    this.#control.handleEngineEvent(event);
  }

  handleBug(error: unknown): void {
    this.host.bug(error);
  }

  #refuse(detail: string): void {
    this.context.telemetry.descriptionRefused("answer");
    this.host.connectionUnusable("subscriber", detail);
  }

  /** Does what the cycle says is due and sleeps until it will say something again. */
  #pump(): void {
    if (this.#control.closed) return;
    const due = this.#cycle.due(this.#now());
    if (due === "offer") this.#sendOffer();
    if (due === "failed") {
      if (this.#up && this.host.reachable) {
        return this.host.connectionUnusable("subscriber", "no answer in time");
      }
      // A client that is cut off cannot answer; if it resumes, that restarts the cycle.
      this.#cycle.waitLonger(this.#now());
    }
    this.#timer.set(this.#cycle.nextWakeAt());
  }

  #sendOffer(): void {
    this.#control.open(this, this.options.primary ? "create" : "accept");
    const id = this.#cycle.offerSent(this.#now());
    const offer = this.#sections.offer(this.#control.localParameters());
    this.#control.describe("offer", id, offer, "0");
  }

  #now(): number {
    return this.context.platform.clock.now();
  }
}
