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
  type AddTrackRequest,
  type AudioTrackFeature,
  type DataBlob,
  type DataBlobKey,
  type DataTrackInfo,
  type DisconnectReason,
  DisconnectReason as Reason,
  type ParticipantInfo,
  ParticipantInfo_State as State,
  type ParticipantPermission,
  type PublishDataTrackRequest,
  type ReconnectReason,
  type SessionDescription,
  type StoreDataBlobRequest,
  type SubscriptionPermission,
  type TrackInfo,
  TrackSubscribed,
  type UpdateDataSubscription,
  type UpdateSubscription,
  type UpdateTrackSettings,
} from "@livekit/protocol";
import { attemptAll } from "../../base/attempt_all.ts";
import { type ConnectionId, type ParticipantSid, randomId, type TrackSid } from "../../base/ids.ts";
import type { Log } from "../../base/platform.ts";
import { guardedPlatform } from "../../base/wake_timer.ts";
import type { ConnectionFailure, DataTrackRoute } from "../../engine/messages/media_messages.ts";
import { ClientTraits } from "../context/client_traits.ts";
import { describeError, type Farewell, leaveMessage } from "../context/close_reason.ts";
import type { ConnectionHost } from "../connection/connection_host.ts";
import type { ConnectionRole, SignalMessage, SignalSink } from "../context/signal_message.ts";
import type { IceState, PublishingSide, SubscribingSide } from "../connection/connection_sides.ts";
import type { BlobRefusal } from "../data/data_blobs.ts";
import type { LocalParameters } from "../../negotiation/local_description.ts";
import type { IceCredentials } from "../../base/media_vocabulary.ts";
import type { IcePreference } from "../context/ice_preference.ts";
import { clientSummary, RelayedAddresses } from "../context/client_summary.ts";
import { IceSteering } from "./ice_steering.ts";
import { ParticipantData } from "../data/participant_data.ts";
import { mediaSides } from "../connection/media_sides.ts";
import {
  canPublishSource,
  type ParticipantInit,
  ParticipantProfile,
  type ProfileChange,
} from "../context/participant_profile.ts";
import { subscriptionHost } from "./participant_subscriptions.ts";
import { ParticipantTracks } from "./participant_tracks.ts";
import { isOwnLabel } from "../data/data_packets.ts";
import { type QueuedUpdate, UpdateFilter, updateMessages } from "./participant_updates.ts";
import { publishableCodecs } from "../connection/publisher_connection.ts";
import { Presence } from "./presence.ts";
import { PublicationWatch } from "./publication_watch.ts";
import type { RoomContext } from "../context/room_context.ts";
import type { HostedSession } from "./session_facts.ts";
import { SignalLink } from "./signal_link.ts";
import {
  everyoneMaySubscribe,
  readSubscriptionRule,
  type SubscriptionRule,
} from "../subscription/subscription_permission.ts";
import { Subscriptions } from "../subscription/subscriptions.ts";
import type { DataPeer } from "../data/data_router.ts";
import type { PublishedTrack } from "../registry/registry_messages.ts";
import type { RoomPort } from "./room_port.ts";
import { type Member, MemberRecord, type OfferedTrack } from "./member.ts";
import type { ParticipantFacts } from "../context/participant_facts.ts";
import { subscribableTrack } from "./subscribable_track.ts";
import { NO_SOURCE, type SourceState } from "../subscription/subscription_table.ts";
import type { SubscribableTrack } from "../subscription/codec_choice.ts";
import type { DataTrackPublication, PublishedDataTracks } from "../data/published_data_tracks.ts";
import { TrackRegistry } from "../registry/track_registry.ts";

