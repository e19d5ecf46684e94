/**
 * One participant's session in a room: who it is, what it may do, its two peer connections, and how
 * it begins and ends.
 *
 * States only go forward: JOINING (nothing is sent) → JOINED (the join response went out) → ACTIVE
 * (the primary connection was up once) → DISCONNECTED (everything is freed). {@linkcode close} is
 * idempotent, and after it nothing of this participant reaches the room, the client or the media
 * plane.
 *
 * @module
 */
import {
  type DisconnectReason,
  DisconnectReason as Reason,
  type ParticipantInfo,
  ParticipantInfo_State as State,
  type ParticipantPermission,
  ParticipantUpdate,
  type SubscriptionPermission,
} from "@livekit/protocol";
import { type ConnectionId, type ParticipantSid, randomId, type TrackSid } from "../base/ids.ts";
import type { Cancel, Log } from "../base/platform.ts";
import type { ConnectionFailure } from "../engine/engine_messages.ts";
import { ClientTraits } from "./client_traits.ts";
import { describeError, type Farewell, leaveMessage } from "./close_reason.ts";
import type {
  ConnectionHost,
  ConnectionRole,
  SignalMessage,
  SignalSink,
} from "./connection_host.ts";
import { type ParticipantInit, ParticipantProfile } from "./participant_profile.ts";
import { canPublishSource } from "./participant_permission.ts";
import { subscriptionHost } from "./participant_subscriptions.ts";
import { inBatches, type QueuedUpdate, UpdateFilter } from "./participant_updates.ts";
import { publishableCodecs, PublisherConnection } from "./publisher_connection.ts";
import type { RoomContext } from "./room_context.ts";
import { SubscriberConnection } from "./subscriber_connection.ts";
import {
  everyoneMaySubscribe,
  readSubscriptionRule,
  type SubscriptionRule,
} from "./subscription_permission.ts";
import { Subscriptions } from "./subscriptions.ts";
import type { DataPeer } from "./data_router.ts";
import type { PublishedTrack, RegistryEffect } from "./track_effects.ts";
import type { ParticipantHost } from "./participant_host.ts";
import { publisherMessage } from "./track_messages.ts";
import { TrackRegistry } from "./track_registry.ts";

/** A participant whose primary connection never came up is removed after this, ms. */
export const JOIN_TIMEOUT_MS = 60_000;
/** What a client that closed its peer connection has to say goodbye or come back, ms. */
const RESUME_GRACE_MS = 5_000;

/** See the module text. */
export class Participant implements DataPeer, ConnectionHost {
  /** New in each room it is moved to. */
  sid: ParticipantSid;
  readonly traits: ClientTraits;
  readonly profile: ParticipantProfile;
  readonly publisher: PublisherConnection;
  readonly subscriber: SubscriberConnection;
  readonly registry: TrackRegistry;
  readonly subscriptions: Subscriptions;
  readonly subscriberPrimary: boolean;
  readonly log: Log;
  /** Called when what its token says of it has changed, or a client needs a fresh one. */
  onClaimsChanged: () => void = () => {};
  /** A token like the client's own, for the room of that name. */
  tokenFor: (room: string) => Promise<string> = () => Promise.resolve("");
  /** Called once, when the session has ended. */
  onClosed: () => void = () => {};
  /** When its client last sent anything, monotonic ms. */
  lastSignalAt: number;
  #sink: SignalSink | undefined;
  #updates: UpdateFilter;
  readonly #tracks = new Map<TrackSid, PublishedTrack>();
  #rule: SubscriptionRule = everyoneMaySubscribe;
  #cancelJoinTimeout: Cancel | undefined;
  #cancelGrace: Cancel | undefined;
  #primaryUp = false;

  constructor(
    readonly context: RoomContext,
    public host: ParticipantHost<Participant>,
    readonly init: ParticipantInit,
    sink: SignalSink,
    log: Log,
  ) {
    const { platform, options } = context;
    this.sid = randomId<ParticipantSid>(platform.random, "PA_");
    this.log = log.child({ participant: init.identity, sid: this.sid });
    this.traits = new ClientTraits(init.clientInfo);
    this.profile = new ParticipantProfile(this.sid, init, platform.clock.wallMs(), context.region);
    this.subscriberPrimary = this.traits.subscriberPrimary && init.permission.canSubscribe;
    this.#sink = sink;
    this.lastSignalAt = platform.clock.now();
    this.#updates = new UpdateFilter(this.traits.protocol);
    this.registry = new TrackRegistry({
      random: platform.random,
      wallMs: () => platform.clock.wallMs(),
      canPublishSource: (source) => canPublishSource(this.profile.permission, source),
      enabledCodecs: publishableCodecs(options.enabledCodecs).map(({ mime }) => mime),
      deliver: (effect) => this.#guard(() => this.#deliver(effect)),
      log: this.log,
      counters: context.counters,
    });
    this.publisher = new PublisherConnection(context, this, this.registry, this.traits);
    this.subscriber = new SubscriberConnection(context, this, this.traits, {
      primary: this.subscriberPrimary,
      bound: (id, connection, section) => this.subscriptions.bound(id, connection, section),
      rejected: (id) => this.subscriptions.rejected(id),
    });
    this.subscriptions = new Subscriptions(
      subscriptionHost<Participant>(this),
      platform,
      init.adaptiveStream,
      options.subscriptionLimits,
    );
  }

