/**
 * One room: its participants, what they publish, and what they are told.
 *
 * Contract: an identity is in the room at most once; a participant that has closed is in no list
 * when the others hear of it; after {@linkcode Room.close} the room takes nobody in.
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
} from "@livekit/protocol";
import { randomId, type RoomSid } from "../base/ids.ts";
import type { Log } from "../base/platform.ts";
import { guardedPlatform } from "../base/wake_timer.ts";
import { describeError, type Farewell } from "./context/close_reason.ts";
import type { DataKind } from "../base/media_vocabulary.ts";
import { clientSummary } from "./context/client_summary.ts";
import type { SignalMessage, SignalSink } from "./context/signal_message.ts";
import { DataRouter, type PeerState } from "./data/data_router.ts";
import { ForwardedMember, type Origin } from "./participant/forwarded_member.ts";
import type { Member } from "./participant/member.ts";
import type { ParticipantFacts } from "./context/participant_facts.ts";
import { Session } from "./participant/session.ts";
import type { RoomPort } from "./participant/room_port.ts";
import type { ParticipantInit } from "./context/participant_profile.ts";
import { RoomAnnouncements } from "./room_announcements.ts";
import type { RoomContext } from "./context/room_context.ts";
import {
  applyRequest,
  LOCK_TAG,
  type RoomInternal,
  type RoomPlan,
  type RoomRequest,
  type RoomSettings,
} from "./room_creation.ts";
import { RoomDataTracks } from "./room_data_tracks.ts";
import { RoomEvents } from "./context/room_events.ts";
import { RoomForwards } from "./room_forwards.ts";
import { IdleWatch } from "./idle_watch.ts";
import { roomInfo } from "./room_info.ts";
import { type NodePorts, type RoomLink, SINGLE_NODE } from "./context/node_ports.ts";
import { RoomMembers } from "./participant/room_members.ts";
import { RoomReports } from "./measure/room_reports.ts";
import { RoomTracks } from "./subscription/room_tracks.ts";
import { ServerRpcs } from "./data/server_rpc.ts";
import type { CodecWish } from "./subscription/wanted_codecs.ts";
import { NO_SOURCE, type SourceState } from "./subscription/subscription_table.ts";
import type { SubscribableTrack } from "./subscription/codec_choice.ts";
import type { PublishedTrack } from "./registry/registry_messages.ts";

/** Random bytes that mark frames the server makes up where media is end-to-end encrypted. */
const SIF_TRAILER_BYTES = 16;

/** Why somebody cannot join. */
export type JoinRefusal = "room_full" | "room_closed";

/**
 * One room. An identity is in it at most once; a closed participant is in no list when others hear
 * of it; a closed room takes nobody in.
 */
