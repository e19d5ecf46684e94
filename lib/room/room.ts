/**
 * One room: its participants, what they publish, and what they are told.
 *
 * Contract: an identity is in the room at most once; a participant that has closed is in no list when
 * the others hear of it; after {@linkcode Room.close} the room takes nobody in.
 *
 * @module
 */
import {
  Codec,
  type DisconnectReason,
  DisconnectReason as Reason,
  type ParticipantInfo,
  Room as RoomInfo,
  RoomUpdate,
  TrackSubscribed,
  type VideoQuality,
} from "@livekit/protocol";
import { randomId, type RoomSid } from "../base/ids.ts";
import type { Cancel, Log } from "../base/platform.ts";
import type { SignalMessage, SignalSink } from "./connection_host.ts";
import type { OutgoingData } from "./data_packets.ts";
import { DataRouter } from "./data_router.ts";
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
import { IdleWatch } from "./room_idle.ts";
import { RoomTracks } from "./room_tracks.ts";
import type { SubscribableTrack } from "./subscriptions.ts";
import type { PublishedTrack } from "./track_effects.ts";

/** Random bytes that mark frames the server makes up where media is end-to-end encrypted. */
const SIF_TRAILER_BYTES = 16;

/** Loudness of a simulated speaker, and how long it may speak, s. */
const SIMULATED_LEVEL = 0.9;
const MAX_SIMULATED_S = 60;

/** Why somebody cannot join. */
export type JoinRefusal = "room_full" | "room_closed";

/** See the module text. */
export class Room implements ParticipantHost<Participant> {
  readonly sid: RoomSid;
  readonly createdAtMs: number;
  readonly sifTrailer: Uint8Array;
  readonly log: Log;
  readonly #participants = new Map<string, Participant>();
  readonly #tracks: RoomTracks<Participant>;
  readonly #data: DataRouter;
  readonly #announcements: RoomAnnouncements;
  #plan: RoomPlan;
  readonly #idle: IdleWatch;
  #cancelSpeaker: Cancel | undefined;
  /** Unix seconds; 0 before the first join. */
  #firstJoinedAt = 0;
  /** Unix seconds; 0 before the first leave. */
  #lastLeftAt = 0;
  #closed = false;

