/**
 * The composition root: one whole server out of a configuration and a platform. It binds nothing by
 * itself; {@linkcode SfuServer.listenMedia} opens the media sockets, and the HTTP side is a plain
 * handler.
 *
 * Joins are refused with 503 until media listens, and again while the server drains or closes.
 *
 * @module
 */
import { DisconnectReason } from "@livekit/protocol";
import { denoPlatform } from "../base/deno_platform.ts";
import { DropCounters } from "../base/drop_counters.ts";
import { SfuError } from "../base/errors.ts";
import { type NodeId, randomId } from "../base/ids.ts";
import type { MediaAddress } from "../base/media_vocabulary.ts";
import type { Platform } from "../base/platform.ts";
import type { EngineReady, MediaEngine } from "../engine/messages/media_messages.ts";
import type { LocalEngineOptions } from "../engine/local/local_engine_options.ts";
import { EngineRouter } from "../room/context/engine_router.ts";
import { IcePreferences } from "../room/context/ice_preference.ts";
import type { RoomContext } from "../room/context/room_context.ts";
import { RoomAdmin } from "../admin/room_admin.ts";
import { LocalRooms } from "../room/local_rooms.ts";
import { RoomDirectory } from "../room/room_directory.ts";
import { type ApiKeys, signAccessToken } from "../signalling/access_token.ts";
import type { TokenSigner } from "../signalling/token_refresher.ts";
import { roomContents } from "../agents/agent_dispatcher.ts";
import { AgentService } from "../agents/agent_service.ts";
import type { DispatchCalls } from "../agents/dispatch_calls.ts";
import { CarriedClients } from "../signalling/carried_client.ts";
import { serverInfo } from "../signalling/join_response.ts";
import { SignalService } from "../signalling/signal_service.ts";
import { WhipService } from "../signalling/whip_service.ts";
import { absentServices } from "../../routes/absent_services.ts";
import type { CarryingOptions } from "../../routes/carrying.ts";
import { createHttpHandler, type HttpHandler } from "../../routes/http_handler.ts";
import { roomService } from "../../routes/room_service.ts";
import { BodyReader } from "../../routes/request_body.ts";
import type { RtcRouteOptions, SignalEntrance } from "../../routes/rtc.ts";
import { routeTable } from "../../routes/route_table.ts";
import { agentDispatchService } from "../../routes/agent_dispatch_service.ts";
import { twirpRoutes, type TwirpService } from "../../routes/twirp.ts";
import { adaptWebSocket } from "../../routes/web_socket.ts";
import type { ClusterDirectory } from "../cluster/directory/cluster_directory.ts";
import { MAX_SOCKET_MESSAGE_BYTES } from "../cluster/link/outgoing_queue.ts";
import { CarriedExchanges } from "./carried_exchanges.ts";
import { clusterDirectory, clusterSettings } from "./cluster_settings.ts";
import {
  createServerCluster,
  type ServerCluster,
  type ServerClusterOptions,
} from "./server_cluster.ts";
import { recordReads } from "./config/config_effects.ts";
import type { Config } from "./config/config_parsing.ts";
import type { AnyDrop } from "./drop_reasons.ts";
import { lacksPorts, type MediaListeners, mediaListeners } from "./media_listeners.ts";
import { createMediaPlane } from "./media_plane.ts";
import { NO_TELEMETRY, type Telemetry } from "../room/context/telemetry.ts";
import { Metrics } from "./metrics/metrics.ts";
import { countingRefusals, metricsHandler } from "./metrics/metrics_handler.ts";
import type { InterfaceAddress } from "../transport/datagrams/local_addresses.ts";
import { NodeState } from "./node_state.ts";
import { turnOffer, turnSetup } from "./turn_settings.ts";
import {
  adminLimits,
  audioLevelOptions,
  congestionRules,
  pliThrottle,
  roomOptions,
  sessionCaps,
} from "./config/room_settings.ts";
import { PROTOCOL_VERSION } from "./version.ts";
import { SocketLives } from "./http/socket_lives.ts";
import { upgradeWebSocket } from "./http/web_socket_upgrade.ts";
import type { WebhookFetch } from "./webhooks/webhook_attempt.ts";
import { Webhooks } from "./webhooks/webhooks.ts";

/** Seconds without a sign of life before a WebSocket ends. */
const SOCKET_IDLE_TIMEOUT_S = 20;
/** Webhooks that are not delivered so long after everybody was told to leave are dropped. */
const WEBHOOK_DRAIN_MS = 3000;

