/**
 * One room: who may come, how they come and go, and what the server asks of it.
 *
 * Contract: an identity is in the room at most once; a participant that has closed is in no list
 * when the others hear of it; after {@linkcode Room.close} the room takes nobody in.
 *
 * @module
 */
import {
  Codec,
  type DataPacket,
  type DisconnectReason,
  DisconnectReason as Reason,
  type ParticipantInfo,
  Room as RoomInfo,
  RoomMovedResponse,
  RoomUpdate,
} from "@livekit/protocol";
import { describeError, type Farewell } from "./context/close_reason.ts";
import type { DataKind } from "../base/media_vocabulary.ts";
import { clientSummary } from "./context/client_summary.ts";
import type { SignalMessage, SignalSink } from "./context/signal_message.ts";
import { ForwardedMember, type Origin } from "./participant/forwarded_member.ts";
import { Session } from "./participant/session.ts";
import type { ParticipantInit } from "./context/participant_profile.ts";
import { RoomForMembers } from "./room_for_members.ts";
import type { RoomContext } from "./context/room_context.ts";
import {
  applyRequest,
  LOCK_TAG,
  type RoomInternal,
  type RoomPlan,
  type RoomRequest,
  type RoomSettings,
} from "./room_creation.ts";
import { IdleWatch } from "./idle_watch.ts";

/** Random bytes that mark frames the server makes up where media is end-to-end encrypted. */
const SIF_TRAILER_BYTES = 16;

/** Why somebody cannot join. */
export type JoinRefusal = "room_full" | "room_closed";

/**
 * One room. An identity is in it at most once; a closed participant is in no list when others hear
 * of it; a closed room takes nobody in.
 */
export class Room extends RoomForMembers {
  readonly sifTrailer: Uint8Array;
  /** What participants are given: room-wide choices over the server's. */
  readonly #memberContext: RoomContext;
  readonly #idle: IdleWatch;
  /** As clients are told of them: the same objects each time, so that they are encoded once. */
  readonly #codecs: readonly Codec[];
  #plan: RoomPlan;
  #closed = false;

