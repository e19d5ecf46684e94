/**
 * One agent worker's socket (`/agent`): registration, keep-alive, job offers and their answers.
 *
 * Contract: a worker registers within {@linkcode REGISTER_TIMEOUT_MS} or its socket closes; a
 * message that cannot be read, or has no place here, closes the socket; every offer is answered
 * once, by the worker, by time, or by the end of the socket.
 *
 * @module
 */
import {
  type AvailabilityResponse,
  Job,
  JobState,
  JobStatus,
  JobType,
  ParticipantPermission,
  type RegisterWorkerRequest,
  type ServerInfo,
  ServerMessage,
  type SimulateJobRequest,
  WorkerMessage,
  WorkerStatus,
} from "@livekit/protocol";
import type { PartialMessage } from "@bufbuild/protobuf";
import { randomId } from "../base/ids.ts";
import type { Cancel, Platform } from "../base/platform.ts";
import type { AgentWorker, JobOffer } from "./agent_pool.ts";
import { describeError } from "../room/context/close_reason.ts";
import { decodeMessage, encodingOf, type FrameEncoding } from "../signalling/signal_codec.ts";
import {
  CLOSE_CODE,
  DEFAULT_BUFFERED_BYTES,
  isUnread,
  type SignalSocket,
} from "../signalling/signal_socket.ts";

/** From the open socket to `register`. */
const REGISTER_TIMEOUT_MS = 10_000;
/** From a job offer to the worker's answer. */
const AVAILABILITY_TIMEOUT_MS = 10_000;
const MAX_DEPLOYMENT_BYTES = 64;
/** Offers a worker may leave without an answer; beyond that it takes no jobs. */
const MAX_OFFERS = 1_000;
/** Attribute that tells participants which agent they are talking to. */
const AGENT_NAME_ATTRIBUTE = "lk.agent_name";

type OutgoingMessage = NonNullable<PartialMessage<ServerMessage>["message"]>;

/** Who an assigned agent will be in the room. */
export interface AgentIdentity {
  readonly room: string;
  readonly identity: string;
  readonly name: string;
  readonly metadata: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly permission: ParticipantPermission;
}

export interface AgentWorkerSessionOptions {
  readonly platform: Platform;
  readonly serverInfo: ServerInfo;
  /** Bytes the worker may leave unread; 0 is no limit. */
  readonly maxBufferedBytes?: number | undefined;
  /** Signs an agent's token with the key the worker itself came with. */
  readonly signToken: (agent: AgentIdentity) => Promise<string>;
  /** Registered: it may be offered jobs. */
  readonly onRegistered: (worker: AgentWorkerSession) => void;
  readonly onJobUpdated: (
    worker: AgentWorkerSession,
    jobId: string,
    status: JobStatus,
    error: string,
  ) => void;
  /** Called once, also for a worker that never registered. */
  readonly onClosed: (worker: AgentWorkerSession) => void;
}

/**
 * One worker's socket. Every offer is answered once, by the worker, by time, or by the end of the
 * socket; a frame that has no place here closes it.
 */
export class AgentWorkerSession implements AgentWorker {
  readonly id: string;
  jobType = JobType.JT_ROOM;
  agentName = "";
  namespace = "";
  deployment = "";
  status = WorkerStatus.WS_AVAILABLE;
  load = 0;
  readonly #socket: SignalSocket;
  readonly #options: AgentWorkerSessionOptions;
  readonly #offers = new Map<string, (answer: AvailabilityResponse | undefined) => void>();
  #permission = new ParticipantPermission();
  #encoding: FrameEncoding = "binary";
  #registered = false;
  #closed = false;
  #cancelRegister: Cancel;

