/**
 * One room: who may come, how they come and go, and what the server asks of it.
 *
 * Contract: an identity is in the room at most once; a participant that has closed is in no list
 * when the others hear of it; after {@linkcode Room.close} the room takes nobody in.
 *
 * @module
 */
import {
  type AgentDispatch,
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
import type { NodeId } from "../base/ids.ts";
import type { DataKind } from "../base/media_vocabulary.ts";
import { clientSummary } from "./context/client_summary.ts";
import type { SignalMessage, SignalSink } from "./context/signal_message.ts";
import { ForwardedMember, type Origin } from "./participant/forwarded_member.ts";
import { Session } from "./participant/session.ts";
import type { ParticipantInit } from "./context/participant_profile.ts";
import { RoomForMembers } from "./room_for_members.ts";
import type { RoomContext } from "./context/room_context.ts";
import type { RoomWitness } from "./context/room_witness.ts";
import type { LoudestAudioOptions } from "./context/room_options.ts";
import type { RoomRecord, TokenBan } from "./context/node_ports.ts";
import { type Claim, isOlderClaim } from "./context/room_claim.ts";
import {
  isLocked,
  planText,
  type RoomInternal,
  type RoomPlan,
  type RoomSettings,
} from "./context/room_plan.ts";
import { LoudestRule, loudestRule } from "./loudest_rule.ts";
import { RoomStay } from "./room_stay.ts";
import { IdleWatch } from "./idle_watch.ts";

/** Random bytes that mark frames the server makes up where media is end-to-end encrypted. */
const SIF_TRAILER_BYTES = 16;

/** Why somebody cannot join. */
export type JoinRefusal =
  | "room_full"
  | "room_closed"
  /** Its identity has been taken, by somebody who came later. */
  | "replaced";

/** One room, as the server asks it; what its members ask is in its base. */
export class Room extends RoomForMembers {
  readonly sifTrailer: Uint8Array;
  readonly #serverContext: RoomContext;
  readonly #idle: IdleWatch;
  /** As clients are told of them: the same objects each time, so that they are encoded once. */
  readonly #codecs: readonly Codec[];
  readonly #stay: RoomStay;
  readonly #loudest: LoudestRule;
  #record: RoomRecord;
  #closed = false;
  /** Recordings of it that this node makes. */
  #recordings = 0;

  constructor(
    name: string,
    record: RoomRecord,
    context: RoomContext,
    readonly onClosed: (room: Room) => void,
  ) {
    super(name, record, context);
    const { platform } = this.context;
    this.sifTrailer = platform.random.bytes(SIF_TRAILER_BYTES);
    this.#record = record;
    this.#codecs = context.options.enabledCodecs.map((codec) => new Codec(codec));
    this.#serverContext = context;
    this.#loudest = new LoudestRule(this.sid, (command) => context.router.send(command));
    this.#stay = new RoomStay(this, this.members, platform, this.ports.placement);
    this.#idle = new IdleWatch(platform, () => this.settings, () => {
      if (this.members.counted === 0) this.#stay.end();
    });
  }

  get settings(): RoomSettings {
    return this.#record.plan.settings;
  }

  get internal(): RoomInternal {
    return this.#record.plan.internal;
  }

  get forwardsLoudest(): boolean {
    return this.#loudestRule.tracks > 0;
  }

  get #loudestRule(): LoudestAudioOptions {
    return loudestRule(this.internal.tags, this.context.options.loudestAudio);
  }

  /** Whether nobody new may join. */
  get locked(): boolean {
    return isLocked(this.#record.plan);
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
    if (isOlderClaim(init.claim, this.members.get(init.identity)?.claim)) return "replaced";
    const participant = this.#session(init, sink);
    this.add(participant, participant);
    return participant;
  }

  #session(init: ParticipantInit, sink: SignalSink): Session {
    const given = this.#memberContext();
    const { tracing } = given;
    if (tracing === undefined) return new Session(given, this, init, sink, this.log);
    const followed = tracing.begin(given, this.name, init, this.log);
    const session = new Session(followed.context, this, init, sink, followed.log);
    tracing.keep(session, followed);
    return session;
  }

  /** What a participant is given: choices of the room over the server's. */
  #memberContext(): RoomContext {
    const { syncStreams, playoutDelay } = this.internal;
    const context = this.#serverContext;
    return { ...context, options: { ...context.options, syncStreams, playoutDelay } };
  }

  /** Sends the join response that `compose` writes, and starts the session. */
  begin(
    participant: Session,
    compose: (others: readonly ParticipantInfo[]) => SignalMessage | undefined,
  ): void {
    const others = this.members.visibleTo(participant);
    const tracks = participant.init.autoSubscribe ? this.tracks.notOf(participant) : [];
    participant.start(compose(others), others, tracks);
    const traced = this.context.tracing?.answered(participant);
    this.data.changed(participant);
    this.tellOthers(participant);
    const { identity, traits: { info } } = participant;
    const named = { participant: identity, ...clientSummary(info), ...traced };
    this.log.info("participant joined", named);
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
  takeOver(participant: Session, token: string, claim?: Claim): void {
    participant.moveTo(this, claim);
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
  showForwarded(origin: Origin, from: Room, claim?: Claim): void {
    const copy = new ForwardedMember(this.context, this, origin, this.log, claim);
    this.add(copy);
    this.announcements.participant(copy, false, false);
    this.announcements.roomChanged(false);
    from.forwards.add(copy);
  }

  /** As clients and the server API see it; dependents count as publishers, not as participants. */
  override info(): RoomInfo {
    const { settings, metadata } = this.#record.plan;
    let publishers = 0;
    let isRecorded = this.#recordings > 0;
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

  /** There are so many recordings more, or fewer; clients are shown whether there is one. */
  recordingChanged(by: number): void {
    const before = this.#recordings;
    this.#recordings += by;
    const isNews = before > 0 !== this.#recordings > 0;
    if (!isNews || this.#closed) return;
    this.announcements.roomChanged(true);
    this.#stay.look();
  }

  /** By this node, which keeps the room for that. */
  get isRecorded(): boolean {
    return this.#recordings > 0;
  }

  /**
   * Tells `witness` of what everybody may know, from now on.
   *
   * @returns Ends that.
   */
  witness(witness: RoomWitness): () => void {
    const change = (changes: () => void) => {
      const before = this.data.recorded;
      changes();
      if (this.data.recorded === before) return;
      for (const session of this.members.sessions()) this.data.changed(session);
    };
    change(() => this.data.witnesses.add(witness));
    return () => change(() => this.data.witnesses.remove(witness));
  }

  /** As nodes that share the room know it. */
  get record(): RoomRecord {
    return this.#record;
  }

  /** Tells everybody. @throws SfuError If that cannot be agreed upon with other nodes now. */
  async setMetadata(metadata: string): Promise<void> {
    const { metadata: before } = this.#record.plan;
    await this.#change((plan) => ({ ...plan, metadata }));
    if (metadata === before) this.announcements.roomChanged(true);
  }

  /** Sets these tags and keeps the others. Throws as {@linkcode Room.setMetadata}. */
  async setTags(tags: Readonly<Record<string, string>>): Promise<void> {
    await this.#change((plan) => {
      const { internal } = plan;
      return { ...plan, internal: { ...internal, tags: { ...internal.tags, ...tags } } };
    });
  }

  /**
   * Changes which agents are dispatched, for all nodes; `change` may be asked again.
   *
   * @throws SfuError If that cannot be agreed upon with other nodes now.
   */
  async changeDispatches(
    change: (dispatches: readonly AgentDispatch[]) => readonly AgentDispatch[],
  ): Promise<void> {
    await this.#change((plan) => {
      const { internal } = plan;
      const dispatches = change(internal.dispatches ?? []);
      return { ...plan, internal: { ...internal, dispatches } };
    });
  }

  /**
   * The room has been changed; what is not newer than what is known changes nothing.
   *
   * @param isAgreed All nodes agree upon it: of two records of one version it is the one.
   */
  adopt(record: RoomRecord, isAgreed = false): void {
    const { sid, version, plan } = this.#record;
    if (record.sid !== sid || record.version < version) return;
    const isOther = isAgreed && planText(record.plan) !== planText(plan);
    if (record.version > version || isOther) this.#set(record);
  }

  /** Sends a packet of the server itself. */
  sendData(packet: DataPacket, kind: DataKind): void {
    this.data.send(packet, kind);
  }

  /** Ends the room, which was so by this node's word; idempotent. */
  close(reason: DisconnectReason, farewell: Farewell = "disconnect"): void {
    if (!this.#closed) this.finish(reason, farewell);
  }

  /** As {@linkcode close}, and the world is told although it may have ended here before. */
  finish(reason: DisconnectReason, farewell: Farewell = "disconnect"): void {
    if (!this.#closed) this.link.ended(reason);
    this.abandon(reason, farewell);
    this.events.finished(reason);
  }

  /** Tells other nodes whose tokens are refused from now on. */
  bar(ban: TokenBan): void {
    this.link.barred(ban);
  }

  /** What other nodes have told so far is known when this resolves, or it takes too long. */
  settled(): Promise<void> {
    return this.link.settled();
  }

  /** Shares the room with other nodes; resolves when they have told whom they serve. */
  meet(nodes: readonly NodeId[]): Promise<void> {
    return this.link.meet(nodes);
  }

  /** Ends every session, and tells clients whether to join anew; the room may go on elsewhere. */
  abandon(reason: DisconnectReason, farewell: Farewell = "disconnect"): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#idle.stop();
    this.#stay.stop();
    this.#loudest.end();
    for (const member of this.members.all()) member.close(reason, farewell);
    this.announcements.close();
    this.reports.close();
    this.tracks.close();
    this.link.close();
    this.log.info("room closed", { reason: Reason[reason] });
    this.onClosed(this);
  }

  /**
   * The room has ended unnoticed, while nodes or the directory were away. Its clients are to join
   * anew where there is another one of its name, and one of all nodes tells the world.
   */
  supersede(isReplaced: boolean): void {
    if (this.#closed) return;
    const reason = isReplaced ? Reason.STATE_MISMATCH : Reason.ROOM_DELETED;
    this.abandon(reason, isReplaced ? "reconnect" : "disconnect");
    this.ports.placement?.lastWord(this.name, this.sid).then((isOurs) => {
      if (isOurs) this.events.finished(reason);
    }, () => {
      // The directory is away again.
    });
  }

  protected override occupancyChanged(): void {
    if (this.#closed) return;
    const { counted } = this.members;
    this.#idle.setOccupied(counted > 0);
    this.#stay.look();
    this.#loudest.look(this.#loudestRule, counted);
  }

  /** Changes the plan for all nodes, however often others are faster. */
  async #change(change: (plan: RoomPlan) => RoomPlan): Promise<void> {
    const { placement } = this.ports;
    for (let record = this.#record;;) {
      const { version, plan } = record;
      const wanted = change(plan);
      if (placement === undefined) {
        return this.#set({ ...record, version: version + 1, plan: wanted });
      }
      const known = this.#record;
      const outcome = await placement.update(this.name, this.sid, version, wanted);
      if (outcome === undefined || outcome.record.sid !== this.sid) return;
      // A later change by somebody else may be heard of before this answer.
      const heard = this.#record;
      const isOvertaken = heard !== known && heard.version > outcome.record.version;
      record = isOvertaken ? heard : outcome.record;
      // What all agree upon holds, whatever somebody said it was.
      if (!isOvertaken) this.#set(record);
      if (outcome.done) return this.link.planned(outcome.record);
    }
  }

  #set(record: RoomRecord): void {
    if (this.#closed) return;
    const before = this.info();
    const { forwardsLoudest } = this;
    this.#record = record;
    this.#idle.restart();
    this.#loudest.look(this.#loudestRule, this.members.counted);
    if (this.forwardsLoudest !== forwardsLoudest) {
      for (const { subscriptions } of this.members.allSessions()) subscriptions.wishAgain();
    }
    if (!before.equals(this.info())) this.announcements.roomChanged(true);
    this.events.changed();
  }

  protected override noteBug(error: unknown): void {
    this.log.error("room hit a bug", { error: describeError(error) });
    this.context.counters.count("room_bug");
  }
}