/** Nothing of it reaches room, client or media plane after `close`, which is idempotent. */
export class Session extends MemberRecord
  implements HostedSession<Session>, DataPeer, ConnectionHost {
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
  readonly #tracks: ParticipantTracks<Session>;
  #rule: SubscriptionRule = everyoneMaySubscribe;
  readonly #presence: Presence;
  readonly #publications: PublicationWatch;

  constructor(
    context: RoomContext,
    public host: RoomPort<Session>,
    readonly init: ParticipantInit,
    sink: SignalSink,
    log: Log,
  ) {
    super();
    const { options } = context;
    const platform = guardedPlatform(context.platform, (error) => this.bug(error));
    this.context = { ...context, platform };
    this.sid = randomId<ParticipantSid>(platform.random, "PA_");
    this.log = log.child({ participant: init.identity, sid: this.sid });
    this.traits = new ClientTraits(init.clientInfo);
    this.profile = new ParticipantProfile(this.sid, init, platform.clock.wallMs(), context.region);
    this.data = new ParticipantData(this.context, () => this.publisher.id);
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
    this.#tracks = new ParticipantTracks<Session>(this, this.#publications);
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
      subscriptionHost<Session>(this),
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

  /** The join response may be or has been sent, and the session is not over. */
  get ready(): boolean {
    return this.state === State.JOINED || this.state === State.ACTIVE;
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

  get dataTracks(): PublishedDataTracks {
    return this.data.tracks;
  }

  source(offered: OfferedTrack, subscriber: ParticipantFacts): SubscribableTrack | undefined {
    // Who is hidden cannot be received: a track would say whose it is.
    if (subscriber === this || this.hidden) return undefined;
    const allowed = this.allowsSubscription(offered.track.sid, subscriber);
    return subscribableTrack(
      this.sid,
      offered,
      allowed,
      (upTrack, mime) => this.publisher.codecsOf(upTrack, mime),
    );
  }

  sourceState({ sid, kind, upTracks }: PublishedTrack, subscriber: ParticipantFacts): SourceState {
    if (subscriber === this || this.hidden || upTracks.length === 0) return NO_SOURCE;
    return { exists: true, kind, allowed: this.allowsSubscription(sid, subscriber) };
  }

  relayWish(): boolean {
    return false;
  }

  setDataRoutes(routes: readonly DataTrackRoute[]): void {
    this.setDataRoutesOf(this.sid, routes);
  }

  /** As {@linkcode setDataRoutes}, from another room, in which it goes by `sid`. */
  setDataRoutesOf(sid: string, routes: readonly DataTrackRoute[]): void {
    this.data.routes.set(sid, routes);
  }

  blob(key: DataBlobKey): DataBlob | undefined {
    return this.data.blobs.get(key);
  }

  tell(message: SignalMessage): void {
    this.send(message);
  }

  tellSubscribed(trackSid: string): void {
    if (!this.traits.requestResponses) return;
    this.send({ case: "trackSubscribed", value: new TrackSubscribed({ trackSid }) });
  }

  async muteByServer(trackSid: TrackSid, muted: boolean): Promise<TrackInfo | undefined> {
    const known = await this.registry.setMuted(trackSid, muted, "admin");
    return known ? this.registry.info(trackSid) : undefined;
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

  // What its client asks for.

  get roomName(): string {
    return this.host.name;
  }

  /** Handles one `offer` of the client. */
  offer(description: SessionDescription): Promise<void> {
    this.relayed.noteDescription(description.sdp);
    return this.publisher.offer(description);
  }

  /** Handles one `answer` of the client. */
  answer(description: SessionDescription): void {
    this.relayed.noteDescription(description.sdp);
    this.subscriber.answer(description);
  }

  /** A candidate the client trickled. */
  noteCandidate(candidate: Parameters<RelayedAddresses["note"]>[0]): void {
    this.relayed.note(candidate);
  }

  /** How ICE stands where it publishes; absent before its first offer. */
  get iceState(): IceState | undefined {
    return this.publisher.iceState;
  }

  /** See {@linkcode PublishingSide.restartIce}. */
  restartIce(remote: IceCredentials): LocalParameters {
    return this.publisher.restartIce(remote);
  }

  /** `AddTrack`, answered by itself. */
  announce(request: AddTrackRequest): Promise<void> {
    return this.registry.announce(request);
  }

  /** Whether it has announced or published the track. */
  announced(trackSid: TrackSid): boolean {
    return this.registry.has(trackSid);
  }

  // The next three await what they do not ask for, so that the next request finds it told.

  async muteTrack(trackSid: TrackSid, muted: boolean): Promise<void> {
    await this.registry.setMuted(trackSid, muted, "publisher");
  }

  async updateAudioTrack(trackSid: TrackSid, features: AudioTrackFeature[]): Promise<void> {
    await this.registry.updateAudio(trackSid, features);
  }

  async updateVideoTrack(trackSid: TrackSid, width: number, height: number): Promise<void> {
    await this.registry.updateVideo(trackSid, width, height);
  }

  updateSubscription(message: UpdateSubscription): void {
    this.subscriptions.update(message);
  }

  setTrackSettings(message: UpdateTrackSettings): void {
    this.subscriptions.setTrackSettings(message);
  }

  /** Tracks it wants nothing of until it says more (`track_sids_disabled`). */
  disableTracks(trackSids: readonly string[]): void {
    this.subscriptions.disable(trackSids);
  }

  /** Wants tracks on behalf of a client that cannot ask. */
  subscribeTo(trackSids: readonly string[]): void {
    this.subscriptions.desire(trackSids);
  }

  /** Whether a track is in what its client accepted. */
  receives(trackSid: string): boolean {
    return this.subscriptions.isBound(trackSid);
  }

  publishDataTrack(request: PublishDataTrackRequest): DataTrackPublication {
    return this.host.dataTracks.publish(this, request);
  }

  /** @returns What ended; `undefined` if there is no such track. */
  unpublishDataTrack(pubHandle: number): DataTrackInfo | undefined {
    return this.host.dataTracks.unpublish(this, pubHandle);
  }

  updateDataSubscription(message: UpdateDataSubscription): void {
    this.host.dataTracks.update(this, message);
  }

  /** @returns Why the blob was not stored; `undefined` if it was. */
  storeBlob(request: StoreDataBlobRequest): BlobRefusal | undefined {
    return this.data.blobs.store(request);
  }

  /** Anybody in its room, itself included. */
  othersByIdentity(identity: string): Member | undefined {
    return this.host.byIdentity(identity);
  }

  simulateSpeaker(seconds: number): void {
    this.host.simulateSpeaker(this, seconds);
  }

  /** As a client under test asks; see {@linkcode SignalLink.dropNext}. */
  dropNextSocket(withoutMessages: boolean): void {
    this.link.dropNext(withoutMessages);
  }

  /** Leads the client to another protocol, as one under test asks. */
  switchProtocol(preference: IcePreference): void {
    this.steering.prefer(preference);
    this.subscriber.restart();
  }

  /** Something came on its socket. */
  heard(isPing: boolean): void {
    this.link.heard(isPing);
  }

  /** Its client measured the round trip of signalling, ms. */
  signalMeasured(rttMs: bigint): void {
    this.link.measured(rttMs);
  }

  /** The client is back. @param reason What made it do so. */
  returns(reason: ReconnectReason): void {
    this.steering.resumed(reason);
  }

  /** The session goes on in another room, whose `host` has still to take it in. */
  moveTo(host: RoomPort<Session>): void {
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
  allowsSubscription(trackSid: string, subscriber: ParticipantFacts): boolean {
    return this.#rule.allows({
      identity: subscriber.identity,
      exempt: subscriber.profile.isRecorder,
    }, trackSid);
  }

  /** Changes names or attributes and tells everybody; see {@linkcode ParticipantProfile.update}. */
  updateProfile(change: ProfileChange): void {
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
    // Awaited for its effects: others hear that the tracks are gone before the room takes stock.
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
