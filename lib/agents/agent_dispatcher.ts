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
import type { AgentPool, AgentWorker } from "./agent_pool.ts";
import { describeError } from "../room/context/close_reason.ts";
import type { RoomObserver } from "../room/context/room_events.ts";

/** After its dispatch was deleted an agent has this long to leave by itself, ms. */
const LEAVE_GRACE_MS = 3_000;

/**
 * Jobs a dispatch lists; in a room that is open for months, those that ended first are forgotten.
 */
export const MAX_LISTED_JOBS = 1_000;

/** What the dispatcher needs of the rooms. */
export interface AgentRooms {
  /** Dispatches the room was made with. */
  configured(room: string): readonly RoomAgentDispatch[];
  /** The open room and everybody in it; `undefined` if there is none. */
  contents(
    room: string,
  ): { readonly info: RoomInfo; readonly participants: readonly ParticipantInfo[] } | undefined;
  remove(room: string, identity: string): void;
}

/** Switches copied into every job (`agents.*`). */
export interface AgentJobOptions {
  readonly enableRecording: boolean;
  readonly enableRedaction: boolean;
}

interface RunningJob {
  readonly job: Job;
  readonly worker: AgentWorker;
}

interface OpenRoom {
  readonly sid: string;
  readonly dispatches: Map<string, AgentDispatch>;
  /** Jobs that a worker has, by id. */
  readonly running: Map<string, RunningJob>;
  /** Sids of the participants that have published. */
  readonly publishers: Set<string>;
}

/**
 * The dispatches and jobs of open rooms. A job is offered once for what causes it, belongs to the
 * worker that took it, and ends with its room, its dispatch or its agent.
 */
export class AgentDispatcher implements RoomObserver {
  readonly #open = new Map<string, OpenRoom>();
  readonly #graces = new Set<Cancel>();

  constructor(
    readonly pool: AgentPool,
    readonly rooms: AgentRooms,
    readonly platform: Platform,
    readonly options: AgentJobOptions,
  ) {}

  roomStarted(info: RoomInfo): void {
    const room: OpenRoom = {
      sid: info.sid,
      dispatches: new Map(),
      running: new Map(),
      publishers: new Set(),
    };
    this.#open.set(info.name, room);
    const configured = this.rooms.configured(info.name);
    const wanted = configured.length > 0 ? configured : [{ agentName: "", metadata: "" }];
    for (const entry of wanted) {
      const id = randomId(this.platform.random, "AD_");
      const dispatch = new AgentDispatch({ ...entry, id, room: info.name });
      this.#store(room, dispatch);
      this.#launch(room, dispatch, JobType.JT_ROOM, info);
    }
  }

  roomFinished(info: RoomInfo): void {
    const room = this.#open.get(info.name);
    if (room === undefined || room.sid !== info.sid) return;
    this.#open.delete(info.name);
    for (const { job, worker } of room.running.values()) {
      worker.terminate(job.id);
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
    this.#store(room, dispatch);
    this.#launch(room, dispatch, JobType.JT_ROOM, contents.info);
    for (const participant of contents.participants.filter((other) => !isDependent(other))) {
      this.#launch(room, dispatch, JobType.JT_PARTICIPANT, contents.info, participant);
      if (participant.tracks.length === 0) continue;
      this.#launch(room, dispatch, JobType.JT_PUBLISHER, contents.info, participant);
    }
    return dispatch.clone();
  }

  /** Ends a dispatch and its jobs; agents that do not leave soon are removed. */
  delete(roomName: string, dispatchId: string): AgentDispatch | undefined {
    const room = this.#open.get(roomName);
    const dispatch = room?.dispatches.get(dispatchId);
    if (room === undefined || dispatch === undefined) return undefined;
    room.dispatches.delete(dispatchId);
    dispatch.state!.deletedAt = this.#nowNs();
    for (const { job, worker } of [...room.running.values()]) {
      if (job.dispatchId !== dispatchId) continue;
      worker.terminate(job.id);
      this.#removeLater(roomName, job.state!.participantIdentity);
      this.#end(job, JobStatus.JS_SUCCESS, "");
      room.running.delete(job.id);
    }
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
      if (running === undefined || running.worker !== worker) continue;
      if (isEnded(status)) {
        this.#end(running.job, status, error);
        room.running.delete(jobId);
        return;
      }
      const state = running.job.state!;
      state.status = status;
      state.error = error;
      state.updatedAt = this.#nowNs();
      return;
    }
  }

