/**
 * One room: its participants, what they publish, and what they are told.
 *
 * Contract: an identity is in the room at most once; a participant that has closed is in no list when
 * the others hear of it; after {@linkcode Room.close} the room takes nobody in.
 *
 * @module
 */
import {
  type DataPacket,
  type DisconnectReason,
  DisconnectReason as Reason,
  type ParticipantInfo,
  type Room as RoomInfo,
  RoomMovedResponse,
  RoomUpdate,
  TrackSubscribed,
} from "@livekit/protocol";
import { randomId, type RoomSid } from "../base/ids.ts";
import type { Log } from "../base/platform.ts";
import { guardedPlatform } from "../base/wake_timer.ts";
import { describeError, type Farewell } from "./close_reason.ts";
import type { DataKind } from "../base/media_vocabulary.ts";
import { clientSummary } from "./client_summary.ts";
import type { SignalMessage, SignalSink } from "./connection_host.ts";
import { DataRouter, type PeerState } from "./data_router.ts";
import { ForwardedParticipant } from "./forwarded_participant.ts";
import { Participant } from "./participant.ts";
import type { ParticipantHost } from "./participant_host.ts";
import type { ParticipantInit } from "./participant_profile.ts";
import { RoomAnnouncements } from "./room_announcements.ts";
import type { RoomContext } from "./room_context.ts";
import {
  applyRequest,
  LOCK_TAG,
  type RoomInternal,
  type RoomPlan,
  type RoomRequest,
  type RoomSettings,
} from "./room_creation.ts";
import { RoomDataTracks } from "./room_data_tracks.ts";
import { RoomEvents } from "./room_events.ts";
import { RoomForwards } from "./room_forwards.ts";
import { IdleWatch } from "./room_idle.ts";
import { roomInfo } from "./room_info.ts";
import { RoomMembers } from "./room_members.ts";
import { RoomReports } from "./room_reports.ts";
import { RoomTracks } from "./room_tracks.ts";
import { ServerRpcs } from "./server_rpc.ts";
import type { CodecWish } from "./subscribed_codecs.ts";
import { sourceState, subscribableTrack } from "./subscribable_track.ts";
import { NO_SOURCE, type SourceState } from "./subscription_table.ts";
import type { SubscribableTrack } from "./codec_choice.ts";
import type { PublishedTrack } from "./track_effects.ts";

/** Random bytes that mark frames the server makes up where media is end-to-end encrypted. */
const SIF_TRAILER_BYTES = 16;

/** Why somebody cannot join. */
export type JoinRefusal = "room_full" | "room_closed";

/** See the module text. */
export class Room implements ParticipantHost<Participant> {
  readonly sid: RoomSid;
  readonly createdAtMs: number;
  readonly sifTrailer: Uint8Array;
  readonly log: Log;
  /** A throw of its timers ends nothing: it is logged and counted. */
  readonly context: RoomContext;
  readonly #members = new RoomMembers();
  readonly #tracks: RoomTracks<Participant>;
  readonly #data: DataRouter;
  readonly dataTracks: RoomDataTracks;
  /** Calls that the server API makes of participants. */
  readonly rpcs: ServerRpcs;
  readonly #announcements: RoomAnnouncements;
  /** What observers outside are told. */
  readonly events: RoomEvents;
  readonly #reports: RoomReports;
  readonly #forwards = new RoomForwards();
  /** What participants are given: room-wide choices over the server's. */
  readonly #memberContext: RoomContext;
  #plan: RoomPlan;
  readonly #idle: IdleWatch;
  /** Unix seconds; 0 before the first join. */
  firstJoinedAt = 0;
  /** Unix seconds; 0 before the first leave. */
  lastLeftAt = 0;
  #closed = false;

