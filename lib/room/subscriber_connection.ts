/**
 * The peer connection on which a client receives: we offer, it answers.
 *
 * Contract: at most one offer is outstanding; changes close together share an offer; an offer that a
 * reachable client with a working connection does not answer in time, or answers with what cannot be
 * read, makes it join anew. Without a connection, other clocks run (join timeout, departure).
 * SSRCs are never used twice on one connection.
 *
 * @module
 */
import { SessionDescription, SignalTarget } from "@livekit/protocol";
import type { ConnectionId, DownTrackId } from "../base/ids.ts";
import type { IceCredentials } from "../base/media_vocabulary.ts";
import type { Cancel } from "../base/platform.ts";
import { codecPolicy } from "../negotiation/codec_catalog.ts";
import type { LocalParameters } from "../negotiation/local_description.ts";
import { OfferCycle } from "../negotiation/offer_cycle.ts";
import { SubscriberSections } from "../negotiation/subscriber_offer.ts";
import { SectionMemo } from "../wire/sdp_tree.ts";
import { parseDescription } from "../wire/session_description.ts";
import type { ClientTraits } from "./client_traits.ts";
import {
  type ConnectionHost,
  newIceCredentials,
  type SignalMessage,
  trickleMessages,
} from "./connection_host.ts";
import type { BindingListener, SubscribingSide } from "./connection_sides.ts";
import { DataChannelWatch } from "./data_channel_watch.ts";
import { channelPolicy } from "./data_options.ts";
import type { ConnectionEvent, ConnectionOwner } from "./engine_router.ts";
import { preferredAddresses } from "./ice_preference.ts";
import { publishableCodecs } from "./publisher_connection.ts";
import type { RoomContext } from "./room_context.ts";
import { SubscribedTracks } from "./subscribed_tracks.ts";
import type { DownTrackRequest } from "./subscriptions.ts";

export interface SubscriberConnectionOptions extends BindingListener {
  /** It carries the data channels, which we create. */
  readonly primary: boolean;
}

/** See the module text. */
export class SubscriberConnection implements ConnectionOwner, SubscribingSide {
  readonly id: ConnectionId;
  readonly #sections: SubscriberSections;
  readonly #cycle: OfferCycle;
  readonly #sessionId: string;
  readonly #memo = new SectionMemo();
  readonly #channels: DataChannelWatch;
  readonly #tracks: SubscribedTracks;
  #local: IceCredentials;
  #version = 0;
  #trickled: string | undefined;
  #cancelTimer: Cancel | undefined;
  #opened = false;
  /** Was up once. */
  #connected = false;
  /** ICE and DTLS are up and not interrupted. */
  #up = false;
  #closed = false;