  /** A worker's connection ended. Its agents may go on, but nobody can tell them anything. */
  workerGone(worker: AgentWorker): void {
    for (const room of this.#open.values()) {
      for (const [id, running] of room.running) {
        if (running.worker === worker) room.running.delete(id);
      }
    }
  }

  /** Stops waiting for agents to leave. */
  close(): void {
    for (const cancel of this.#graces) cancel();
    this.#graces.clear();
  }

  #launchForAll(info: RoomInfo, participant: ParticipantInfo, type: JobType): void {
    const room = this.#open.get(info.name);
    if (room === undefined || isDependent(participant)) return;
    for (const dispatch of room.dispatches.values()) {
      this.#launch(room, dispatch, type, info, participant);
    }
  }

  #launch(
    room: OpenRoom,
    dispatch: AgentDispatch,
    type: JobType,
    info: RoomInfo,
    participant?: ParticipantInfo,
  ): void {
    const { agentName, deployment, metadata, attributes } = dispatch;
    for (const namespace of this.pool.namespaces({ jobType: type, agentName, deployment })) {
      const job = new Job({
        id: randomId(this.platform.random, "AJ_"),
        dispatchId: dispatch.id,
        type,
        room: info,
        ...(participant === undefined ? {} : { participant }),
        namespace,
        metadata,
        agentName,
        deployment,
        attributes,
        enableRecording: this.options.enableRecording,
        enableRedaction: this.options.enableRedaction,
      });
      this.#assign(room, dispatch, job).catch((error) =>
        this.platform.log.error("agent job failed", { job: job.id, error: describeError(error) })
      );
    }
  }

  async #assign(room: OpenRoom, dispatch: AgentDispatch, job: Job): Promise<void> {
    const { log } = this.platform;
    const taken = await this.pool.assign(job);
    if (taken === undefined) {
      log.warn("no worker took an agent job", { job: job.id, agentName: job.agentName });
      return;
    }
    job.state = taken.state;
    log.info("agent job assigned", { job: job.id, worker: taken.worker.id });
    const isOver = this.#open.get(dispatch.room) !== room || !room.dispatches.has(dispatch.id);
    if (isOver) return taken.worker.terminate(job.id); // ended while the worker made up its mind
    list(dispatch.state!.jobs, job);
    if (!isEnded(job.state.status)) room.running.set(job.id, { job, worker: taken.worker });
  }

  #store(room: OpenRoom, dispatch: AgentDispatch): void {
    dispatch.state = new AgentDispatchState({ createdAt: this.#nowNs() });
    room.dispatches.set(dispatch.id, dispatch);
  }

  /** An agent that left has ended its job, whether it meant to or not. */
  #gone(info: RoomInfo, participant: ParticipantInfo): void {
    const room = this.#open.get(info.name);
    room?.publishers.delete(participant.sid);
    if (room === undefined || participant.kind !== Kind.AGENT) return;
    for (const { job, worker } of [...room.running.values()]) {
      if (job.state!.participantIdentity !== participant.identity) continue;
      worker.terminate(job.id);
      this.#end(job, JobStatus.JS_FAILED, "agent worker left the room");
      room.running.delete(job.id);
    }
  }

  #end(job: Job, status: JobStatus, error: string): void {
    const state = job.state ??= new JobState();
    const now = this.#nowNs();
    state.status = status;
    state.error = error;
    state.updatedAt = now;
    state.endedAt = now;
  }

  #removeLater(room: string, identity: string): void {
    if (identity === "") return;
    const cancel = this.platform.timers.after(LEAVE_GRACE_MS, () => {
      this.#graces.delete(cancel);
      this.rooms.remove(room, identity);
    });
    this.#graces.add(cancel);
  }

  #nowNs(): bigint {
    return BigInt(this.platform.clock.wallMs()) * 1_000_000n;
  }
}

function list(jobs: Job[], job: Job): void {
  const oldest = jobs.length < MAX_LISTED_JOBS
    ? -1
    : jobs.findIndex(({ state }) => state !== undefined && isEnded(state.status));
  if (oldest >= 0) jobs.splice(oldest, 1);
  jobs.push(job);
}

function isEnded(status: JobStatus): boolean {
  return status === JobStatus.JS_SUCCESS || status === JobStatus.JS_FAILED;
}

/** Participants that are there for others cause no jobs. */
function isDependent({ kind, permission }: ParticipantInfo): boolean {
  return kind === Kind.AGENT || kind === Kind.EGRESS || permission?.agent === true ||
    permission?.recorder === true;
}