  constructor(
    readonly name: string,
    plan: RoomPlan,
    context: RoomContext,
    readonly onClosed: (room: Room) => void,
  ) {
    const { router, counters, options } = context;
    const platform = guardedPlatform(context.platform, (error) => this.#noteBug(error));
    this.context = { ...context, platform };
    this.sid = randomId<RoomSid>(platform.random, "RM_");
    this.createdAtMs = platform.clock.wallMs();
    this.sifTrailer = platform.random.bytes(SIF_TRAILER_BYTES);
    this.log = platform.log.child({ room: name, roomSid: this.sid });
    this.#plan = plan;
    const { syncStreams } = plan.internal;
    this.#memberContext = { ...context, options: { ...options, syncStreams } };
    this.events = new RoomEvents(context.observers ?? [], () => this.info(), this.log, counters);
    this.#tracks = new RoomTracks(this.context, this.events, this.#members);
    this.#data = new DataRouter(() => this.#members.values(), (c) => router.send(c), this.context);
    const tell = (participant: Participant) => this.participantChanged(participant, true);
    this.dataTracks = new RoomDataTracks(this.#members, tell);
    this.rpcs = new ServerRpcs(platform, (data) => this.#data.deliver(data));
    this.#data.takeRpcAnswer = (sender, answer) => this.rpcs.take(sender, answer);
    this.#announcements = new RoomAnnouncements(this, platform);
    this.#reports = new RoomReports(this.context, this.#members, this.#tracks);
    this.#idle = new IdleWatch(platform, () => this.settings, () => {
      if (this.#members.counted === 0) this.close(Reason.ROOM_CLOSED);
    });
  }

  get settings(): RoomSettings {
    return this.#plan.settings;
  }

  get internal(): RoomInternal {
    return this.#plan.internal;
  }

  /** Whether nobody new may join. */
  get locked(): boolean {
    return this.internal.tags[LOCK_TAG] === "true";
  }

  get closed(): boolean {
    return this.#closed;
  }

  participants(): Iterable<Participant> {
    return this.#members.values();
  }

  byIdentity(identity: string): Participant | undefined {
    return this.#members.get(identity);
  }

  /** Whether `identity` could join now; one that is in already replaces itself. */
  admits(identity: string, dependent: boolean): JoinRefusal | undefined {
    if (this.#closed) return "room_closed";
    const limit = this.settings.maxParticipants;
    if (limit === 0 || dependent || this.#members.get(identity) !== undefined) return undefined;
    return this.#members.counted >= limit ? "room_full" : undefined;
  }

  /**
   * Takes a participant in, in state JOINING; an older session of its identity is ended first. Follow
   * with {@linkcode begin}.
   */
  join(init: ParticipantInit, sink: SignalSink): Participant | JoinRefusal {
    const dependent = init.permission.agent || init.permission.recorder;
    const refusal = this.admits(init.identity, dependent);
    if (refusal !== undefined) return refusal;
    const participant = new Participant(this.#memberContext, this, init, sink, this.log);
    this.#add(participant);
    return participant;
  }

  /** Sends the join response that `compose` writes, and starts the session. */
  begin(
    participant: Participant,
    compose: (others: readonly ParticipantInfo[]) => SignalMessage | undefined,
  ): void {
    const others = this.#members.visibleTo(participant);
    const tracks = participant.init.autoSubscribe ? this.#tracks.notOf(participant) : [];
    participant.start(compose(others), others, tracks);
    const { identity, traits: { info } } = participant;
    this.log.info("participant joined", { participant: identity, ...clientSummary(info) });
    this.#announcements.participant(participant, false, false);
    this.#announcements.roomChanged(false);
  }

  /** The client of `participant` came back; `reconnected` is its first message if it can read it. */
  resume(participant: Participant, sink: SignalSink, reconnected: SignalMessage): void {
    participant.resume(sink, () => {
      if (participant.traits.reconnectResponse) participant.send(reconnected);
      participant.sendInfos(this.#announcements.missedDepartures(participant));
      participant.sendInfos([participant.info(), ...this.#members.visibleTo(participant)]);
      participant.send({ case: "roomUpdate", value: new RoomUpdate({ room: this.info() }) });
    });
  }

  /** Takes `participant` out while its session goes on; give the result to the other room. */
  release(participant: Participant): PeerState {
    this.#remove(participant);
    return this.#data.release(participant);
  }

  /** Takes in a participant that another room released, and tells its client with `token`. */
  takeOver(participant: Participant, data: PeerState, token: string): void {
    participant.moveTo(this);
    this.#data.adopt(participant, data);
    this.#add(participant);
    const value = new RoomMovedResponse({
      room: this.info(),
      token,
      participant: participant.info(),
      otherParticipants: this.#members.visibleTo(participant),
    });
    participant.send({ case: "roomMoved", value });
    for (const track of participant.tracks) this.#tracks.add(participant, track);
    this.#announcements.participant(participant, false, false);
    this.#announcements.roomChanged(false);
    for (const { sid } of participant.tracks) this.#members.offerTrack(participant, sid);
    this.#autoSubscribe(participant);
    this.dataTracks.entered(participant);
  }

  /** Shows `origin`, a participant of the room `from`, here as well. */
  showForwarded(origin: Participant, from: Room): void {
    const copy = new ForwardedParticipant(this.context, this, origin, this.log);
    this.#add(copy);
    this.#announcements.participant(copy, false, false);
    this.#announcements.roomChanged(false);
    from.#forwards.add(copy);
  }

  /** Shows everybody `participant` as speaking for a while, as a client under test asks. */
  simulateSpeaker(participant: Participant, seconds: number): void {
    this.#announcements.simulateSpeaker(participant, seconds);
  }

  info(): RoomInfo {
    return roomInfo(this, this.#plan);
  }

  /** Tells everybody. */
  setMetadata(metadata: string): void {
    this.#plan = { ...this.#plan, metadata };
    this.#announcements.roomChanged(true);
  }

  /** Takes over what `request` says; clients hear of what they can see. */
  update(request: RoomRequest): void {
    const before = this.info();
    this.#plan = applyRequest(this.#plan, request);
    this.#idle.restart();
    if (!before.equals(this.info())) this.#announcements.roomChanged(true);
  }

  /** Sends a packet of the server itself. */
  sendData(packet: DataPacket, kind: DataKind): void {
    this.#data.deliverOwn(packet, kind);
  }

  /** Highest reliable sequence that came from `participant`. */
  lastDataSequence(participant: Participant): number {
    return this.#data.lastSequence(participant);
  }

  /** Ends every session, and tells clients whether to join anew; idempotent. */
  close(reason: DisconnectReason, farewell: Farewell = "disconnect"): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#idle.stop();
    for (const participant of this.#members.all()) participant.close(reason, farewell);
    this.#announcements.close();
    this.#reports.close();
    this.#tracks.close();
    this.log.info("room closed", { reason: Reason[reason] });
    this.onClosed(this);
    this.events.finished(reason);
  }

  // ParticipantHost

  participantChanged(participant: Participant, immediate: boolean): void {
    this.#announcements.participant(participant, immediate, true);
    this.#forwards.changed(participant);
  }

  participantActive(participant: Participant): void {
    this.events.joined(participant);
    this.#announcements.participant(participant, false, false);
    this.#autoSubscribe(participant);
    this.dataTracks.entered(participant);
  }

  participantResumed(participant: Participant): void {
    this.#tracks.restart(participant);
  }

  permissionChanged(participant: Participant): void {
    this.#idle.setOccupied(this.#members.counted > 0);
    this.#autoSubscribe(participant);
    participant.subscriptions.reconcile();
    this.dataTracks.permissionChanged(participant);
  }

  visibilityChanged(participant: Participant): void {
    this.dataTracks.visibilityChanged(participant);
    if (participant.hidden) this.#announcements.departed(participant, true);
    for (const sid of this.#tracks.of(participant)) {
      if (participant.hidden) this.#members.withdrawTrack(sid);
      else this.#members.offerTrack(participant, sid);
    }
  }

  participantClosed(participant: Participant): void {
    if (!this.#members.has(participant)) return;
    this.#remove(participant);
    this.#data.release(participant);
  }

  trackPublished(participant: Participant, track: PublishedTrack): void {
    this.#tracks.add(participant, track);
    this.participantChanged(participant, true);
    this.#announcements.roomChanged(false);
    this.#members.offerTrack(participant, track.sid);
  }

  trackUpdated(participant: Participant, track: PublishedTrack): void {
    this.#tracks.update(track);
    this.participantChanged(participant, true);
    for (const { subscriptions } of this.#members.others(participant)) {
      subscriptions.sourceChanged(track.sid);
    }
  }

  trackUnpublished(participant: Participant, track: PublishedTrack): void {
    this.#removeTrack(track.sid);
    this.participantChanged(participant, true);
  }

  subscriptionRuleChanged(participant: Participant): void {
    const sids = this.#tracks.of(participant);
    for (const other of this.#members.all()) other.subscriptions.reconcile(sids);
    this.dataTracks.reconcileAll();
    this.#forwards.ruleChanged(participant);
  }

  resolveTrack(trackSid: string, subscriber: Participant): SubscribableTrack | undefined {
    const entry = this.#tracks.get(trackSid);
    return entry && subscribableTrack(entry, subscriber);
  }

  sourceState(trackSid: string, subscriber: Participant): SourceState {
    const entry = this.#tracks.get(trackSid);
    return entry === undefined ? NO_SOURCE : sourceState(entry, subscriber);
  }

  introduce(trackSid: string, receiver: Participant): void {
    const publisher = this.#tracks.get(trackSid)?.publisher;
    if (publisher !== undefined) this.#announcements.introduce(publisher, receiver);
  }

  subscriptionBound(trackSid: string, subscriber: Participant): void {
    this.#reports.subscribed(trackSid, subscriber);
    if (subscriber.hidden || !this.#tracks.announceSubscribed(trackSid)) return;
    const publisher = this.#tracks.get(trackSid)?.publisher;
    if (publisher === undefined || !publisher.traits.requestResponses) return;
    publisher.send({ case: "trackSubscribed", value: new TrackSubscribed({ trackSid }) });
  }

  wish(trackSid: string, subscriber: Participant, wish: CodecWish | undefined): void {
    const publisher = this.#tracks.get(trackSid)?.publisher;
    if (publisher instanceof ForwardedParticipant) {
      return publisher.relayWish(trackSid, subscriber, wish);
    }
    this.#tracks.wish(trackSid, subscriber.sid, wish);
  }

  dataReceived(participant: Participant, label: string, bytes: Uint8Array): void {
    this.#data.receive(participant, label, bytes);
  }

  dataChannelOpen(participant: Participant): void {
    this.#data.channelOpen(participant);
  }

  #noteBug(error: unknown): void {
    this.log.error("room hit a bug", { error: describeError(error) });
    this.context.counters.count("room_bug");
  }

  /** Takes `participant` out of every list, then tells the others. */
  #remove(participant: Participant): void {
    this.#forwards.end(participant);
    this.rpcs.left(participant);
    this.#members.delete(participant);
    this.dataTracks.left(participant);
    this.#reports.left(participant);
    for (const trackSid of this.#tracks.of(participant)) this.#removeTrack(trackSid);
    this.lastLeftAt = Math.trunc(this.context.platform.clock.wallMs() / 1000);
    this.context.departures?.note(this.name, participant.init);
    this.#announcements.departed(participant);
    this.#announcements.roomChanged(false);
    if (!this.#closed) this.#idle.setOccupied(this.#members.counted > 0);
    this.events.gone(participant);
  }

  /** Adds a participant; an older session of its identity is ended first. */
  #add(participant: Participant): void {
    this.#members.get(participant.identity)?.close(Reason.DUPLICATE_IDENTITY, "disconnect");
    this.#members.set(participant);
    this.#reports.joined(participant);
    this.firstJoinedAt ||= Math.trunc(this.context.platform.clock.wallMs() / 1000);
    this.#idle.setOccupied(this.#members.counted > 0);
    this.events.entered(participant);
  }

  #removeTrack(trackSid: string): void {
    this.#tracks.remove(trackSid);
    this.#members.withdrawTrack(trackSid);
  }

  #autoSubscribe(participant: Participant): void {
    if (!participant.active || !participant.init.autoSubscribe) return;
    participant.subscriptions.desire(this.#tracks.notOf(participant));
  }
}
