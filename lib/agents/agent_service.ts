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
import { AgentMarket } from "./agent_market.ts";
import type { AgentAnswers, AgentPeers } from "./agent_peers.ts";
import { AgentPool, type WorkerGroup } from "./agent_pool.ts";
import { DispatchCalls, type DispatchCallsOptions } from "./dispatch_calls.ts";
import { SharedAgentJobs } from "./shared_agents.ts";
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
  #shared: SharedAgentJobs | undefined;
  /** Called when a worker has come or gone: others should know of it soon. */
  onWorkers: () => void = () => {};

  constructor(options: AgentServiceOptions) {
    const { platform, rooms, targetLoad } = options;
    this.#options = options;
    this.#pool = new AgentPool(platform.random, targetLoad);
    this.dispatcher = new AgentDispatcher(new AgentMarket(this.#pool), rooms, platform, options);
  }

  /** There are other nodes; before any room is open. @returns What they ask of this one. */
  join(peers: AgentPeers): AgentAnswers {
    return this.#shared = new SharedAgentJobs(this.dispatcher, peers);
  }

  /** Workers here by kind, with what each kind can still take. */
  offers(): readonly WorkerGroup[] {
    return this.#pool.groups();
  }

  /** The server API for dispatches. */
  dispatchCalls(
    { rooms, autoCreateRooms }: Pick<DispatchCallsOptions, "rooms" | "autoCreateRooms">,
  ): DispatchCalls {
    const { dispatcher } = this;
    const peers = () => this.#shared?.peers;
    return new DispatchCalls({ dispatcher, rooms, autoCreateRooms, peers });
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
        this.onWorkers();
        const { id, jobType, agentName, namespace } = worker;
        platform.log.info("agent worker registered", { worker: id, jobType, agentName, namespace });
      },
      onJobUpdated: (worker, jobId, status, error) => {
        if (this.#shared?.held.updated(worker, jobId, status, error)) return;
        this.dispatcher.jobUpdated(worker, jobId, status, error);
      },
      onClosed: (worker) => {
        this.#sessions.delete(worker);
        this.#pool.remove(worker);
        this.dispatcher.workerGone(worker);
        this.#shared?.held.workerGone(worker);
        this.onWorkers();
        platform.log.info("agent worker gone", { worker: worker.id });
      },
    });
    this.#sessions.add(session);
  }

  /**
   * A dispatch as a request wants it.
   *
   * @param requestId The same for every attempt of one request, which gets the same dispatch; or
   *   empty.
   */
  dispatchOf(request: CreateAgentDispatchRequest, requestId: string): AgentDispatch {
    const { agentName, room, metadata, restartPolicy, deployment, attributes } = request;
    const id = idForRequest("AD_", requestId, this.#options.platform.random);
    return new AgentDispatch({
      id,
      agentName,
      room,
      metadata,
      restartPolicy,
      deployment,
      attributes,
    });
  }

  /** Ends every worker's socket. */
  close(): void {
    this.dispatcher.close();
    this.#shared?.close();
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
