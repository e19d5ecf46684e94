/**
 * Agent workers on fake sockets, and rooms that exist only as infos, for tests on virtual time.
 *
 * @module
 */
import {
  type AgentDispatch,
  AvailabilityResponse,
  type CreateAgentDispatchRequest,
  type Job,
  JobType,
  ParticipantInfo,
  ParticipantInfo_Kind as Kind,
  RegisterWorkerRequest,
  Room,
  type RoomAgentDispatch,
  ServerInfo,
  ServerMessage,
  TrackInfo,
  WorkerMessage,
} from "@livekit/protocol";
import type { PartialMessage } from "@bufbuild/protobuf";
import { AgentService, type AgentServiceOptions } from "../../../lib/agents/agent_service.ts";
import { FakeSocket } from "./scripted_client.ts";
import { settle, VirtualPlatform } from "./virtual_platform.ts";

export const WORKER_KEY = "devkey";

/** A service with virtual time and rooms made of infos. */
export class AgentWorld {
  readonly platform: VirtualPlatform;
  readonly service: AgentService;
  /** Dispatches that rooms are made with. */
  readonly configured = new Map<string, readonly RoomAgentDispatch[]>();
  readonly rooms = new Map<string, { info: Room; participants: ParticipantInfo[] }>();
  readonly removed: string[] = [];
  /** At once by default: real signing takes turns of the runtime. */
  signToken: AgentServiceOptions["signToken"] = () => Promise.resolve("a token");

  constructor(seed = 1) {
    this.platform = new VirtualPlatform(seed);
    this.service = new AgentService({
      platform: this.platform,
      signToken: (...claims) => this.signToken(...claims),
      serverInfo: new ServerInfo({ version: "1.2.3" }),
      targetLoad: 0.7,
      enableRecording: false,
      enableRedaction: false,
      rooms: {
        configured: (room) => this.configured.get(room) ?? [],
        contents: (room) => this.rooms.get(room),
        remove: (room, identity) => this.removed.push(`${room}/${identity}`),
      },
    });
  }

  /** Connects a worker and registers it. */
  async worker(registration: PartialMessage<RegisterWorkerRequest> = {}): Promise<FakeWorker> {
    const worker = new FakeWorker(this);
    worker.send({ case: "register", value: new RegisterWorkerRequest(registration) });
    await settle();
    return worker;
  }

  openRoom(name: string): Room {
    const info = new Room({ name, sid: `RM_${name}` });
    this.rooms.set(name, { info, participants: [] });
    this.service.dispatcher.roomStarted(info);
    return info;
  }

  /** Dispatches an agent to an open room, as a request wants it. */
  dispatch(request: CreateAgentDispatchRequest, requestId: string): AgentDispatch | undefined {
    const { service } = this;
    return service.dispatcher.create(service.dispatchOf(request, requestId));
  }

  join(room: Room, identity: string, kind: Kind = Kind.STANDARD): ParticipantInfo {
    const participant = new ParticipantInfo({ identity, sid: `PA_${identity}`, kind });
    this.rooms.get(room.name)!.participants.push(participant);
    this.service.dispatcher.participantConnecting(room, participant);
    return participant;
  }

  publish(room: Room, publisher: ParticipantInfo): void {
    publisher.tracks.push(new TrackInfo({ sid: `TR_${publisher.tracks.length}` }));
    this.service.dispatcher.trackPublished(room, publisher);
  }
}

/** One worker: answers offers as `answer` says. */
export class FakeWorker {
  readonly socket = new FakeSocket();
  /** Jobs that were offered. */
  readonly offered: Job[] = [];
  /** What is answered to offers; `undefined` leaves them open. */
  answer: ((job: Job) => PartialMessage<AvailabilityResponse>) | undefined = (job) => ({
    available: true,
    participantIdentity: `agent-${job.id}`,
  });
  readonly #decoded: ServerMessage["message"][] = [];
  #read = 0;

  constructor({ service }: { readonly service: Pick<AgentService, "openWorker"> }) {
    const deliver = this.socket.send.bind(this.socket);
    service.openWorker(WORKER_KEY, this.socket);
    this.socket.send = (frame) => {
      deliver(frame);
      this.#answerOffers();
    };
  }

  /** Everything the server has sent; each frame is decoded once. */
  received(): readonly ServerMessage["message"][] {
    for (const frame of this.socket.frames.slice(this.#decoded.length)) {
      const message = typeof frame === "string"
        ? ServerMessage.fromJsonString(frame)
        : ServerMessage.fromBinary(frame);
      this.#decoded.push(message.message);
    }
    return this.#decoded;
  }

  /** Jobs that were assigned. */
  get assigned(): Job[] {
    return this.received().flatMap((message) =>
      message.case === "assignment" ? [message.value.job!] : []
    );
  }

  /** Ids of the jobs the server ended. */
  get terminated(): string[] {
    return this.received().flatMap((message) =>
      message.case === "termination" ? [message.value.jobId] : []
    );
  }

  send(message: PartialMessage<WorkerMessage>["message"], json = false): void {
    const encoded = new WorkerMessage({ ...(message === undefined ? {} : { message }) });
    this.socket.onMessage(json ? encoded.toJsonString() : encoded.toBinary());
  }

  #answerOffers(): void {
    const messages = this.received();
    for (; this.#read < messages.length; this.#read++) {
      const message = messages[this.#read]!;
      if (message.case !== "availability") continue;
      const job = message.value.job!;
      this.offered.push(job);
      if (this.answer === undefined) continue;
      const value = new AvailabilityResponse({ jobId: job.id, ...this.answer(job) });
      queueMicrotask(() => this.send({ case: "availability", value }));
    }
  }
}

/** Types and targets of jobs, for comparing. */
export function describeJobs(jobs: readonly Job[]): string[] {
  return jobs.map((job) => `${JobType[job.type]} ${job.participant?.identity ?? job.room?.name}`)
    .sort();
}