  constructor(socket: SignalSocket, options: AgentWorkerSessionOptions) {
    const { random, timers } = options.platform;
    this.id = randomId(random, "AW_");
    this.#socket = socket;
    this.#options = options;
    this.#cancelRegister = timers.after(
      REGISTER_TIMEOUT_MS,
      () => this.#end("did not register in time"),
    );
    socket.onMessage = (frame) => this.#receive(frame);
    socket.onClose = () => this.#closedByPeer();
  }

  async offer(job: Job): Promise<JobOffer> {
    const { clock } = this.#options.platform;
    const now = BigInt(clock.wallMs()) * 1_000_000n;
    const state = job.state = new JobState({
      workerId: this.id,
      status: JobStatus.JS_RUNNING,
      startedAt: now,
      updatedAt: now,
    });
    const answer = await this.#ask(job);
    if (answer === "timeout") return { outcome: "timeout" };
    if (answer === undefined) return { outcome: "declined" };
    if (answer.terminate) {
      state.status = JobStatus.JS_SUCCESS;
      state.endedAt = now;
      return { outcome: "taken", state };
    }
    if (!answer.available) return { outcome: "declined" };
    state.participantIdentity = answer.participantIdentity;
    const token = await this.#options.signToken({
      room: job.room?.name ?? "",
      identity: answer.participantIdentity,
      name: answer.participantName,
      metadata: answer.participantMetadata,
      attributes: { ...answer.participantAttributes, [AGENT_NAME_ATTRIBUTE]: this.agentName },
      permission: this.#permission,
    });
    if (this.#closed) return { outcome: "declined" };
    this.#send({ case: "assignment", value: { job, token } });
    return { outcome: "taken", state };
  }

  terminate(jobId: string): void {
    this.#send({ case: "termination", value: { jobId } });
  }

  /** Ends the socket. Idempotent. */
  close(): void {
    this.#end("server is shutting down", CLOSE_CODE.normal);
  }

  /** One availability request; `undefined` when the socket ends first. */
  #ask(job: Job): Promise<AvailabilityResponse | "timeout" | undefined> {
    if (this.#closed || this.#offers.size >= MAX_OFFERS) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const cancel = this.#options.platform.timers.after(AVAILABILITY_TIMEOUT_MS, () => {
        this.#offers.delete(job.id);
        resolve("timeout");
      });
      this.#offers.set(job.id, (answer) => {
        this.#offers.delete(job.id);
        cancel();
        resolve(answer);
      });
      this.#send({ case: "availability", value: { job, resuming: false } });
    });
  }

  #receive(frame: Uint8Array | string): void {
    if (this.#closed) return;
    this.#encoding = encodingOf(frame);
    const message = decodeWorkerMessage(frame);
    if (message === undefined) return this.#end("cannot read the message");
    try {
      this.#handle(message.message);
    } catch (error) {
      this.#options.platform.log.error("agent worker hit a bug", { error: describeError(error) });
      this.#end("internal error");
    }
  }

  #handle(message: WorkerMessage["message"]): void {
    if (message.case === "ping") {
      const timestamp = BigInt(this.#options.platform.clock.wallMs());
      const { timestamp: lastTimestamp } = message.value;
      return this.#send({ case: "pong", value: { lastTimestamp, timestamp } });
    }
    if (!this.#registered) {
      if (message.case === "register") return this.#register(message.value);
      return this.#end("must register first");
    }
    switch (message.case) {
      case "availability":
        this.#offers.get(message.value.jobId)?.(message.value);
        return;
      case "updateWorker":
        this.status = message.value.status ?? this.status;
        this.load = Math.min(1, Math.max(0, message.value.load || 0));
        return;
      case "updateJob": {
        const { jobId, status, error } = message.value;
        return this.#options.onJobUpdated(this, jobId, status, error);
      }
      case "simulateJob":
        return this.#simulate(message.value);
      case "migrateJob":
        return; // nothing to migrate to on one node
      default:
        return this.#end("unexpected message");
    }
  }

  #register(request: RegisterWorkerRequest): void {
    const { type, deployment } = request;
    if (JobType[type] === undefined) return this.#end("unknown job type");
    if (!isDeployment(deployment)) return this.#end("invalid deployment");
    this.#cancelRegister();
    this.#registered = true;
    this.jobType = type;
    this.agentName = request.agentName;
    this.namespace = request.namespace ?? "";
    this.deployment = deployment;
    this.#permission = request.allowedPermissions ?? new ParticipantPermission({
      canSubscribe: true,
      canPublish: true,
      canPublishData: true,
      canUpdateMetadata: true,
    });
    const { serverInfo } = this.#options;
    this.#send({ case: "register", value: { workerId: this.id, serverInfo } });
    this.#options.onRegistered(this);
  }

  /** A developer's try-out: a job of the worker's own making, offered to itself. */
  #simulate({ room, participant }: SimulateJobRequest): void {
    const job = new Job({
      id: randomId(this.#options.platform.random, "AJ_"),
      type: participant === undefined ? JobType.JT_ROOM : JobType.JT_PUBLISHER,
      ...(room === undefined ? {} : { room }),
      ...(participant === undefined ? {} : { participant }),
      namespace: this.namespace,
      agentName: this.agentName,
    });
    this.offer(job).catch((error) =>
      this.#options.platform.log.error("simulated agent job failed", {
        error: describeError(error),
      })
    );
  }

  #send(message: OutgoingMessage): void {
    if (this.#closed) return;
    const encoded = new ServerMessage({ message });
    const frame = this.#encoding === "json" ? encoded.toJsonString() : encoded.toBinary();
    const { maxBufferedBytes = DEFAULT_BUFFERED_BYTES } = this.#options;
    if (isUnread(this.#socket, frame.length, maxBufferedBytes)) return this.#end("too slow");
    this.#socket.send(frame);
  }

  #end(reason: string, code: number = CLOSE_CODE.policy): void {
    if (this.#closed) return;
    this.#socket.close(code, reason);
    this.#closedByPeer();
  }

  #closedByPeer(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelRegister();
    for (const settle of [...this.#offers.values()]) settle(undefined);
    this.#options.onClosed(this);
  }
}

/** Reads one frame; `undefined` if it is no worker message. */
export function decodeWorkerMessage(frame: Uint8Array | string): WorkerMessage | undefined {
  return decodeMessage(WorkerMessage, frame);
}

/** Deployment names become parts of topics, which `_` and blanks would break. */
function isDeployment(name: string): boolean {
  return new TextEncoder().encode(name).length <= MAX_DEPLOYMENT_BYTES && !/[_\s]/.test(name);
}