/** What carries media, for people. */
export interface MediaSummary {
  /** Threads; 0 for the main one. */
  readonly workers: number;
  /** Which sockets and ciphers run, in words. */
  readonly ports: string;
  /** Cores stay idle because the configured range has fewer UDP ports. */
  readonly lacksPorts: boolean;
}

/** A running server. */
export interface SfuServer extends AsyncDisposable {
  /** Pass to `Deno.serve`, mount under any router, or call in a test. Binds nothing. */
  readonly handler: HttpHandler;
  /** Answers Prometheus; absent unless `prometheus.port` is set. Binds nothing. */
  readonly metricsHandler: ((request: Request) => Promise<Response>) | undefined;
  /** Opens the UDP and TCP media sockets; idempotent. Rejects with `SfuError`. */
  listenMedia(): Promise<readonly MediaAddress[]>;
  /** What carries media; absent until it listens. */
  readonly media: MediaSummary | undefined;
  readonly rooms: LocalRooms;
  /** The functions behind the server API. */
  readonly admin: RoomAdmin;
  /** What came in and was not used, by reason. */
  readonly counters: DropCounters<AnyDrop>;
  /** Participants that are here, agents and recorders not counted. */
  readonly occupants: number;
  /** Refuses newcomers and waits until everybody has left; resolves even on time-out. */
  quiesce(options?: QuiesceOptions): Promise<void>;
  /** Takes newcomers again after {@linkcode SfuServer.quiesce}; nothing once it closes. */
  serveAgain(): void;
  /** Tells everybody who is here to join elsewhere, and stays. */
  leadAway(): void;
  /** {@linkcode SfuServer.quiesce}, then tells who is left to join elsewhere, and closes. */
  drain(options?: QuiesceOptions): Promise<void>;
  /**
   * Tells every participant, then closes all sockets. Idempotent: the first call's words are said.
   */
  close(options?: CloseOptions): Promise<void>;
}

/** How long draining waits. */
export interface QuiesceOptions {
  /** No longer than this; as long as it takes if absent. */
  readonly timeoutMs?: number | undefined;
  /** Ends the wait at once. */
  readonly hurry?: AbortSignal;
}

/** What participants are told. */
export interface CloseOptions {
  /** To join anew, which is elsewhere; else that this is the end. */
  readonly rejoin?: boolean;
}

/** What tests and special deployments replace. */
export interface ServerParts {
  /** `amongNodes`: tracks may cross to other nodes and come from there. */
  readonly createEngine?: (options: LocalEngineOptions, amongNodes: boolean) => MediaEngine;
  readonly networkInterfaces?: () => readonly InterfaceAddress[];
  /** How many cores the machine has. */
  readonly cores?: number;
  /** Delivers webhooks. */
  readonly fetch?: WebhookFetch;
  /** What all nodes know of each other, in place of the Redis that the configuration names. */
  readonly directory?: ClusterDirectory;
}

/**
 * Builds a server.
 *
 * @param config From `parseConfig` or `loadConfig`; must have at least one key.
 * @throws {SfuError} `missing_keys`, or `invalid_config` for what cannot work.
 */
export function createServer(
  config: Config,
  platform: Platform = denoPlatform(),
  parts: ServerParts = {},
): SfuServer {
  return new ComposedServer(recordReads(config).config, platform, parts);
}

type Upgraded = ReturnType<RtcRouteOptions["upgrade"]>;

class ComposedServer implements SfuServer {
  readonly handler: HttpHandler;
  readonly metricsHandler: ((request: Request) => Promise<Response>) | undefined;
  readonly rooms: LocalRooms;
  readonly admin: RoomAdmin;
  readonly counters = new DropCounters<AnyDrop>();
  readonly #platform: Platform;
  readonly #socketLives: SocketLives;
  readonly #engine: MediaEngine;
  readonly #workers: number;
  readonly #lacksPorts: boolean;
  readonly #router: EngineRouter;
  readonly #metrics: Metrics | undefined;
  readonly #telemetry: Telemetry;
  readonly #webhooks: Webhooks;
  readonly #signals: SignalService;
  readonly #agents: AgentService;
  readonly #dispatches: DispatchCalls;
  /** Absent for a node that is alone. */
  readonly #cluster: ServerCluster | undefined;
  readonly #carried = new CarriedExchanges();
  /** Clients that are here, with sessions on other nodes. */
  readonly #carriedClients: CarriedClients;
  #starting: Promise<EngineReady> | undefined;
  #ready: EngineReady | undefined;
  readonly #state: NodeState;
  #closing: Promise<void> | undefined;