  constructor(
    name: string,
    plan: RoomPlan,
    context: RoomContext,
    readonly onClosed: (room: Room) => void,
  ) {
    super(name, context);
    const { platform } = this.context;
    this.sifTrailer = platform.random.bytes(SIF_TRAILER_BYTES);
    this.#plan = plan;
    this.#codecs = context.options.enabledCodecs.map((codec) => new Codec(codec));
    const { syncStreams } = plan.internal;
    this.#memberContext = { ...context, options: { ...context.options, syncStreams } };
    this.#idle = new IdleWatch(platform, () => this.settings, () => {
      if (this.members.counted === 0) this.close(Reason.ROOM_CLOSED);
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

  /** Whether `identity` could join now; one that is in already replaces itself. */
  admits(identity: string, dependent: boolean): JoinRefusal | undefined {
    if (this.#closed) return "room_closed";
    const limit = this.settings.maxParticipants;
    if (limit === 0 || dependent || this.members.get(identity) !== undefined) return undefined;
    return this.members.counted >= limit ? "room_full" : undefined;
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
    this.add(participant, participant);
    return participant;
  }

  /** Sends the join response that `compose` writes, and starts the session. */
  begin(
    participant: Session,
    compose: (others: readonly ParticipantInfo[]) => SignalMessage | undefined,
  ): void {
    const others = this.members.visibleTo(participant);
    const tracks = participant.init.autoSubscribe ? this.tracks.notOf(participant) : [];
    participant.start(compose(others), others, tracks);
    this.data.changed(participant);
    const { identity, traits: { info } } = participant;
    this.log.info("participant joined", { participant: identity, ...clientSummary(info) });
    this.announcements.participant(participant, false, false);
    this.announcements.roomChanged(false);
  }

  /**
   * The client of `participant` came back; `reconnected` is its first message if it can read it.
   */
  resume(participant: Session, sink: SignalSink, reconnected: SignalMessage): void {
    participant.resume(sink, () => {
      if (participant.traits.reconnectResponse) participant.send(reconnected);
      participant.sendInfos(this.announcements.missedDepartures(participant));
      participant.sendInfos([participant.info(), ...this.members.visibleTo(participant)]);
      participant.send({ case: "roomUpdate", value: new RoomUpdate({ room: this.info() }) });
    });
  }

  /** Takes `participant` out while its session goes on; another room is to take it over. */
  release(participant: Session): void {
    this.remove(participant);
  }

  /** Takes in a participant that another room released, and tells its client with `token`. */
  takeOver(participant: Session, token: string): void {
    participant.moveTo(this);
    this.add(participant, participant);
    this.data.changed(participant);
    const value = new RoomMovedResponse({
      room: this.info(),
      token,
      participant: participant.info(),
      otherParticipants: this.members.visibleTo(participant),
    });
    participant.send({ case: "roomMoved", value });
    for (const track of participant.tracks) this.tracks.add(participant, track);
    this.announcements.participant(participant, false, false);
    this.announcements.roomChanged(false);
    for (const { sid } of participant.tracks) this.members.offerTrack(participant, sid);
    this.autoSubscribe(participant);
    this.dataTracks.entered(participant);
  }

  /** Shows `origin`, a member of the room `from`, here as well. */
  showForwarded(origin: Origin, from: Room): void {
    const copy = new ForwardedMember(this.context, this, origin, this.log);
    this.add(copy);
    this.announcements.participant(copy, false, false);
    this.announcements.roomChanged(false);
    from.forwards.add(copy);
  }

  /** As clients and the server API see it; dependents count as publishers, not as participants. */
  override info(): RoomInfo {
    const { settings, metadata } = this.#plan;
    let publishers = 0;
    let isRecorded = false;
    for (const { profile } of this.participants()) {
      if (profile.isPublisher) publishers++;
      if (profile.isRecorder) isRecorded = true;
    }
    return Object.assign(new RoomInfo(), {
      sid: this.sid,
      name: this.name,
      emptyTimeout: settings.emptyTimeoutS,
      departureTimeout: settings.departureTimeoutS,
      maxParticipants: settings.maxParticipants,
      creationTime: BigInt(Math.trunc(this.createdAtMs / 1000)),
      creationTimeMs: BigInt(this.createdAtMs),
      enabledCodecs: [...this.#codecs],
      metadata,
      numParticipants: this.members.counted,
      numPublishers: publishers,
      activeRecording: isRecorded,
    });
  }

  /** Tells everybody. */
  setMetadata(metadata: string): void {
    this.#plan = { ...this.#plan, metadata };
    this.announcements.roomChanged(true);
  }

  /** Takes over what `request` says; clients hear of what they can see. */
  update(request: RoomRequest): void {
    const before = this.info();
    this.#plan = applyRequest(this.#plan, request);
    this.#idle.restart();
    if (!before.equals(this.info())) this.announcements.roomChanged(true);
  }

  /** Sends a packet of the server itself. */
  sendData(packet: DataPacket, kind: DataKind): void {
    this.data.send(packet, kind);
  }

  /** Ends every session, and tells clients whether to join anew; idempotent. */
  close(reason: DisconnectReason, farewell: Farewell = "disconnect"): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#idle.stop();
    for (const member of this.members.all()) member.close(reason, farewell);
    this.announcements.close();
    this.reports.close();
    this.tracks.close();
    this.link.close();
    this.ports.placement.released(this.name);
    this.log.info("room closed", { reason: Reason[reason] });
    this.onClosed(this);
    this.events.finished(reason);
  }

  protected override occupancyChanged(): void {
    if (!this.#closed) this.#idle.setOccupied(this.members.counted > 0);
  }

  protected override noteBug(error: unknown): void {
    this.log.error("room hit a bug", { error: describeError(error) });
    this.context.counters.count("room_bug");
  }
}
