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
import { attemptAll } from "../base/attempt_all.ts";
import { type ConnectionId, type ParticipantSid, randomId } from "../base/ids.ts";
import type { Log } from "../base/platform.ts";
import { guardedPlatform } from "../base/wake_timer.ts";
import type { ConnectionFailure } from "../engine/media_messages.ts";
import { ClientTraits } from "./client_traits.ts";
import { describeError, type Farewell, leaveMessage } from "./close_reason.ts";
import type {
  ConnectionHost,
  ConnectionRole,
  SignalMessage,
  SignalSink,
} from "./connection_host.ts";
import type { PublishingSide, SubscribingSide } from "./connection_sides.ts";
import type { IcePreference } from "./ice_preference.ts";
import { clientSummary, RelayedAddresses } from "./client_summary.ts";
import { IceSteering } from "./ice_steering.ts";
import { ParticipantData } from "./participant_data.ts";
import { mediaSides } from "./participant_media.ts";
import { type ParticipantInit, ParticipantProfile } from "./participant_profile.ts";
import { canPublishSource } from "./participant_permission.ts";
import { subscriptionHost } from "./participant_subscriptions.ts";
import { ParticipantTracks } from "./participant_tracks.ts";
import { isOwnLabel } from "./data_packets.ts";
import { inBatches, type QueuedUpdate, UpdateFilter } from "./participant_updates.ts";
import { publishableCodecs } from "./publisher_connection.ts";
import { Presence } from "./presence.ts";
import { PublicationWatch } from "./publication_watch.ts";
import type { RoomContext } from "./room_context.ts";
import { SignalLink } from "./signal_link.ts";
import {
  everyoneMaySubscribe,
  readSubscriptionRule,
  type SubscriptionRule,
} from "./subscription_permission.ts";
import { Subscriptions } from "./subscriptions.ts";
import type { DataPeer } from "./data_router.ts";
import type { PublishedTrack } from "./track_effects.ts";
import type { ParticipantHost } from "./participant_host.ts";
import { TrackRegistry } from "./track_registry.ts";

/** See the module text. */
export class Participant implements DataPeer, ConnectionHost {
  /** New in each room it is moved to. */
  sid: ParticipantSid;
  readonly traits: ClientTraits;
  readonly profile: ParticipantProfile;
  readonly data: ParticipantData;
  readonly publisher: PublishingSide;
  readonly subscriber: SubscribingSide;
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
  readonly link: SignalLink;
  readonly steering: IceSteering;
  readonly relayed = new RelayedAddresses();
  /** A throw of its timers is this participant's bug, and nobody else's. */
  readonly context: RoomContext;
  #updates: UpdateFilter;
  readonly #tracks: ParticipantTracks<Participant>;
  #rule: SubscriptionRule = everyoneMaySubscribe;
  readonly #presence: Presence;
  readonly #publications: PublicationWatch;

  constructor(
    context: RoomContext,
    public host: ParticipantHost<Participant>,
    readonly init: ParticipantInit,
    sink: SignalSink,
    log: Log,
  ) {
    const { options } = context;
    const platform = guardedPlatform(context.platform, (error) => this.bug(error));
    this.context = { ...context, platform };
    this.sid = randomId<ParticipantSid>(platform.random, "PA_");
    this.log = log.child({ participant: init.identity, sid: this.sid });
    this.traits = new ClientTraits(init.clientInfo);
    this.profile = new ParticipantProfile(this.sid, init, platform.clock.wallMs(), context.region);
    this.data = new ParticipantData(this);
    this.subscriberPrimary = this.traits.subscriberPrimary && init.permission.canSubscribe &&
      !this.singlePeerConnection;
    this.link = new SignalLink(sink, platform.clock, !this.oneShot);
    this.steering = new IceSteering(this);
    this.#presence = new Presence(platform.timers, this);
    this.#updates = new UpdateFilter(this.traits.protocol);
    this.registry = new TrackRegistry({
      random: platform.random,
      wallMs: () => platform.clock.wallMs(),
      canPublishSource: (...media) => canPublishSource(this.profile.permission, ...media),
      enabledCodecs: publishableCodecs(options.enabledCodecs, this.traits).map(({ mime }) => mime),
      incompleteSenderReports: this.traits.incompleteSenderReports,
      deliver: (effect) => this.#guard(() => this.#tracks.deliver(effect)),
      log: this.log,
      counters: context.counters,
    });
    this.#publications = new PublicationWatch(this);
    this.#tracks = new ParticipantTracks<Participant>(this, this.#publications);
    const { publisher, subscriber } = mediaSides(
      this.context,
      this,
      this.registry,
      this.traits,
      this,
      {
        bound: (id, connection, section) => this.subscriptions.bound(id, connection, section),
        rejected: (id) => this.subscriptions.rejected(id),
      },
    );
    this.publisher = publisher;
    this.subscriber = subscriber;
    this.subscriptions = new Subscriptions(
      subscriptionHost<Participant>(this),
      platform,
      init.adaptiveStream,
      options.subscriptionLimits,
    );
  }