  constructor(
    readonly context: RoomContext,
    readonly host: ConnectionHost,
    readonly traits: ClientTraits,
    readonly options: SubscriberConnectionOptions,
  ) {
    const { router, platform } = context;
    this.id = router.newConnectionId();
    this.#channels = new DataChannelWatch(context, host, "subscriber");
    this.#local = newIceCredentials(platform.random);
    this.#sessionId = String(platform.random.uint32());
    this.#tracks = new SubscribedTracks(context, traits);
    this.#sections = new SubscriberSections({
      createsDataChannels: options.primary,
      reuseTransceivers: this.#tracks.reuseTransceivers,
      codecs: codecPolicy(
        publishableCodecs(context.options.enabledCodecs),
        [...traits.disabledCodecs, ...traits.disabledReceiveCodecs],
      ),
    });
    this.#cycle = new OfferCycle(1 + platform.random.uint32() % 256);
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
    if (this.#closed) return;
    this.#cycle.request(this.#now(), now);
    this.#pump();
  }

  /**
   * Restarts ICE with new credentials after the client came back on another socket. An offer that it
   * may never have seen is given up. Before the first offer there is nothing to restart.
   */
  restart(): void {
    if (this.#closed || !this.#opened) return;
    this.#local = newIceCredentials(this.context.platform.random);
    this.context.router.send({ type: "restart_ice", connection: this.id, local: this.#local });
    this.#cycle.restart(this.#now());
    this.#pump();
  }

  /** Handles one `answer` of the client. */
  answer(description: SessionDescription): void {
    if (this.#closed) return;
    const parsed = parseDescription(description.sdp, this.#memo);
    if (description.type !== "answer" || !parsed.ok) {
      const detail = parsed.ok ? "answer expected" : parsed.message;
      return this.host.connectionUnusable("subscriber", detail);
    }
    const verdict = this.#cycle.answered(this.#now(), description.id);
    if (verdict === "stale" || verdict === "unexpected") {
      this.context.counters.count(`subscriber_answer_${verdict}`);
      return;
    }
    const { bound, rejected, sctp } = this.#sections.applyAnswer(parsed.value);
    const { ice, fingerprints } = parsed.value;
    if (fingerprints.length > 0) {
      this.context.router.send({
        type: "set_remote",
        connection: this.id,
        remote: ice,
        fingerprints,
        ...(sctp === undefined ? {} : { sctp }),
      });
    }
    for (const { downTrack, section } of bound) this.options.bound(downTrack, this.id, section);
    for (const { downTrack, reason } of rejected) this.options.rejected(downTrack, reason);
    if (this.#sections.needsOffer && this.#cycle.state === "none") this.negotiate(false);
    else this.#pump();
  }

  /** Ends the connection; later events and answers are ignored. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#channels.stop();
    this.#cancelTimer?.();
    if (!this.#opened) return;
    this.context.router.detach(this.id);
    this.context.router.send({ type: "close_connection", connection: this.id });
  }

  handleEngineEvent(event: ConnectionEvent): void {
    switch (event.type) {
      case "connection_connected":
        this.#up = true;
        if (!this.#connected) this.context.figures?.connection("subscriber", "connected");
        this.#connected = true;
        return this.host.connectionUp("subscriber", event.protocol);
      case "connection_lost":
        this.#up = false;
        return this.host.connectionLost("subscriber");
      case "connection_failed":
        this.#channels.stop();
        return this.host.connectionDown("subscriber", event.reason);
      case "data_channel_open":
        return this.host.dataChannelOpen("subscriber", event.label);
      case "data_channels_failed":
        return this.#channels.failed();
      case "data_received":
        return this.host.dataReceived(event.label, event.bytes);
      case "connection_interrupted":
        this.#up = false;
        return;
      case "layer_arrived":
        return;
    }
  }

  handleBug(error: unknown): void {
    this.host.bug(error);
  }

  /** Does what the cycle says is due and sleeps until it will say something again. */
  #pump(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#closed) return;
    const due = this.#cycle.due(this.#now());
    if (due === "offer") this.#sendOffer();
    if (due === "failed") {
      if (this.#up && this.host.reachable) {
        return this.host.connectionUnusable("subscriber", "no answer in time");
      }
      // A client that is cut off cannot answer; if it resumes, that restarts the cycle.
      this.#cycle.waitLonger(this.#now());
    }
    const wakeAt = this.#cycle.nextWakeAt();
    if (wakeAt === undefined) return;
    const delay = Math.max(0, wakeAt - this.#now());
    this.#cancelTimer = this.context.platform.timers.after(delay, () => {
      try {
        this.#pump();
      } catch (error) {
        this.host.bug(error);
      }
    });
  }

  /**
   * The media plane starts to listen with the first offer and not before: it gives up on connections
   * that nobody comes to, and a participant may never subscribe.
   */
  #open(): void {
    if (this.#opened) return;
    this.#opened = true;
    this.context.figures?.connection("subscriber", "started");
    this.context.router.attach(this.id, this);
    this.context.router.send({
      type: "open_connection",
      connection: this.id,
      local: this.#local,
      dataChannels: this.options.primary ? "create" : "accept",
      dataPolicy: channelPolicy(this.context.options.data),
    });
  }

  #sendOffer(): void {
    this.#open();
    const id = this.#cycle.offerSent(this.#now());
    const local = this.#localParameters();
    const { sdp, midToTrackId } = this.#sections.offer(local);
    this.host.send({
      case: "offer",
      value: new SessionDescription({ type: "offer", sdp, id, midToTrackId: { ...midToTrackId } }),
    });
    if (this.#trickled === local.ice.ufrag) return;
    this.#trickled = local.ice.ufrag;
    const trickle: SignalMessage[] = trickleMessages(local, "0", SignalTarget.SUBSCRIBER);
    for (const message of trickle) this.host.send(message);
  }

  #localParameters(): LocalParameters {
    const { fingerprint, addresses: all } = this.context.engine();
    const addresses = preferredAddresses(all, this.host.icePreference);
    const sessionId = this.#sessionId;
    return { ice: this.#local, fingerprint, addresses, sessionId, version: ++this.#version };
  }

  #now(): number {
    return this.context.platform.clock.now();
  }
}
