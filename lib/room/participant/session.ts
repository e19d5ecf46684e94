/**
 * One participant's session in a room: who it is, what it may do, its two peer connections, and how
 * it begins and ends.
 *
 * States only go forward: JOINING (nothing is sent) → JOINED (the join response went out) → ACTIVE
 * (the primary connection was up once) → DISCONNECTED (everything is freed).
 *
 * @module
 */
import {
  type DisconnectReason,
  DisconnectReason as Reason,
  type ParticipantInfo,
  ParticipantInfo_State as State,
  ReconnectReason,
} from "@livekit/protocol";
import { attemptAll } from "../../base/attempt_all.ts";
import type { ConnectionId } from "../../base/ids.ts";
import type { Log } from "../../base/platform.ts";
import type { DataEvent } from "../../engine/messages/data_messages.ts";
import type { ConnectionFailure } from "../../engine/messages/media_messages.ts";
import type { ConnectionHost } from "../connection/connection_host.ts";
import { clientSummary, type MediaPath } from "../context/client_summary.ts";
import { type Farewell, leaveMessage } from "../context/close_reason.ts";
import type { ParticipantInit } from "../context/participant_profile.ts";
import type { RoomContext } from "../context/room_context.ts";
import type { ConnectionRole, SignalMessage, SignalSink } from "../context/signal_message.ts";
import type { DataPeer } from "../data/data_membership.ts";
import { ClientRequests } from "./client_requests.ts";
import { IceSteering, roleOf } from "./ice_steering.ts";
import { type QueuedUpdate, UpdateFilter, updateMessages } from "./participant_updates.ts";
import { Presence } from "./presence.ts";
import type { RoomPort } from "./room_port.ts";
import { type SessionParts, sessionParts } from "./session_parts.ts";
import { SignalLink } from "./signal_link.ts";

/** Nothing of it reaches room, client or media plane after `close`, which is idempotent. */
export class Session extends ClientRequests implements DataPeer, ConnectionHost {
  readonly publisher: SessionParts["publisher"];
  readonly subscriber: SessionParts["subscriber"];
  readonly subscriptions: SessionParts["subscriptions"];
  readonly subscriberPrimary: boolean;
  /** A token like the client's own, for the room of that name. */
  tokenFor: (room: string) => Promise<string> = () => Promise.resolve("");
  /** Called once, when the session has ended. */
  onClosed: () => void = () => {};
  readonly link: SignalLink;
  readonly steering: IceSteering;
  #updates: UpdateFilter;
  #path: MediaPath | undefined;
  readonly #presence: Presence;

  constructor(
    context: RoomContext,
    public host: RoomPort<Session>,
    init: ParticipantInit,
    sink: SignalSink,
    log: Log,
  ) {
    super(context, init, log);
    const { platform } = this.context;
    this.subscriberPrimary = this.traits.subscriberPrimary && init.permission.canSubscribe &&
      !this.singlePeerConnection;
    this.link = new SignalLink(sink, platform.clock, !this.oneShot);
    this.steering = new IceSteering(this);
    this.#presence = new Presence(platform.timers, this);
    this.#updates = new UpdateFilter(this.traits.protocol);
    const { publisher, subscriber, subscriptions } = sessionParts<Session>(this);
    this.publisher = publisher;
    this.subscriber = subscriber;
    this.subscriptions = subscriptions;
  }

  get singlePeerConnection(): boolean {
    return this.init.singlePeerConnection ?? false;
  }

  /** Its client was answered once and has no socket (WHIP, WHEP). */
  get oneShot(): boolean {
    return this.init.oneShot ?? false;
  }

  /** Its client is a viewer whose sections carry one track after the other (WHEP). */
  get holdsSections(): boolean {
    return this.init.holdsSections ?? false;
  }

  /** It has no peer: its packets are made here, of what an encoder sends. */
  get isSource(): boolean {
    return this.init.isSource ?? false;
  }

  /** It understands bare messages only, on a data channel of its own. */
  get rawData(): boolean {
    return this.oneShot;
  }

  /** The join response may be or has been sent, and the session is not over. */
  get ready(): boolean {
    return this.state === State.JOINED || this.state === State.ACTIVE;
  }

  get reachable(): boolean {
    return this.link.answers;
  }

  /** How its media reached us at first; absent before it did. */
  get path(): MediaPath | undefined {
    return this.#path;
  }

  /** Whether a client that lost its socket may go on with this session. */
  get resumable(): boolean {
    return this.ready && !this.#presence.transportGone;
  }

  /**
   * Whether resuming would bring back a client that comes for this reason. One that has lost DTLS
   * has to join anew, and would wait for 15 s until it does so by itself; where we have lost it,
   * too, it was ICE that failed.
   */
  canReturn(reason: ReconnectReason): boolean {
    const failed = roleOf(reason);
    const isDead = failed !== undefined && this.traits.losesDtls && this.#presence.isUp(failed);
    return this.resumable && !isDead;
  }

  /** The client comes for this reason, and is told to join anew. */
  joinsAnew(reason: ReconnectReason): void {
    this.log.info("has to join anew", { reason: ReconnectReason[reason] });
    if (this.resumable) this.steering.joinsAnew(reason);
  }

