/**
 * Which agents go to which rooms: the dispatches of every open room, and the jobs launched for
 * them.
 *
 * A room that asks for no agents has one dispatch without a name, so unnamed agents join every
 * room; a named agent joins only where it was dispatched. A room job is launched when the room
 * opens, a participant job for each participant, a publisher job at each participant's first track.
 * Agents and recorders cause no jobs.
 *
 * @module
 */
import {
  AgentDispatch,
  AgentDispatchState,
  Job,
  JobState,
  JobStatus,
  JobType,
  type ParticipantInfo,
  ParticipantInfo_Kind as Kind,
  type Room as RoomInfo,
  type RoomAgentDispatch,
} from "@livekit/protocol";
import { randomId } from "../base/ids.ts";
import type { Cancel, Platform } from "../base/platform.ts";
import { describeError } from "../room/context/close_reason.ts";
import type { RoomObserver } from "../room/context/room_events.ts";
import type { Room } from "../room/room.ts";
import { firstDispatches } from "../room/room_creation.ts";
import type { AgentMarket } from "./agent_market.ts";
import type { AgentNews, AgentPeers } from "./agent_peers.ts";
import type { AgentWorker } from "./agent_pool.ts";
import {
  causeOf,
  isDependent,
  isEnded,
  list,
  type OpenRoom,
  openRoom,
  type RunningJob,
} from "./room_jobs.ts";

/** After its dispatch was deleted an agent has this long to leave by itself, ms. */
const LEAVE_GRACE_MS = 3_000;

/** What the dispatcher needs of the rooms. */
export interface AgentRooms {
  /** Dispatches the room was made with. */
  configured(room: string): readonly RoomAgentDispatch[];
  /** The open room and everybody in it; `undefined` if there is none. */
  contents(room: string): RoomContents | undefined;
  /** Ends an agent's session, if it is served here. */
  remove(room: string, identity: string): void;
}

/** A room that is served here. */
export interface RoomContents {
  readonly info: RoomInfo;
  readonly participants: readonly ParticipantInfo[];
  /** Sids of those whom other nodes serve. */
  readonly elsewhere?: ReadonlySet<string>;
}

/** Switches copied into every job (`agents.*`). */
export interface AgentJobOptions {
  readonly enableRecording: boolean;
  readonly enableRedaction: boolean;
}

/** What follows where rooms and workers are on several nodes. */
export interface SharedAgents {
  readonly peers: AgentPeers;
  /** Its worker is gone: somebody else is to do it. */
  lost(room: OpenRoom, running: RunningJob): void;
  /** A worker here has it, for a room that is not served here any more. */
  release(job: Job, worker: AgentWorker): void;
  /** It was served elsewhere before it was here. */
  arrived(room: OpenRoom): void;
}

/**
 * The dispatches and jobs of open rooms. A job is offered once for what causes it, belongs to the
 * worker that took it, and ends with its room, its dispatch or its agent.
 */
export class AgentDispatcher implements RoomObserver {
  readonly #open = new Map<string, OpenRoom>();
  readonly #graces = new Set<Cancel>();
  #shared: SharedAgents | undefined;

  constructor(
    readonly market: AgentMarket,
    readonly rooms: AgentRooms,
    readonly platform: Platform,
    readonly options: AgentJobOptions,
  ) {}

  /** There are other nodes; before any room is open. */
  share(shared: SharedAgents): void {
    this.#shared = shared;
  }

  get(room: string): OpenRoom | undefined {
    return this.#open.get(room);
  }