  get identity(): string {
    return this.init.identity;
  }

  get state(): State {
    return this.profile.state;
  }

  /** The join response may be or has been sent, and the session is not over. */
  get ready(): boolean {
    return this.state === State.JOINED || this.state === State.ACTIVE;
  }

  get closed(): boolean {
    return this.state === State.DISCONNECTED;
  }

  get hidden(): boolean {
    return this.profile.permission.hidden;
  }

  get agent(): boolean {
    return this.profile.isAgent;
  }

  get active(): boolean {
    return this.state === State.ACTIVE;
  }

  get canPublishData(): boolean {
    return this.profile.permission.canPublishData;
  }

  get reachable(): boolean {
    return this.#sink !== undefined;
  }

  get receivesData(): boolean {
    return this.ready;
  }

  get dataConnection(): ConnectionId | undefined {
    if (!this.ready) return undefined;
    return this.subscriberPrimary ? this.subscriber.id : this.publisher.id;
  }

  /** Published tracks, in the order they were published. */
  get tracks(): readonly PublishedTrack[] {
    return [...this.#tracks.values()];
  }

  /** Everything a receiver may know; the version goes up if something changed since last time. */
  info(): ParticipantInfo {
    return this.profile.toInfo(this.tracks.map(({ info }) => info));
  }

  /**
   * Sends the join response and makes the first offer.
   *
   * @param existingTracks Tracks the first offer already contains if the client can take that.
   */
  start(join: SignalMessage, others: readonly ParticipantInfo[], existingTracks: string[]): void {
    if (this.state !== State.JOINING) return;
    this.profile.advance(State.JOINED);
    this.#sink?.send(join);
    for (const other of others) this.#updates.remember(other);
    this.#cancelJoinTimeout = this.context.platform.timers.after(
      JOIN_TIMEOUT_MS,
      () => this.#guard(() => this.close(Reason.JOIN_FAILURE, "disconnect")),
    );
    if (!this.subscriberPrimary) return;
    if (this.traits.fastStart) this.subscriptions.desire(existingTracks);
    this.subscriber.negotiate(true);
  }

  /** The client came back on a new socket: everything goes there from now on. */
  resume(sink: SignalSink): void {
    const old = this.#sink;
    this.#sink = sink;
    old?.close();
    this.#cancelGrace?.();
  }