  get dataConnection(): ConnectionId | undefined {
    if (!this.ready) return undefined;
    return this.subscriberPrimary ? this.subscriber.id : this.publisher.id;
  }

  /**
   * Sends the join response and makes the first offer.
   *
   * @param join Absent if the client gets none.
   * @param existingTracks Tracks the first offer already contains if the client can take that.
   */
  start(
    join: SignalMessage | undefined,
    others: readonly ParticipantInfo[],
    existingTracks: string[],
  ): void {
    if (this.state !== State.JOINING) return;
    this.profile.advance(State.JOINED);
    if (join !== undefined) this.link.send(join);
    for (const other of others) this.#updates.remember(other);
    this.#presence.joined();
    if (!this.subscriberPrimary && !this.singlePeerConnection) return;
    if (this.traits.fastStart || this.singlePeerConnection) {
      this.subscriptions.desire(existingTracks);
    }
    if (this.subscriberPrimary) this.subscriber.negotiate(true);
  }

  /**
   * The client came back on a new socket: everything goes there from now on, beginning with what
   * `greet` sends and what it may have missed. Its connections stay, under new ICE credentials.
   */
  resume(sink: SignalSink, greet: () => void): void {
    if (!this.link.attach(sink)) return;
    this.#presence.resumed();
    greet();
    this.subscriber.restart();
    this.host.participantResumed(this);
    this.link.replay();
  }

  /** The client's socket is gone; without media there is no session left. */
  signalClosed(sink: SignalSink): void {
    this.#presence.signalClosed(sink);
  }

  /** Sends one message; dropped before the join response and without a socket. */
  send(message: SignalMessage): void {
    if (this.ready) this.link.send(message);
  }

  /** Sends those of `updates` that are news to this client, in messages of a bounded size. */
  sendUpdates(updates: readonly QueuedUpdate[]): void {
    if (!this.ready || !this.link.attached) return;
    const news = updates.filter((update) => this.#updates.accept(update)).map(({ info }) => info);
    this.sendInfos(news);
  }

  /** Sends infos whatever was sent before. */
  sendInfos(infos: readonly ParticipantInfo[]): void {
    for (const info of infos) this.#updates.remember(info);
    const { updateBatchTargetSize } = this.context.options;
    for (const message of updateMessages(infos, updateBatchTargetSize)) this.send(message);
  }

  /** The session goes on in another room, whose `host` has still to take it in. */
  moveTo(host: RoomPort<Session>, claim?: Session["claim"]): void {
    this.subscriptions.reset();
    this.renamed(claim);
    this.#updates = new UpdateFilter(this.traits.protocol);
    this.host = host;
  }

  /** What this client has been told of others. */
  get told(): Pick<UpdateFilter, "knows" | "forget"> {
    return this.#updates;
  }

  /** Ends the session. A bug in one part of it leaves nothing of the others behind. */
  close(reason: DisconnectReason, farewell: Farewell): void {
    if (this.closed) return;
    // Also a session that never got its join response is told why it ends.
    const leave = farewell !== "none" &&
      leaveMessage(this.traits, reason, farewell, this.context.regions?.());
    attemptAll([
      () => this.profile.disconnect(reason),
      () => leave && this.link.send({ case: "leave", value: leave }),
      () => this.log.info("participant closed", { reason: Reason[reason] }),
      () => this.#presence.stop(),
      () => this.published.stop(reason),
      () => this.link.close(),
      () => this.data.membership.end(),
      () => this.subscriptions.close(),
      () => this.publisher.close(),
      () => this.subscriber.close(),
      () => this.host.participantClosed(this),
      () => this.published.clear(),
      () => this.onClosed(),
    ], (error) => this.noteBug(error));
    this.registry.close().catch((error) => this.noteBug(error));
  }

  // ConnectionHost

  connectionUnusable(role: ConnectionRole, detail: string): void {
    this.log.warn("connection unusable", { role, detail });
    this.close(Reason.STATE_MISMATCH, "reconnect");
  }

  connectionUp(
    role: ConnectionRole,
    protocol: "udp" | "tcp",
    remote?: { readonly hostname: string; readonly port: number },
  ): void {
    if (this.closed) return;
    this.steering.up(role, protocol);
    if (role === "publisher") this.published.connected();
    if (!this.#presence.connectionUp(role) || this.state !== State.JOINED) return;
    const path = this.#path = this.relayed.pathOf(protocol, remote);
    this.log.info("participant connected", { ...clientSummary(this.traits.info), path });
    this.profile.advance(State.ACTIVE);
    this.host.participantActive(this);
  }

  connectionLost(role: ConnectionRole): void {
    if (this.closed) return;
    this.steering.failed(role);
    this.#presence.connectionLost(role);
  }

  connectionDown(role: ConnectionRole, reason: ConnectionFailure): void {
    if (!this.closed) this.#presence.connectionDown(role, reason);
  }

  dataEvent(event: DataEvent): void {
    if (this.ready) this.host.dataEvent(this, event);
  }
}