  all(): readonly OpenRoom[] {
    return [...this.#open.values()];
  }

  roomOpened(info: RoomInfo, made: boolean): void {
    if (this.#shared === undefined) return;
    const room = openRoom(info.name, info.sid);
    this.#open.set(info.name, room);
    for (const dispatch of this.#shared.peers.dispatches(info.name) ?? []) {
      this.#store(room, dispatch.clone());
    }
    if (!made) this.#shared.arrived(room);
  }

  roomStarted(info: RoomInfo): void {
    const known = this.#shared === undefined ? undefined : this.#open.get(info.name);
    const room = known ?? this.#begin(info);
    for (const dispatch of room.dispatches.values()) {
      this.#launch(room, dispatch, JobType.JT_ROOM, info);
    }
  }

  roomChanged(info: RoomInfo): void {
    const room = this.#open.get(info.name);
    const planned = this.#shared?.peers.dispatches(info.name);
    if (room === undefined || planned === undefined) return;
    const ids = new Set(planned.map(({ id }) => id));
    for (const dispatch of [...room.dispatches.values()]) {
      if (!ids.has(dispatch.id)) this.#endDispatch(room, dispatch);
    }
    for (const dispatch of planned) {
      if (room.dispatches.has(dispatch.id)) continue;
      const own = dispatch.clone();
      this.#store(room, own);
      this.#launchForPresent(room, own);
    }
  }

  roomClosed(info: RoomInfo): void {
    const room = this.#open.get(info.name);
    const shared = this.#shared;
    if (shared === undefined || room === undefined || room.sid !== info.sid) return;
    this.#open.delete(info.name);
    // Those of other nodes find out by themselves that nobody here keeps them any more.
    for (const { job, holder, node, lostAt } of room.running.values()) {
      if (node === undefined && lostAt === undefined) shared.release(job, holder as AgentWorker);
    }
    room.running.clear();
  }

  roomFinished(info: RoomInfo): void {
    const room = this.#open.get(info.name);
    if (room === undefined || room.sid !== info.sid) return;
    this.#open.delete(info.name);
    for (const { job, holder } of room.running.values()) {
      holder.terminate(job.id);
      this.#end(job, JobStatus.JS_SUCCESS, "");
    }
    room.running.clear();
  }

  participantConnecting(info: RoomInfo, participant: ParticipantInfo): void {
    this.#launchForAll(info, participant, JobType.JT_PARTICIPANT);
  }

  participantLeft(info: RoomInfo, participant: ParticipantInfo): void {
    this.#gone(info, participant);
  }

  participantConnectionAborted(info: RoomInfo, participant: ParticipantInfo): void {
    this.#gone(info, participant);
  }

  trackPublished(info: RoomInfo, publisher: ParticipantInfo): void {
    const room = this.#open.get(info.name);
    if (room === undefined || room.publishers.has(publisher.sid)) return;
    room.publishers.add(publisher.sid);
    this.#launchForAll(info, publisher, JobType.JT_PUBLISHER);
  }

  /**
   * Adds a dispatch to an open room, and launches it for everybody who is there.
   *
   * @returns The dispatch as kept, or `undefined` if there is no such room.
   */
  create(dispatch: AgentDispatch): AgentDispatch | undefined {
    const room = this.#open.get(dispatch.room);
    const contents = this.rooms.contents(dispatch.room);
    if (room === undefined || contents === undefined) return undefined;
    const known = room.dispatches.get(dispatch.id);
    if (known !== undefined) return known.clone(); // a repeated request with the same id
    dispatch.state = new AgentDispatchState({ createdAt: this.nowNs() });
    this.#store(room, dispatch);
    this.#launch(room, dispatch, JobType.JT_ROOM, contents.info);
    this.#launchForPresent(room, dispatch);
    return dispatch.clone();
  }

  /** Launches the room's job of a dispatch that all nodes know of by now. */
  launchForRoom(roomName: string, dispatchId: string): AgentDispatch | undefined {
    const room = this.#open.get(roomName);
    const dispatch = room?.dispatches.get(dispatchId);
    const contents = this.rooms.contents(roomName);
    if (room === undefined || dispatch === undefined || contents === undefined) return undefined;
    this.#launch(room, dispatch, JobType.JT_ROOM, contents.info);
    return dispatch.clone();
  }

  /** Ends a dispatch and its jobs; agents that do not leave soon are removed. */
  delete(roomName: string, dispatchId: string): AgentDispatch | undefined {
    const room = this.#open.get(roomName);
    const dispatch = room?.dispatches.get(dispatchId);
    if (room === undefined || dispatch === undefined) return undefined;
    this.#endDispatch(room, dispatch);
    return dispatch.clone();
  }

  /** Dispatches of an open room, all or the one named; `undefined` if there is no such room. */
  list(roomName: string, dispatchId: string): AgentDispatch[] | undefined {
    const room = this.#open.get(roomName);
    if (room === undefined) return undefined;
    return [...room.dispatches.values()]
      .filter(({ id }) => dispatchId === "" || id === dispatchId)
      .map((dispatch) => dispatch.clone());
  }

  /** A worker said how a job is. */
  jobUpdated(worker: AgentWorker, jobId: string, status: JobStatus, error: string): void {
    for (const room of this.#open.values()) {
      const running = room.running.get(jobId);
      if (running?.holder === worker) return this.updated(room, running, status, error);
    }
  }

  /** How a job is that is kept here. */
  updated(room: OpenRoom, running: RunningJob, status: JobStatus, error: string): void {
    if (isEnded(status)) return this.#over(room, running.job, status, error);
    const state = running.job.state!;
    state.status = status;
    state.error = error;
    state.updatedAt = this.nowNs();
  }

  /** A worker's connection ended. Its agents may go on, but nobody can tell them anything. */
  workerGone(worker: AgentWorker): void {
    for (const room of this.#open.values()) {
      for (const [id, running] of room.running) {
        if (running.holder !== worker) continue;
        if (this.#shared === undefined) room.running.delete(id);
        else this.#shared.lost(room, running);
      }
    }
  }

  /** What another node that shares a room says of its agents. */
  told({ kind, room: name, sid, subject, namespace }: AgentNews): void {
    const room = this.#open.get(name);
    if (room?.sid !== sid) return;
    if (kind === "left") this.#agentLeft(room, subject);
    if (kind === "expel") this.rooms.remove(name, subject);
    if (kind !== "done") return;
    room.done.add(causeOf(new Job({ type: JobType.JT_ROOM, dispatchId: subject, namespace })));
  }

  /** A job is to be done by somebody else. @returns Whether somebody took it. */
  async relaunch(room: OpenRoom, { type, dispatchId, namespace, participant }: Job) {
    const dispatch = room.dispatches.get(dispatchId);
    const contents = this.rooms.contents(room.name);
    if (dispatch === undefined || contents === undefined) return true;
    const present = contents.participants.find(({ sid }) => sid === participant?.sid);
    if (type !== JobType.JT_ROOM && present === undefined) return true;
    const job = this.#jobOf(dispatch, type, namespace, contents.info, present);
    await this.#assign(room, dispatch, job);
    return room.running.has(job.id) || isEnded(job.state?.status ?? JobStatus.JS_PENDING);
  }

  /** Stops waiting for agents to leave. */
  close(): void {
    for (const cancel of this.#graces) cancel();
    this.#graces.clear();
  }

  #begin(info: RoomInfo): OpenRoom {
    const room = openRoom(info.name, info.sid);
    this.#open.set(info.name, room);
    const configured = this.rooms.configured(info.name);
    for (const dispatch of firstDispatches(info.name, configured, this.platform)) {
      this.#store(room, dispatch);
    }
    return room;
  }

  #launchForAll(info: RoomInfo, participant: ParticipantInfo, type: JobType): void {
    const room = this.#open.get(info.name);
    if (room === undefined || isDependent(participant)) return;
    for (const dispatch of room.dispatches.values()) {
      this.#launch(room, dispatch, type, info, participant);
    }
  }

  /** Each node does so for those whom it serves. */
  #launchForPresent(room: OpenRoom, dispatch: AgentDispatch): void {
    const contents = this.rooms.contents(room.name);
    if (contents === undefined) return;
    const { info, participants, elsewhere } = contents;
    for (const participant of participants) {
      if (isDependent(participant) || elsewhere?.has(participant.sid)) continue;
      this.#launch(room, dispatch, JobType.JT_PARTICIPANT, info, participant);
      if (participant.tracks.length === 0) continue;
      this.#launch(room, dispatch, JobType.JT_PUBLISHER, info, participant);
    }
  }

  #launch(
    room: OpenRoom,
    dispatch: AgentDispatch,
    type: JobType,
    info: RoomInfo,
    participant?: ParticipantInfo,
  ): void {
    const { agentName, deployment } = dispatch;
    for (const namespace of this.market.namespaces({ jobType: type, agentName, deployment })) {
      const job = this.#jobOf(dispatch, type, namespace, info, participant);
      this.#assign(room, dispatch, job).catch((error) =>
        this.platform.log.error("agent job failed", { job: job.id, error: describeError(error) })
      );
    }
  }

  #jobOf(
    dispatch: AgentDispatch,
    type: JobType,
    namespace: string,
    info: RoomInfo,
    participant?: ParticipantInfo,
  ): Job {
    const { id: dispatchId, agentName, deployment, metadata, attributes } = dispatch;
    const { enableRecording, enableRedaction } = this.options;
    return new Job({
      id: randomId(this.platform.random, "AJ_"),
      dispatchId,
      type,
      room: info,
      ...(participant === undefined ? {} : { participant }),
      namespace,
      metadata,
      agentName,
      deployment,
      attributes,
      enableRecording,
      enableRedaction,
    });
  }

  async #assign(room: OpenRoom, dispatch: AgentDispatch, job: Job): Promise<void> {
    const { log } = this.platform;
    room.offered.set(job.id, job);
    const taken = await this.market.assign(job).finally(() => room.offered.delete(job.id));
    if (taken === undefined) {
      log.warn("no worker took an agent job", { job: job.id, agentName: job.agentName });
      return;
    }
    const { holder, node, state } = taken;
    job.state = state;
    log.info("agent job assigned", { job: job.id, worker: state.workerId });
    const isClosed = this.#open.get(dispatch.room) !== room;
    if (isClosed && this.#shared !== undefined) {
      // Wherever the room goes on it is kept by somebody else.
      if (node === undefined) this.#shared.release(job, holder as AgentWorker);
      return;
    }
    if (isClosed || !room.dispatches.has(dispatch.id)) {
      return holder.terminate(job.id); // ended while the worker made up its mind
    }
    list(dispatch, job);
    if (isEnded(job.state.status)) this.#done(room, job);
    else room.running.set(job.id, { job, holder, node });
  }

  #store(room: OpenRoom, dispatch: AgentDispatch): void {
    dispatch.state ??= new AgentDispatchState({ createdAt: this.nowNs() });
    room.dispatches.set(dispatch.id, dispatch);
  }

  #endDispatch(room: OpenRoom, dispatch: AgentDispatch): void {
    room.dispatches.delete(dispatch.id);
    dispatch.state!.deletedAt = this.nowNs();
    for (const { job, holder } of [...room.running.values()]) {
      if (job.dispatchId !== dispatch.id) continue;
      holder.terminate(job.id);
      this.#removeLater(room, job.state!.participantIdentity);
      this.#end(job, JobStatus.JS_SUCCESS, "");
      room.running.delete(job.id);
    }
  }

  /** An agent that left has ended its job, whether it meant to or not. */
  #gone(info: RoomInfo, participant: ParticipantInfo): void {
    const room = this.#open.get(info.name);
    room?.publishers.delete(participant.sid);
    if (room === undefined || participant.kind !== Kind.AGENT) return;
    const { identity } = participant;
    if (!this.#agentLeft(room, identity)) this.#tell(room, { kind: "left", subject: identity });
  }

  #agentLeft(room: OpenRoom, identity: string): boolean {
    let isAny = false;
    for (const { job, holder } of [...room.running.values()]) {
      if (job.state!.participantIdentity !== identity) continue;
      isAny = true;
      holder.terminate(job.id);
      this.#over(room, job, JobStatus.JS_FAILED, "agent worker left the room");
    }
    return isAny;
  }

  #over(room: OpenRoom, job: Job, status: JobStatus, error: string): void {
    this.#end(job, status, error);
    room.running.delete(job.id);
    this.#done(room, job);
  }

  /** What is done is not done again when its keeper dies. */
  #done(room: OpenRoom, job: Job): void {
    if (this.#shared === undefined || job.type !== JobType.JT_ROOM) return;
    room.done.add(causeOf(job));
    this.#tell(room, { kind: "done", subject: job.dispatchId, namespace: job.namespace });
  }

  #tell(room: OpenRoom, news: Pick<AgentNews, "kind" | "subject"> & Partial<AgentNews>): void {
    const { name, sid } = room;
    for (const node of this.#shared?.peers.sharing(name) ?? []) {
      this.#shared!.peers.tell(node, { namespace: "", room: name, sid, ...news });
    }
  }

  #end(job: Job, status: JobStatus, error: string): void {
    const state = job.state ??= new JobState();
    const now = this.nowNs();
    state.status = status;
    state.error = error;
    state.updatedAt = now;
    state.endedAt = now;
  }

  /** A job whose worker is gone, and its agent with it. */
  fail(room: OpenRoom, { job }: RunningJob, error: string): void {
    this.#end(job, JobStatus.JS_FAILED, error);
    room.running.delete(job.id);
  }

  #removeLater(room: OpenRoom, identity: string): void {
    if (identity === "") return;
    const cancel = this.platform.timers.after(LEAVE_GRACE_MS, () => {
      this.#graces.delete(cancel);
      this.rooms.remove(room.name, identity);
      this.#tell(room, { kind: "expel", subject: identity });
    });
    this.#graces.add(cancel);
  }

  /** Unix nanoseconds, as dispatches and jobs have them. */
  nowNs(): bigint {
    return BigInt(this.platform.clock.wallMs()) * 1_000_000n;
  }
}

/** A room as the dispatcher sees it. */
export function roomContents(room: Pick<Room, "info" | "participants">): RoomContents {
  const members = [...room.participants()];
  return {
    info: room.info(),
    participants: members.map((member) => member.info()),
    elsewhere: new Set(members.flatMap(({ sid, elsewhere }) => elsewhere ? [sid] : [])),
  };
}
