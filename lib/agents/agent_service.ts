/**
 * Agents on this node: worker sockets in, jobs and tokens out, dispatches for the server API.
 *
 * @module
 */
import {
  AgentDispatch,
  type CreateAgentDispatchRequest,
  ParticipantInfo_Kind,
  type ServerInfo,
} from "@livekit/protocol";
import type { Platform } from "../base/platform.ts";
import { AgentDispatcher, type AgentJobOptions, type AgentRooms } from "./agent_dispatcher.ts";
import { AgentPool } from "./agent_pool.ts";
import type { TokenClaims } from "../signalling/access_token.ts";
import { type AgentIdentity, AgentWorkerSession } from "./agent_worker_session.ts";
import { permissionClaims } from "../signalling/permission_claims.ts";
import { idForRequest } from "../signalling/request_id.ts";
import type { SignalSocket } from "../signalling/signal_socket.ts";

/** How long an agent may wait before it uses its token. */
const AGENT_TOKEN_VALID_MS = 3_600_000;

export interface AgentServiceOptions extends AgentJobOptions {
  readonly platform: Platform;
  readonly rooms: AgentRooms;
  /** Signs claims with the secret of `apiKey`. */
  readonly signToken: (
    apiKey: string,
    claims: TokenClaims,
    nowMs: number,
    validForMs: number,
  ) => Promise<string>;
  readonly serverInfo: ServerInfo;
  /** Bytes one worker may leave unread (`limit.signal_buffer_limit`); 0 is no limit. */
  readonly maxBufferedBytes?: number;
  /** `agents.target_load`. */
  readonly targetLoad: number;
}

/** The agents of this node. After `close` every worker's socket is closed and no job is offered. */
export class AgentService {
  /** Put it among the rooms' observers; it answers the server API, too. */
  readonly dispatcher: AgentDispatcher;
  readonly #options: AgentServiceOptions;
  readonly #pool: AgentPool;
  readonly #sessions = new Set<AgentWorkerSession>();

  constructor(options: AgentServiceOptions) {
    const { platform, rooms, targetLoad } = options;
    this.#options = options;
    this.#pool = new AgentPool(platform.random, targetLoad);
    this.dispatcher = new AgentDispatcher(this.#pool, rooms, platform, options);
  }

  /** Registered workers. */
  get workers(): number {
    return this.#pool.size;
  }

  /** Takes a worker's socket; `apiKey` signed its token, and signs those of its agents. */
  openWorker(apiKey: string, socket: SignalSocket): void {
    const { platform, serverInfo, maxBufferedBytes } = this.#options;
    const session = new AgentWorkerSession(socket, {
      platform,
      serverInfo,
      maxBufferedBytes,
      signToken: (agent) => this.#signToken(apiKey, agent),
      onRegistered: (worker) => {
        this.#pool.add(worker);
        const { id, jobType, agentName, namespace } = worker;
        platform.log.info("agent worker registered", { worker: id, jobType, agentName, namespace });
      },
      onJobUpdated: (worker, jobId, status, error) =>
        this.dispatcher.jobUpdated(worker, jobId, status, error),
      onClosed: (worker) => {
        this.#sessions.delete(worker);
        this.#pool.remove(worker);
        this.dispatcher.workerGone(worker);
        platform.log.info("agent worker gone", { worker: worker.id });
      },
    });
    this.#sessions.add(session);
  }

  /**
   * Dispatches an agent to an open room.
   *
   * @param requestId The same for every attempt of one request, which gets the same dispatch; or
   *   empty.
   */
  createDispatch(
    request: CreateAgentDispatchRequest,
    requestId: string,
  ): AgentDispatch | undefined {
    const { agentName, room, metadata, restartPolicy, deployment, attributes } = request;
    const id = idForRequest("AD_", requestId, this.#options.platform.random);
    return this.dispatcher.create(
      new AgentDispatch({ id, agentName, room, metadata, restartPolicy, deployment, attributes }),
    );
  }

  /** Ends every worker's socket. */
  close(): void {
    this.dispatcher.close();
    for (const session of [...this.#sessions]) session.close();
  }

  #signToken(apiKey: string, agent: AgentIdentity): Promise<string> {
    const { signToken, platform } = this.#options;
    const { room, identity, name, metadata, attributes, permission } = agent;
    return signToken(
      apiKey,
      {
        identity,
        name,
        metadata,
        attributes,
        kind: ParticipantInfo_Kind.AGENT,
        video: { ...permissionClaims(permission), recorder: false, roomJoin: true, room },
      },
      platform.clock.wallMs(),
      AGENT_TOKEN_VALID_MS,
    );
  }
}