export class Room implements RoomPort<Session> {
  readonly sid: RoomSid;
  readonly createdAtMs: number;
  readonly sifTrailer: Uint8Array;
  readonly log: Log;
  /** A throw of its timers ends nothing: it is logged and counted. */
  readonly context: RoomContext;
  readonly #members = new RoomMembers();
  readonly #tracks: RoomTracks<Member>;
  readonly #data: DataRouter;
  readonly dataTracks: RoomDataTracks;
  /** Calls that the server API makes of participants. */
  readonly rpcs: ServerRpcs;
  readonly #announcements: RoomAnnouncements;
  /** What observers outside are told. */
  readonly events: RoomEvents;
  readonly #reports: RoomReports;
  readonly #forwards = new RoomForwards();
  /** Other nodes that follow this room. */
  readonly #link: RoomLink;
  readonly #ports: NodePorts;
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
    this.#ports = context.ports ?? SINGLE_NODE;
    this.#link = this.#ports.remoteMembers.open(this);
    this.events = new RoomEvents(context.observers ?? [], () => this.info(), this.log, counters);
    this.#tracks = new RoomTracks(this.context, this.events, this.#members);
    this.#data = new DataRouter(
      () => this.#members.sessions(),
      (c) => router.send(c),
      this.context,
    );
    this.#data.bridge = (data) => this.#ports.dataBridge.deliver(name, data);
    const tell = (member: Member) => this.participantChanged(member, true);
    this.dataTracks = new RoomDataTracks(this.#members, platform, tell);
    this.rpcs = new ServerRpcs(platform, (data) => this.#data.deliver(data));
    this.#data.takeRpcAnswer = (sender, answer) => this.rpcs.take(sender, answer);
    this.#announcements = new RoomAnnouncements(this, platform);
    this.#reports = new RoomReports(this.context, () => this.#members.sessions(), this.#tracks);
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

  /** Everybody, wherever their clients are. */
  participants(): Iterable<Member> {
    return this.#members.values();
  }

  byIdentity(identity: string): Member | undefined {
    return this.#members.get(identity);
  }

  /** Those whose clients are served here. */
  sessions(): Iterable<Session> {
    return this.#members.sessions();
  }

  session(identity: string): Session | undefined {
    return this.#members.session(identity);
  }

  /** Whether `identity` could join now; one that is in already replaces itself. */
  admits(identity: string, dependent: boolean): JoinRefusal | undefined {
    if (this.#closed) return "room_closed";
    const limit = this.settings.maxParticipants;
    if (limit === 0 || dependent || this.#members.get(identity) !== undefined) return undefined;
    return this.#members.counted >= limit ? "room_full" : undefined;
  }

  /**
   * Takes a participant in, in state JOINING; an older session of its identity is ended first.
   * Follow with {@linkcode begin}.
   */
  join(init: ParticipantInit, sink: SignalSink): Session | JoinRefusal {
    const dependent = init.permission.agent || init.permission.recorder;
    const refusal = this.admits(init.identity, dependent);
    if (refusal !== undefined) return refusal;
    const participant = new Session(this.#memberContext, this, init, sink, this.log);
    this.#add(participant, participant);
    return participant;
  }

  /** Sends the join response that `compose` writes, and starts the session. */
  begin(
    participant: Session,
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

  /**
   * The client of `participant` came back; `reconnected` is its first message if it can read it.
   */
  resume(participant: Session, sink: SignalSink, reconnected: SignalMessage): void {
    participant.resume(sink, () => {
      if (participant.traits.reconnectResponse) participant.send(reconnected);
      participant.sendInfos(this.#announcements.missedDepartures(participant));
      participant.sendInfos([participant.info(), ...this.#members.visibleTo(participant)]);
      participant.send({ case: "roomUpdate", value: new RoomUpdate({ room: this.info() }) });
    });
  }

  /** Takes `participant` out while its session goes on; give the result to the other room. */
  release(participant: Session): PeerState {
    this.#remove(participant);
    return this.#data.release(participant);
  }

  /** Takes in a participant that another room released, and tells its client with `token`. */
  takeOver(participant: Session, data: PeerState, token: string): void {
    participant.moveTo(this);
    this.#data.adopt(participant, data);
    this.#add(participant, participant);
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

  /** Shows `origin`, a member of the room `from`, here as well. */
  showForwarded(origin: Origin, from: Room): void {
    const copy = new ForwardedMember(this.context, this, origin, this.log);
    this.#add(copy);
    this.#announcements.participant(copy, false, false);
    this.#announcements.roomChanged(false);
    from.#forwards.add(copy);
  }

  /** Shows everybody `participant` as speaking for a while, as a client under test asks. */
  simulateSpeaker(participant: Session, seconds: number): void {
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
  lastDataSequence(participant: Session): number {
    return this.#data.lastSequence(participant);
  }

  /** Ends every session, and tells clients whether to join anew; idempotent. */
  close(reason: DisconnectReason, farewell: Farewell = "disconnect"): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#idle.stop();
    for (const member of this.#members.all()) member.close(reason, farewell);
    this.#announcements.close();
    this.#reports.close();
    this.#tracks.close();
    this.#link.close();
    this.#ports.placement.released(this.name);
    this.log.info("room closed", { reason: Reason[reason] });
    this.onClosed(this);
    this.events.finished(reason);
  }

  // RoomPort

  participantChanged(member: Member, immediate: boolean): void {
    this.#announcements.participant(member, immediate, true);
    this.#forwards.changed(member);
    this.#link.changed(member);
  }

  participantActive(participant: Session): void {
    this.events.joined(participant);
    this.#link.changed(participant);
    this.#announcements.participant(participant, false, false);
    this.#autoSubscribe(participant);
    this.dataTracks.entered(participant);
  }

  participantResumed(participant: Session): void {
    this.#tracks.restart(participant);
  }

  permissionChanged(member: Member): void {
    this.#idle.setOccupied(this.#members.counted > 0);
    const session = this.#members.sessionOf(member);
    if (session !== undefined) {
      this.#autoSubscribe(session);
      session.subscriptions.reconcile();
    }
    this.dataTracks.permissionChanged(member);
  }

  visibilityChanged(member: Member): void {
    this.dataTracks.visibilityChanged(member);
    if (member.hidden) this.#announcements.departed(member, true);
    for (const sid of this.#tracks.of(member)) {
      if (member.hidden) this.#members.withdrawTrack(sid);
      else this.#members.offerTrack(member, sid);
    }
  }

  participantClosed(member: Member): void {
    const session = this.#members.sessionOf(member);
    if (!this.#members.has(member)) return;
    this.#remove(member);
    if (session !== undefined) this.#data.release(session);
  }

  trackPublished(member: Member, track: PublishedTrack): void {
    this.#tracks.add(member, track);
    this.participantChanged(member, true);
    this.#announcements.roomChanged(false);
    this.#members.offerTrack(member, track.sid);
  }

  trackUpdated(member: Member, track: PublishedTrack): void {
    this.#tracks.update(track);
    this.participantChanged(member, true);
    for (const { subscriptions } of this.#members.othersThan(member)) {
      subscriptions.sourceChanged(track.sid);
    }
  }

  trackUnpublished(member: Member, track: PublishedTrack): void {
    this.#removeTrack(track.sid);
    this.participantChanged(member, true);
  }

  subscriptionRuleChanged(member: Member): void {
    const sids = this.#tracks.of(member);
    for (const { subscriptions } of this.#members.allSessions()) subscriptions.reconcile(sids);
    this.dataTracks.reconcileAll();
    this.#forwards.ruleChanged(member);
  }

  resolveTrack(trackSid: string, subscriber: ParticipantFacts): SubscribableTrack | undefined {
    const entry = this.#tracks.get(trackSid);
    return entry?.publisher.source(entry, subscriber);
  }

  sourceState(trackSid: string, subscriber: ParticipantFacts): SourceState {
    const entry = this.#tracks.get(trackSid);
    return entry?.publisher.sourceState(entry.track, subscriber) ?? NO_SOURCE;
  }

  introduce(trackSid: string, receiver: Session): void {
    const publisher = this.#tracks.get(trackSid)?.publisher;
    if (publisher !== undefined) this.#announcements.introduce(publisher, receiver);
  }

  subscriptionBound(trackSid: string, subscriber: Session): void {
    this.#reports.subscribed(trackSid, subscriber);
    if (subscriber.hidden || !this.#tracks.announceSubscribed(trackSid)) return;
    this.#tracks.get(trackSid)?.publisher.tellSubscribed(trackSid);
  }

  wish(trackSid: string, subscriber: ParticipantFacts, wish: CodecWish | undefined): void {
    if (this.#tracks.get(trackSid)?.publisher.relayWish(trackSid, subscriber, wish)) return;
    this.#tracks.wish(trackSid, subscriber.sid, wish);
  }

  dataReceived(participant: Session, label: string, bytes: Uint8Array): void {
    this.#data.receive(participant, label, bytes);
  }

  dataChannelOpen(participant: Session): void {
    this.#data.channelOpen(participant);
  }

  #noteBug(error: unknown): void {
    this.log.error("room hit a bug", { error: describeError(error) });
    this.context.counters.count("room_bug");
  }

  /** Takes `member` out of every list, then tells the others. */
  #remove(member: Member): void {
    const session = this.#members.sessionOf(member);
    this.#forwards.end(member);
    if (session !== undefined) this.rpcs.left(session);
    this.#members.delete(member);
    this.#link.left(member);
    this.dataTracks.left(member, session);
    if (session !== undefined) this.#reports.left(session);
    for (const trackSid of this.#tracks.of(member)) this.#removeTrack(trackSid);
    this.lastLeftAt = Math.trunc(this.context.platform.clock.wallMs() / 1000);
    this.context.departures?.note(this.name, member.init);
    this.#announcements.departed(member);
    this.#announcements.roomChanged(false);
    if (!this.#closed) this.#idle.setOccupied(this.#members.counted > 0);
    this.events.gone(member);
  }

  /**
   * Adds a member; an older one of its identity is ended first.
   *
   * @param session The same, if its client is served here.
   */
  #add(member: Member, session?: Session): void {
    this.#members.get(member.identity)?.close(Reason.DUPLICATE_IDENTITY, "disconnect");
    this.#members.set(member, session);
    this.#link.changed(member);
    if (session !== undefined) this.#reports.joined(session);
    this.firstJoinedAt ||= Math.trunc(this.context.platform.clock.wallMs() / 1000);
    this.#idle.setOccupied(this.#members.counted > 0);
    this.events.entered(member);
  }

  #removeTrack(trackSid: string): void {
    this.#tracks.remove(trackSid);
    this.#members.withdrawTrack(trackSid);
  }

  #autoSubscribe(participant: Session): void {
    if (!participant.active || !participant.init.autoSubscribe) return;
    participant.subscriptions.desire(this.#tracks.notOf(participant));
  }
}