  get singlePeerConnection(): boolean {
    return this.init.singlePeerConnection ?? false;
  }

  /** Its client was answered once and has no socket (WHIP). */
  get oneShot(): boolean {
    return this.init.oneShot ?? false;
  }

  /** It understands bare messages only, on a data channel of its own. */
  get rawData(): boolean {
    return this.oneShot;
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
    return this.link.answers;
  }

  get icePreference(): IcePreference {
    return this.steering.preference;
  }

  /** Whether a client that lost its socket may go on with this session. */
  get resumable(): boolean {
    return this.ready && !this.#presence.transportGone;
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
    return this.#tracks.list();
  }

  /** Everything a receiver may know; the version goes up if something changed since last time. */
  info(): ParticipantInfo {
    return this.profile.toInfo(this.tracks.map(({ info }) => info), this.data.tracks.infos());
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

  /** What this client has been told of others. */
  get told(): Pick<UpdateFilter, "knows" | "forget"> {
    return this.#updates;
  }

  /** Whether `subscriber` may have `trackSid` of this publisher. */
  allowsSubscription(trackSid: string, subscriber: Participant): boolean {
    return this.#rule.allows({
      identity: subscriber.identity,
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
    await this.registry.unpublishWhere(({ source, type }) =>
      !canPublishSource(permission, source, type)
    );
    if (!this.closed) this.host.permissionChanged(this);
  }

  /** The client's `SubscriptionPermission`; a malformed one changes nothing. */
  setSubscriptionPermission(message: SubscriptionPermission): void {
    const others = Array.from(this.host.participants());
    const identities = new Map<string, string>(others.map(({ sid, identity }) => [sid, identity]));
    const rule = readSubscriptionRule(message, (sid) => identities.get(sid));
    if (rule === undefined) return this.context.counters.count("subscription_permission_invalid");
    this.#rule = rule;
    this.host.subscriptionRuleChanged(this);
  }

  /** Ends the session. A bug in one part of it leaves nothing of the others behind. */
  close(reason: DisconnectReason, farewell: Farewell): void {
    if (this.closed) return;
    // Also a session that never got its join response is told why it ends.
    const leave = farewell !== "none" && leaveMessage(this.traits, reason, farewell);
    attemptAll([
      () => this.profile.disconnect(reason),
      () => leave && this.link.send({ case: "leave", value: leave }),
      () => this.log.info("participant closed", { reason: Reason[reason] }),
      () => this.#presence.stop(),
      () => this.#publications.stop(reason),
      () => this.link.close(),
      () => this.subscriptions.close(),
      () => this.publisher.close(),
      () => this.subscriber.close(),
      () => this.host.participantClosed(this),
      () => this.#tracks.clear(),
      () => this.onClosed(),
    ], (error) => this.#noteBug(error));
    this.registry.close().catch((error) => this.#noteBug(error));
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
    if (role === "publisher") this.#publications.connected();
    if (!this.#presence.connectionUp(role) || this.state !== State.JOINED) return;
    const path = this.relayed.pathOf(protocol, remote);
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

  dataChannelOpen(role: ConnectionRole, label: string): void {
    if ((role === "subscriber") !== this.subscriberPrimary) return;
    const carriesData = this.rawData ? isOwnLabel(label) : label === "_reliable";
    if (carriesData) this.host.dataChannelOpen(this);
  }

  dataReceived(label: string, bytes: Uint8Array): void {
    if (this.ready) this.host.dataReceived(this, label, bytes);
  }

  bug(error: unknown): void {
    this.#noteBug(error);
    this.close(Reason.STATE_MISMATCH, "reconnect");
  }

  #noteBug(error: unknown): void {
    this.log.error("participant hit a bug", { error: describeError(error) });
    this.context.counters.count("participant_bug");
  }

  #guard(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.bug(error);
    }
  }
}