  constructor(
    readonly name: string,
    plan: RoomPlan,
    readonly context: RoomContext,
    readonly onClosed: (room: Room) => void,
  ) {
    const { platform, router, counters, options } = context;
    this.sid = randomId<RoomSid>(platform.random, "RM_");
    this.createdAtMs = platform.clock.wallMs();
    this.sifTrailer = platform.random.bytes(SIF_TRAILER_BYTES);
    this.log = platform.log.child({ room: name, roomSid: this.sid });
    this.#plan = plan;
    this.#tracks = new RoomTracks(platform, options.dynacastPauseDelayMs);
    this.#data = new DataRouter(
      () => this.#participants.values(),
      (command) => router.send(command),
      counters,
    );
    this.#announcements = new RoomAnnouncements(this, platform);
    this.#idle = new IdleWatch(platform, () => this.settings, () => {
      if (this.#members() === 0) this.close(Reason.ROOM_CLOSED);
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

  get firstJoinedAt(): number {
    return this.#firstJoinedAt;
  }

  get lastLeftAt(): number {
    return this.#lastLeftAt;
  }

  participants(): Iterable<Participant> {
    return this.#participants.values();
  }

  byIdentity(identity: string): Participant | undefined {
    return this.#participants.get(identity);
  }

  /** Whether `identity` could join now; one that is in already replaces itself. */
  admits(identity: string, dependent: boolean): JoinRefusal | undefined {
    if (this.#closed) return "room_closed";
    const limit = this.settings.maxParticipants;
    if (limit === 0 || dependent || this.#participants.has(identity)) return undefined;
    return this.#members() >= limit ? "room_full" : undefined;
  }

  /**
   * Takes a participant in, in state JOINING; an older session of its identity is ended first. Follow
   * with {@linkcode begin}.
   */
  join(init: ParticipantInit, sink: SignalSink): Participant | JoinRefusal {
    const dependent = init.permission.agent || init.permission.recorder;
    const refusal = this.admits(init.identity, dependent);
    if (refusal !== undefined) return refusal;
    this.#participants.get(init.identity)?.close(Reason.DUPLICATE_IDENTITY, "disconnect");
    const participant = new Participant(this.context, this, init, sink, this.log);
    this.#participants.set(init.identity, participant);
    this.#firstJoinedAt ||= Math.trunc(this.context.platform.clock.wallMs() / 1000);
    this.#idle.setOccupied(this.#members() > 0);
    return participant;
  }

  /** Sends the join response that `compose` writes, and starts the session. */
  begin(
    participant: Participant,
    compose: (others: readonly ParticipantInfo[]) => SignalMessage,
  ): void {
    const others = this.visibleTo(participant);
    const tracks = participant.init.autoSubscribe ? this.#othersTracks(participant) : [];
    participant.start(compose(others), others, tracks);
    this.log.info("participant joined", { participant: participant.identity });
    this.#announcements.participant(participant, false, false);
    this.#announcements.roomChanged(false);
  }

  /** The client of `participant` came back; `reconnected` is its first message if it can read it. */
  resume(participant: Participant, sink: SignalSink, reconnected: SignalMessage): void {
    participant.resume(sink);
    if (participant.traits.reconnectResponse) participant.send(reconnected);
    if (participant.traits.disconnectedUpdatesOnResume) {
      participant.sendInfos(this.#announcements.departedSince(participant.lastSignalAt));
    }
    participant.sendInfos([participant.info(), ...this.visibleTo(participant)]);
    participant.send({ case: "roomUpdate", value: new RoomUpdate({ room: this.info() }) });
    participant.subscriber.restart();
    this.#tracks.restart(participant);
  }

  /** Shows everybody `participant` as speaking for a while, as a client under test asks. */
  simulateSpeaker(participant: Participant, seconds: number): void {
    this.#announcements.speaker(participant, SIMULATED_LEVEL, true);
    const ms = Math.min(Math.max(seconds, 0), MAX_SIMULATED_S) * 1000;
    this.#cancelSpeaker?.();
    this.#cancelSpeaker = this.context.platform.timers.after(
      ms,
      () => this.#announcements.speaker(participant, 0, false),
    );
  }

  /** Infos of everybody `participant` may know of, itself not included. */
  visibleTo(participant: Participant): ParticipantInfo[] {
    return [...this.#participants.values()]
      .filter((other) => other !== participant && !other.hidden && !other.closed)
      .map((other) => other.info());
  }

  info(): RoomInfo {
    const { settings } = this;
    const all = [...this.#participants.values()].filter((p) => !p.profile.isDependent);
    return new RoomInfo({
      sid: this.sid,
      name: this.name,
      emptyTimeout: settings.emptyTimeoutS,
      departureTimeout: settings.departureTimeoutS,
      maxParticipants: settings.maxParticipants,
      creationTime: BigInt(Math.trunc(this.createdAtMs / 1000)),
      creationTimeMs: BigInt(this.createdAtMs),
      enabledCodecs: this.context.options.enabledCodecs.map((codec) => new Codec(codec)),
      metadata: this.#plan.metadata,
      numParticipants: all.length,
      numPublishers: all.filter((p) => p.profile.isPublisher).length,
      activeRecording: [...this.#participants.values()].some((p) => p.profile.isRecorder),
    });
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

  /** Sends a packet of the server itself (see `outgoing` in `data_packets.ts`). */
  sendData(data: OutgoingData): void {
    this.#data.deliver(data);
  }

  /** Highest reliable sequence that came from `participant`. */
  lastDataSequence(participant: Participant): number {
    return this.#data.lastSequence(participant);
  }

  /** Ends every session; idempotent. */
  close(reason: DisconnectReason): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#idle.stop();
    this.#cancelSpeaker?.();
    for (const participant of [...this.#participants.values()]) {
      participant.close(reason, "disconnect");
    }
    this.#announcements.close();
    this.#tracks.close();
    this.log.info("room closed", { reason: Reason[reason] });
    this.onClosed(this);
  }

  // ParticipantHost

  participantChanged(participant: Participant, immediate: boolean): void {
    this.#announcements.participant(participant, immediate, true);
  }

  participantActive(participant: Participant): void {
    this.#announcements.participant(participant, false, false);
    this.#autoSubscribe(participant);
  }

  permissionChanged(participant: Participant): void {
    this.#idle.setOccupied(this.#members() > 0);
    this.#autoSubscribe(participant);
    participant.subscriptions.reconcile();
  }

  participantClosed(participant: Participant): void {
    if (this.#participants.get(participant.identity) !== participant) return;
    this.#participants.delete(participant.identity);
    for (const trackSid of this.#tracks.of(participant)) this.#removeTrack(trackSid);
    this.#lastLeftAt = Math.trunc(this.context.platform.clock.wallMs() / 1000);
    this.#announcements.departed(participant);
    this.#announcements.roomChanged(false);
    if (!this.#closed) this.#idle.setOccupied(this.#members() > 0);
  }

  trackPublished(participant: Participant, track: PublishedTrack): void {
    this.#tracks.add(participant, track);
    this.#announcements.participant(participant, true, true);
    this.#announcements.roomChanged(false);
    for (const other of [...this.#participants.values()]) {
      if (other === participant) continue;
      if (other.active && other.init.autoSubscribe) other.subscriptions.desire([track.sid]);
      else other.subscriptions.sourceChanged(track.sid);
    }
  }

  trackUpdated(participant: Participant, track: PublishedTrack): void {
    this.#tracks.update(track);
    this.#announcements.participant(participant, true, true);
    for (const other of [...this.#participants.values()]) {
      if (other !== participant) other.subscriptions.sourceChanged(track.sid);
    }
  }

  trackUnpublished(participant: Participant, track: PublishedTrack): void {
    this.#removeTrack(track.sid);
    this.#announcements.participant(participant, true, true);
  }

  subscriptionRuleChanged(): void {
    for (const other of [...this.#participants.values()]) other.subscriptions.reconcile();
  }

  resolveTrack(trackSid: string, subscriber: Participant): SubscribableTrack | undefined {
    const entry = this.#tracks.get(trackSid);
    if (entry === undefined || entry.publisher === subscriber) return undefined;
    const { publisher, track } = entry;
    return {
      publisherSid: publisher.sid,
      track,
      allowed: publisher.allowsSubscription(trackSid, subscriber),
      codecsOf(upTrack) {
        const mime = track.upTracks.find((candidate) => candidate.upTrack === upTrack)?.mime;
        return mime === undefined ? [] : publisher.publisher.codecsOf(upTrack, mime);
      },
    };
  }

  introduce(trackSid: string, receiver: Participant): void {
    const publisher = this.#tracks.get(trackSid)?.publisher;
    if (publisher !== undefined) this.#announcements.introduce(publisher, receiver);
  }

  subscriptionBound(trackSid: string, subscriber: Participant): void {
    if (subscriber.hidden || !this.#tracks.announceSubscribed(trackSid)) return;
    const publisher = this.#tracks.get(trackSid)?.publisher;
    if (publisher === undefined || !publisher.traits.requestResponses) return;
    publisher.send({ case: "trackSubscribed", value: new TrackSubscribed({ trackSid }) });
  }

  wish(trackSid: string, subscriber: Participant, quality: VideoQuality | undefined): void {
    this.#tracks.wish(trackSid, subscriber.sid, quality);
  }

  dataReceived(participant: Participant, label: string, bytes: Uint8Array): void {
    this.#data.receive(participant, label, bytes);
  }

  dataChannelOpen(participant: Participant): void {
    this.#data.channelOpen(participant);
  }

  #removeTrack(trackSid: string): void {
    this.#tracks.remove(trackSid);
    for (const other of [...this.#participants.values()]) {
      other.subscriptions.sourceRemoved(trackSid);
    }
  }

  #autoSubscribe(participant: Participant): void {
    if (!participant.active || !participant.init.autoSubscribe) return;
    participant.subscriptions.desire(this.#othersTracks(participant));
  }

  #othersTracks(participant: Participant): string[] {
    return this.#tracks.all().filter(({ publisher }) => publisher !== participant)
      .map(({ track }) => track.sid);
  }

  /** Participants that keep the room open. */
  #members(): number {
    let count = 0;
    for (const { profile } of this.#participants.values()) if (!profile.isDependent) count++;
    return count;
  }
}