  constructor(config: Config, platform: Platform, parts: ServerParts) {
    const keys = keysOf(config);
    this.#platform = platform;
    this.#socketLives = new SocketLives(SOCKET_IDLE_TIMEOUT_S, platform.timers);
    this.#state = new NodeState(platform, () => this.rooms);
    const { cores = navigator.hardwareConcurrency, networkInterfaces = Deno.networkInterfaces } =
      parts;
    const listeners = mediaListeners(config, networkInterfaces(), cores);
    const directory = parts.directory ?? clusterDirectory(config, platform);
    this.#engine = this.#createEngine(config, listeners, parts, directory !== undefined);
    this.#workers = listeners.workers;
    this.#lacksPorts = lacksPorts(config, cores);
    const nodeId = randomId<NodeId>(platform.random, "ND_");
    const router = this.#router = new EngineRouter(this.#engine, platform.log, nodeId);
    const { port, username, password } = config.prometheus;
    const metrics = port === 0 ? undefined : new Metrics(platform, nodeId);
    this.#metrics = metrics;
    const telemetry = this.#telemetry = metrics?.telemetry ?? NO_TELEMETRY;
    this.#engine.onEvent = (event) => {
      if (event.type === "quality_report") telemetry.qualityReport(event);
      router.dispatch(event);
    };
    this.metricsHandler = metrics &&
      metricsHandler(metrics, username === "" ? undefined : { username, password });
    const hooks = { fetch: parts.fetch ?? fetch, telemetry };
    this.#webhooks = new Webhooks(config, keys, platform, hooks);
    this.#agents = this.#createAgents(config, keys, nodeId);
    const observers = [this.#webhooks.observer, metrics?.roomObserver, this.#agents.dispatcher]
      .filter((observer) => observer !== undefined);
    this.#cluster = this.#createCluster(config, directory, {
      settings: clusterSettings(config, listeners.advertised),
      nodeId,
      cores,
      observers,
    });
    const context: RoomContext = {
      platform,
      router,
      engine: () => this.#engineReady(),
      options: roomOptions(config, turnOffer(config, listeners.advertised, platform)),
      counters: this.counters,
      icePreferences: new IcePreferences(platform.clock),
      nodeId,
      region: config.region,
      observers,
      telemetry,
      regions: () => this.#otherRegions(),
      ...(this.#cluster === undefined ? {} : { ports: this.#cluster.node.ports }),
    };
    this.rooms = new LocalRooms(context);
    const known = new RoomDirectory(this.rooms);
    const autoCreateRooms = config.room.auto_create;
    this.admin = new RoomAdmin(known, { limits: adminLimits(config), autoCreateRooms });
    this.#dispatches = this.#agents.dispatchCalls({ rooms: known, autoCreateRooms });
    this.#signals = this.#createSignals(config, keys);
    this.#carriedClients = this.#carryClients(config);
    this.handler = this.#createHandler(config, keys);
  }

  listenMedia(): Promise<readonly MediaAddress[]> {
    if (this.#state.closed) {
      return Promise.reject(new SfuError("closed", "Cannot listen: the server is closed"));
    }
    this.#starting ??= this.#start();
    return this.#starting.then(({ addresses }) => addresses);
  }

  get occupants(): number {
    return this.#state.occupants();
  }

  quiesce({ timeoutMs, hurry }: QuiesceOptions = {}): Promise<void> {
    this.#state.drain();
    this.#cluster?.node.setDraining(true);
    this.#carriedClients.leadAway();
    return this.#state.empty(timeoutMs, hurry);
  }

  serveAgain(): void {
    if (this.#state.serveAgain()) this.#cluster?.node.setDraining(false);
  }

  leadAway(): void {
    this.#signals.close("reconnect");
    this.#cluster?.node.settle();
  }

  async drain(options?: QuiesceOptions): Promise<void> {
    await this.quiesce(options);
    await this.close({ rejoin: true });
  }

  close({ rejoin = false }: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(rejoin ? "reconnect" : "disconnect");
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get media(): MediaSummary | undefined {
    if (this.#ready === undefined) return undefined;
    const { ports } = this.#ready;
    return { workers: this.#workers, ports, lacksPorts: this.#lacksPorts };
  }

  async #start(): Promise<EngineReady> {
    const ready = await this.#engine.start();
    this.#ready = ready;
    const node = this.#cluster?.node;
    this.#metrics?.start({
      rooms: () => this.rooms.all(),
      stats: () => this.#router.stats(),
      ...(node === undefined ? {} : { links: () => node.links.all() }),
      carried: () => this.#carriedClients.size,
    });
    await node?.start(ready.relays);
    this.#state.serve();
    return ready;
  }

  async #close(farewell: "disconnect" | "reconnect"): Promise<void> {
    this.#state.close();
    this.#signals.close(farewell);
    this.#carriedClients.leadAway();
    this.#agents.close();
    // A start that is still under way is let finish, so that its sockets are closed, too.
    await this.#starting?.catch(() => {});
    await this.#cluster?.close();
    this.#metrics?.stop();
    await Promise.all([this.#engine.close(), this.#webhooks.close(WEBHOOK_DRAIN_MS)]);
  }

  #createCluster(
    config: Config,
    directory: ClusterDirectory | undefined,
    parts: Pick<ServerClusterOptions, "settings" | "nodeId" | "cores" | "observers">,
  ): ServerCluster | undefined {
    return createServerCluster(directory, {
      config,
      platform: this.#platform,
      counters: this.counters,
      router: this.#router,
      rooms: () => this.rooms,
      admin: () => this.admin,
      agents: this.#agents,
      dispatches: () => this.#dispatches,
      answer: (request, open) => this.#carried.answer(this.handler, request, open),
      ...parts,
    });
  }

  /** Where clients may go in place of this node; nowhere while it takes newcomers itself. */
  #otherRegions() {
    const regions = this.#state.takesNewcomers ? undefined : this.#cluster?.node.clients.regions();
    return regions?.regions.length === 0 ? undefined : regions;
  }

  #createEngine(
    config: Config,
    listeners: MediaListeners,
    parts: ServerParts,
    amongNodes: boolean,
  ): MediaEngine {
    const { native, rtc: { dscp, ecn } } = config;
    const turn = turnSetup(config, listeners, this.#platform);
    const media = {
      platform: this.#platform,
      drops: this.counters,
      audioLevel: audioLevelOptions(config),
      congestion: congestionRules(config),
      pliThrottleMs: pliThrottle(config),
      native,
      ...(dscp > 0 || ecn ? { marks: { dscp, ecn } } : {}),
      ...(turn === undefined ? {} : { turn }),
    };
    const [udp = []] = listeners.udpOf;
    const { tcp, advertised, addressRule } = listeners;
    const own = { ...media, udp, tcp, advertised, addressRule };
    return parts.createEngine?.(own, amongNodes) ??
      createMediaPlane(listeners, { ...media, amongNodes });
  }

  #createSignals(config: Config, keys: ApiKeys): SignalService {
    return new SignalService({
      rooms: this.rooms,
      counters: this.counters,
      serverVersion: PROTOCOL_VERSION,
      autoCreateRooms: config.room.auto_create,
      maxTracks: config.limit.num_tracks,
      maxFrameBytes: config.limit.signal_message_size_limit,
      maxBufferedBytes: config.limit.signal_buffer_limit,
      caps: sessionCaps(config),
      signToken: firstKeySigner(keys),
    });
  }

  #carryClients({ limit }: Config): CarriedClients {
    return new CarriedClients({
      counters: this.counters,
      maxFrameBytes: limit.signal_message_size_limit,
      maxBufferedBytes: limit.signal_buffer_limit,
      regions: () => this.#otherRegions(),
    });
  }

  #createAgents(config: Config, keys: ApiKeys, nodeId: NodeId): AgentService {
    const { target_load, enable_user_data_recording, enable_user_data_redaction } = config.agents;
    return new AgentService({
      platform: this.#platform,
      serverInfo: serverInfo({ version: PROTOCOL_VERSION, region: config.region, nodeId }),
      signToken: (apiKey, claims, nowMs, validForMs) =>
        signAccessToken({ apiKey, secret: keys.get(apiKey) ?? "" }, claims, nowMs, validForMs),
      maxBufferedBytes: config.limit.signal_buffer_limit,
      targetLoad: target_load,
      enableRecording: enable_user_data_recording,
      enableRedaction: enable_user_data_redaction,
      rooms: {
        configured: (room) => this.rooms.get(room)?.internal.agents ?? [],
        contents: (name) => {
          const room = this.rooms.get(name);
          return room && roomContents(room);
        },
        remove: (room, identity) => {
          const member = this.rooms.get(room)?.byIdentity(identity);
          if (member?.elsewhere) return;
          member?.close(DisconnectReason.PARTICIPANT_REMOVED, "disconnect");
        },
      },
    });
  }

  #createHandler(config: Config, keys: ApiKeys): HttpHandler {
    const {
      signal_message_size_limit: maxSignalBytes,
      agent_signal_message_size_limit: maxAgentBytes,
      max_api_request_body_size: maxBodyBytes,
      max_room_name_length: maxRoomNameLength,
      max_participant_identity_length: maxParticipantIdentityLength,
    } = config.limit;
    const state = this.#state;
    const upgrade = (request: Request, maxMessageBytes: number) =>
      this.#upgrade(request, maxMessageBytes);
    const limits = { maxRoomNameLength, maxParticipantIdentityLength };
    const entrance = this.#entrance();
    const carrying = this.#carrying();
    const bodies = new BodyReader({ timers: this.#platform.timers, counters: this.counters });
    const routes = routeTable({
      heartbeat: {
        last: () => state.lastBeat(),
        takesNewcomers: () => state.takesNewcomers,
        isDirectoryUp: () => this.#cluster?.node.isDirectoryUp ?? true,
      },
      whip: { whip: new WhipService(this.rooms, entrance), limits, bodies, ...carrying },
      rtc: {
        signals: entrance,
        limits,
        upgrade: (request) => upgrade(request, maxSignalBytes),
        ...carrying,
      },
      agent: {
        agents: this.#agents,
        refusal: () => state.takesNewcomers ? undefined : state.refusal(),
        upgrade: (request) => upgrade(request, maxAgentBytes),
      },
      ...this.#clusterRoutes(upgrade),
      twirp: twirpRoutes([
        roomService(this.admin),
        this.#dispatchService(config),
        ...absentServices(),
      ], {
        maxBodyBytes,
        bodies,
        clock: this.#platform.clock,
        timers: this.#platform.timers,
        log: this.#platform.log,
        counters: this.counters,
        telemetry: this.#telemetry,
      }),
    });
    const handler = createHttpHandler({
      routes,
      keys,
      maxBodyBytes,
      clock: this.#platform.clock,
      log: this.#platform.log,
      counters: this.counters,
    });
    return countingRefusals(handler, this.#telemetry);
  }

  #entrance(): SignalEntrance {
    const signals = this.#signals;
    return {
      admit: (join) => this.#state.refusal(join) ?? signals.admit(join),
      confirm: (join) => signals.confirm(join),
      isHere: (join) => signals.isHere(join),
      place: (join) => signals.place(join),
      admitSession: (join) => signals.admitSession(join),
      forgo: (join) => signals.forgo(join),
      open: (join, socket, receivedAt) => signals.open(join, socket, receivedAt),
    };
  }

  #clusterRoutes(upgrade: (request: Request, maxMessageBytes: number) => Upgraded) {
    const links = this.#cluster?.node;
    if (links === undefined) return {};
    const nodes = (request: Request) => upgrade(request, MAX_SOCKET_MESSAGE_BYTES);
    const { clients } = links;
    return {
      cluster: { links, upgrade: nodes },
      // A client's message has been weighed where the client is.
      carried: { links: clients, upgrade: (request: Request) => upgrade(request, 0) },
      regions: { regions: () => clients.regions() },
    };
  }

  #carrying(): { readonly carrying?: CarryingOptions } {
    const nodes = this.#cluster?.node.clients;
    if (nodes === undefined) return {};
    const { nodeId } = this.rooms.context;
    return { carrying: { nodeId, nodes, clients: this.#carriedClients } };
  }

  #upgrade(request: Request, maxMessageBytes: number): Upgraded {
    const carried = this.#carried.upgrade(request);
    if (carried !== undefined) return carried;
    const rules = { lives: this.#socketLives, maxMessageBytes };
    const { socket, response } = upgradeWebSocket(request, rules);
    return { response, socket: adaptWebSocket(socket, maxMessageBytes) };
  }

  #dispatchService(config: Config): TwirpService {
    return agentDispatchService({
      agents: this.#agents,
      dispatches: this.#dispatches,
      limits: adminLimits(config),
    });
  }

  #engineReady(): EngineReady {
    if (this.#ready === undefined) throw new SfuError("closed", "The media plane is not listening");
    return this.#ready;
  }
}

function keysOf(config: Config): ApiKeys {
  const keys = new Map(Object.entries(config.keys));
  if (keys.size > 0) return keys;
  throw new SfuError("missing_keys", "one of key-file or keys must be provided");
}

/** Signs with the first configured key, as LiveKit does. */
function firstKeySigner(keys: ApiKeys): TokenSigner {
  const [apiKey, secret] = [...keys][0]!;
  return (claims, nowMs, validForMs) =>
    signAccessToken({ apiKey, secret }, claims, nowMs, validForMs);
}