  /** The client's socket is gone; without media there is no session left. */
  signalClosed(sink: SignalSink): void {
    if (sink !== this.#sink) return;
    this.#sink = undefined;
    if (!this.closed && !this.#primaryUp) this.close(Reason.SIGNAL_CLOSE, "none");
  }

  /** Sends one message; dropped before the join response and without a socket. */
  send(message: SignalMessage): void {
    if (this.ready) this.#sink?.send(message);
  }

  /** Sends those of `updates` that are news to this client, in messages of a bounded size. */
  sendUpdates(updates: readonly QueuedUpdate[]): void {
    if (!this.ready || this.#sink === undefined) return;
    const news = updates.filter((update) => this.#updates.accept(update)).map(({ info }) => info);
    this.sendInfos(news);
  }

  /** Sends infos whatever was sent before. */
  sendInfos(infos: readonly ParticipantInfo[]): void {
    for (const participants of inBatches(infos, this.context.options.updateBatchTargetSize)) {
      this.send({ case: "update", value: new ParticipantUpdate({ participants }) });
    }
  }

  /** The session goes on in another room, whose `host` has still to take it in. */
  moveTo(host: ParticipantHost<Participant>): void {
    this.subscriptions.reset();
    const { platform } = this.context;
    this.sid = randomId<ParticipantSid>(platform.random, "PA_");
    this.profile.moved(this.sid, platform.clock.wallMs());
    this.#updates = new UpdateFilter(this.traits.protocol);
    this.host = host;
  }

  /** `sid` may be told of again as if for the first time. */
  forget(sid: string): void {
    this.#updates.forget(sid);
  }

  /** Whether `subscriber` may have `trackSid` of this publisher. */
  allowsSubscription(trackSid: string, subscriber: Participant): boolean {
    return this.#rule.allows({
      identity: subscriber.identity,
      sid: subscriber.sid,
      exempt: subscriber.profile.isRecorder,
    }, trackSid);
  }

  /** Changes names or attributes and tells everybody; see {@linkcode ParticipantProfile.update}. */
  updateProfile(change: Parameters<ParticipantProfile["update"]>[0]): void {
    if (!this.profile.update(change)) return;
    this.host.participantChanged(this, true);
    this.onClaimsChanged();
  }

  /** Replaces what this participant may do; what it no longer may ends at once. */
  async setPermission(permission: ParticipantPermission): Promise<void> {
    const { hidden } = this;
    if (!this.profile.setPermission(permission)) return;
    this.host.participantChanged(this, true);
    if (hidden !== this.hidden) this.host.visibilityChanged(this);
    this.onClaimsChanged();
    await this.registry.unpublishWhere(({ source }) => !canPublishSource(permission, source));
    if (!this.closed) this.host.permissionChanged(this);
  }

  /** The client's `SubscriptionPermission`; a malformed one changes nothing. */
  setSubscriptionPermission(message: SubscriptionPermission): void {
    const rule = readSubscriptionRule(message);
    if (rule === undefined) return this.context.counters.count("subscription_permission_invalid");
    this.#rule = rule;
    this.host.subscriptionRuleChanged(this);
  }

  /** Ends the session. */
  close(reason: DisconnectReason, farewell: Farewell): void {
    if (this.closed) return;
    if (farewell !== "none") {
      // Also a session that never got its join response is told why it ends.
      this.#sink?.send({ case: "leave", value: leaveMessage(this.traits, reason, farewell) });
    }
    this.profile.disconnect(reason);
    this.log.info("participant closed", { reason: Reason[reason] });
    this.#cancelJoinTimeout?.();
    this.#cancelGrace?.();
    this.#sink?.close();
    this.#sink = undefined;
    this.subscriptions.close();
    this.publisher.close();
    this.subscriber.close();
    this.host.participantClosed(this);
    this.#tracks.clear();
    this.onClosed();
    this.registry.close().catch((error) =>
      this.log.error("registry", { error: describeError(error) })
    );
  }

  // ConnectionHost

  negotiationFailed(role: ConnectionRole, detail: string): void {
    this.log.warn("negotiation failed", { role, detail });
    this.close(Reason.STATE_MISMATCH, "reconnect");
  }

  connectionUp(role: ConnectionRole): void {
    if (this.closed || (role === "subscriber") !== this.subscriberPrimary) return;
    this.#primaryUp = true;
    if (this.state !== State.JOINED) return;
    this.#cancelJoinTimeout?.();
    this.profile.advance(State.ACTIVE);
    this.host.participantActive(this);
  }

  connectionDown(role: ConnectionRole, reason: ConnectionFailure): void {
    if (this.closed) return;
    this.log.info("connection ended", { role, reason });
    if (!this.#primaryUp && reason === "ice_timeout") {
      return this.close(Reason.JOIN_FAILURE, "disconnect");
    }
    // The transport is gone for good, so a resume could not bring its media back: the client joins
    // anew. One that closed its side itself is given a moment to say why.
    const end = () => this.close(Reason.CONNECTION_TIMEOUT, "reconnect");
    if (reason !== "closed_by_peer" || this.#sink === undefined) return end();
    this.#cancelGrace?.();
    this.#cancelGrace = this.context.platform.timers.after(
      RESUME_GRACE_MS,
      () => this.#guard(end),
    );
  }

  dataChannelOpen(role: ConnectionRole, label: string): void {
    if (label !== "_reliable" || (role === "subscriber") !== this.subscriberPrimary) return;
    this.host.dataChannelOpen(this);
  }

  dataReceived(label: string, bytes: Uint8Array): void {
    if (this.ready) this.host.dataReceived(this, label, bytes);
  }

  bug(error: unknown): void {
    this.log.error("participant hit a bug", { error: describeError(error) });
    this.context.counters.count("participant_bug");
    try {
      this.close(Reason.STATE_MISMATCH, "reconnect");
    } catch (second) {
      this.log.error("participant could not be closed cleanly", { error: describeError(second) });
    }
  }

  #deliver(effect: RegistryEffect): void {
    switch (effect.type) {
      case "published":
      case "updated":
      case "unpublished":
        return this.#trackChanged(effect.type, effect.track);
      default: {
        const message = publisherMessage(effect, this.traits);
        if (message !== undefined) this.send(message);
      }
    }
  }

  #trackChanged(change: "published" | "updated" | "unpublished", track: PublishedTrack): void {
    if (this.closed) return;
    this.profile.touch();
    if (change === "unpublished") {
      this.#tracks.delete(track.sid);
      return this.host.trackUnpublished(this, track);
    }
    const before = this.#tracks.get(track.sid);
    this.#tracks.set(track.sid, track);
    const { muted } = track.info;
    for (const { upTrack } of track.upTracks) {
      const known = before?.upTracks.some((other) => other.upTrack === upTrack) ?? false;
      const told = known && before?.info.muted === muted || !known && !muted;
      if (!told) this.context.router.send({ type: "set_up_track_muted", upTrack, muted });
    }
    if (change === "updated") return this.host.trackUpdated(this, track);
    this.profile.becomePublisher();
    this.host.trackPublished(this, track);
  }

  #guard(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.bug(error);
    }
  }
}
