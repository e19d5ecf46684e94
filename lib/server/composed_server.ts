/**
 * The composition root: one whole server out of a configuration and a platform. It binds nothing by
 * itself; {@linkcode SfuServer.listenMedia} opens the media sockets, and the HTTP side is a plain
 * handler.
 *
 * Joins are refused with 503 until media listens, and again while the server drains or closes.
 *
 * @module
 */
import type { WebhookEvent } from "@livekit/protocol";
import { DropCounters } from "../base/drop_counters.ts";
import { SfuError } from "../base/errors.ts";
import { type NodeId, randomId } from "../base/ids.ts";
import type { MediaAddress } from "../base/media_vocabulary.ts";
import type { Platform } from "../base/platform.ts";
import type { EngineReady, MediaEngine, MediaEvent } from "../engine/messages/media_messages.ts";
import { EngineRouter } from "../room/context/engine_router.ts";
import { IcePreferences } from "../room/context/ice_preference.ts";
import type { RoomContext } from "../room/context/room_context.ts";
import { RoomAdmin } from "../admin/room_admin.ts";
import { LocalRooms } from "../room/local_rooms.ts";
import { RoomDirectory } from "../room/room_directory.ts";
import type { ApiKeys } from "../signalling/access_token.ts";
import type { AgentService } from "../agents/agent_service.ts";
import type { DispatchCalls } from "../agents/dispatch_calls.ts";
import { CarriedClients } from "../signalling/carried_client.ts";
import { SignalService } from "../signalling/signal_service.ts";
import { WhepService } from "../signalling/whep_service.ts";
import { WhipService } from "../signalling/whip_service.ts";
import { absentServices } from "../../routes/absent_services.ts";
import type { CarryingOptions } from "../../routes/carrying.ts";
import { createHttpHandler, type HttpHandler } from "../../routes/http_handler.ts";
import { roomService } from "../../routes/room_service.ts";
import { BodyReader } from "../../routes/request_body.ts";
import type { RtcRouteOptions, SignalEntrance } from "../../routes/rtc.ts";
import { routeTable } from "../../routes/route_table.ts";
import { agentDispatchService } from "../../routes/agent_dispatch_service.ts";
import { twirpRoutes } from "../../routes/twirp.ts";
import { adaptWebSocket } from "../../routes/web_socket.ts";
import type { ClusterDirectory } from "../cluster/directory/cluster_directory.ts";
import { CarriedExchanges } from "./carried_exchanges.ts";
import { clusterSettings } from "./cluster_settings.ts";
import { serverOperations } from "./server_operations.ts";
import { serverAgents } from "./server_agents.ts";
import type { ServerCluster, ServerClusterOptions } from "./server_cluster.ts";
import { ownAddress } from "./log/redaction.ts";
import type { Config } from "./config/config_parsing.ts";
import { demoOptions } from "./demo_links.ts";
import { docsSite } from "./docs_site.ts";
import type { AnyDrop } from "./drop_reasons.ts";
import {
  lacksPorts,
  type MediaListeners,
  mediaListeners,
  type MediaSummary,
} from "./media_listeners.ts";
import { createMediaPlane } from "./media_plane.ts";
import { NO_TELEMETRY, type Telemetry } from "../room/context/telemetry.ts";
import type { Metrics } from "./metrics/metrics.ts";
import { countingRefusals, metricsHandler } from "./metrics/metrics_handler.ts";
import { NodeState } from "./node_state.ts";
import { type ClusterParts, directoryOf, type OptionalParts } from "./optional_parts.ts";
import { firstKeySigner, keysOf } from "./server_keys.ts";
import { createServerIngress, type ServerIngress } from "./server_ingress.ts";
import type { OperatorsWorld, ServerOperators } from "./server_operators.ts";
import type { ServerRecording } from "./server_recording.ts";
import type { CloseOptions, QuiesceOptions, ServerParts, SfuServer } from "./sfu_server.ts";
import { proxyRules } from "./proxy_rules.ts";
import { replayOptions } from "./replay_links.ts";
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
import { upgradeWebSocket, type WebSocketRules } from "./http/web_socket_upgrade.ts";
import { Webhooks } from "./webhooks/webhooks.ts";

type AddressesChanged = Extract<MediaEvent, { readonly type: "addresses_changed" }>;

/** Seconds without a sign of life before a WebSocket ends. */
const SOCKET_IDLE_TIMEOUT_S = 20;
/** What an operator's stream is asked. */
const MAX_QUESTION_BYTES = 16_384;
/** Webhooks that are not delivered so long after everybody was told to leave are dropped. */
const WEBHOOK_DRAIN_MS = 3000;

/**
 * Composes a server.
 *
 * @param config From `parseConfig` or `loadConfig`; must have at least one key.
 * @param optional Those parts that it needs, loaded.
 * @throws {SfuError} `missing_keys`, or `invalid_config` for what cannot work.
 */
export function composeServer(
  config: Config,
  platform: Platform,
  parts: ServerParts,
  optional: OptionalParts,
): SfuServer {
  return new ComposedServer(config, platform, parts, optional);
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
  readonly #recentLog: ServerParts["recentLog"];
  readonly #telemetry: Telemetry;
  readonly #webhooks: Webhooks;
  readonly #recording: ServerRecording | undefined;
  /** Rooms wherever they are. */
  readonly #known: RoomDirectory;
  readonly #ingress: ServerIngress;
  readonly #operators: ServerOperators | undefined;
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
  /** The literal addresses that clients are shown. */
  #hosts: readonly string[];
  readonly #state: NodeState;
  #closing: Promise<void> | undefined;

  constructor(config: Config, platform: Platform, parts: ServerParts, optional: OptionalParts) {
    const { Metrics, cluster } = optional;
    const keys = keysOf(config);
    this.#platform = platform;
    this.#socketLives = new SocketLives(SOCKET_IDLE_TIMEOUT_S, platform.timers);
    this.#state = new NodeState(platform, () => this.rooms);
    const { cores = navigator.hardwareConcurrency, networkInterfaces = Deno.networkInterfaces } =
      parts;
    const listeners = mediaListeners(config, networkInterfaces(), cores);
    this.#hosts = listeners.advertised;
    const directory = directoryOf(config, platform, parts.directory, cluster);
    this.#engine = this.#createEngine(config, listeners, parts, directory !== undefined);
    this.#workers = listeners.workers;
    this.#lacksPorts = lacksPorts(config, cores);
    const nodeId = randomId<NodeId>(platform.random, "ND_");
    const router = this.#router = new EngineRouter(this.#engine, platform.log, nodeId);
    const { port, username, password } = config.prometheus;
    const metrics = this.#metrics = port === 0 ? undefined : new Metrics!(platform, nodeId);
    this.#recentLog = parts.recentLog;
    const tracing = optional.OpenTelemetryTraces && new optional.OpenTelemetryTraces(platform);
    const heard = metrics?.telemetry ?? NO_TELEMETRY;
    const telemetry = this.#telemetry = tracing?.beside(heard) ?? heard;
    this.#engine.onEvent = (event) => this.#mediaTells(event);
    this.metricsHandler = metrics &&
      metricsHandler(metrics, username === "" ? undefined : { username, password });
    const hooks = { fetch: parts.fetch ?? fetch, telemetry };
    this.#webhooks = new Webhooks(config, keys, platform, hooks);
    this.#agents = serverAgents({ config, keys, nodeId, platform, rooms: () => this.rooms });
    this.#recording = this.#createRecording(config, optional, nodeId, directory);
    this.#ingress = this.#createIngress(config, nodeId, directory);
    this.#operators = this.#createOperators({ config, keys, nodeId, cores }, optional);
    const observers = this.#observers();
    const settings = clusterSettings(config, listeners.advertised);
    const ofCluster = { settings, nodeId, cores, observers };
    this.#cluster = directory && this.#createCluster(cluster!, config, directory, ofCluster);
    const context: RoomContext = {
      platform,
      router,
      engine: () => this.#engineReady(),
      options: roomOptions(config, turnOffer(config, () => this.#hosts, platform)),
      counters: this.counters,
      icePreferences: new IcePreferences(platform.clock),
      nodeId,
      region: config.region,
      observers,
      telemetry,
      ...(tracing === undefined ? {} : { tracing: tracing.sessions }),
      regions: () => this.#otherRegions(),
      ...(this.#cluster === undefined ? {} : { ports: this.#cluster.node.ports }),
    };
    this.rooms = new LocalRooms(context);
    const known = this.#known = new RoomDirectory(this.rooms);
    const autoCreateRooms = config.room.auto_create;
    const admin = { limits: adminLimits(config), autoCreateRooms };
    this.admin = new RoomAdmin(known, { ...admin, ...this.#recording?.rules });
    this.#dispatches = this.#agents.dispatchCalls({ rooms: known, autoCreateRooms });
    this.#signals = this.#createSignals(config, keys);
    this.#carriedClients = this.#carryClients(config);
    this.handler = countingRefusals(this.#createHandler(config, keys), this.#telemetry);
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
    this.#recording?.open();
    await this.#ingress.open();
    const ready = await this.#engine.start();
    this.#ready = ready;
    this.#hosts = ready.hosts;
    const node = this.#cluster?.node;
    this.#metrics?.start({
      rooms: () => this.rooms.all(),
      stats: () => this.#router.stats(),
      ...(node === undefined ? {} : { links: () => node.links.all() }),
      carried: () => this.#carriedClients.size,
      waitingBytes: () => this.#recording?.waitingBytes() ?? 0,
    });
    await node?.start(ready.relays);
    this.#ingress.listen();
    this.#state.serve();
    return ready;
  }

  #mediaTells(event: MediaEvent): void {
    if (event.type === "quality_report") {
      this.#telemetry.qualityReport(event);
      this.#operators?.qualityReport(event);
    }
    if (event.type === "addresses_changed") return this.#addressesChanged(event);
    this.#router.dispatch(event);
  }

  /** Who comes from now on is shown others; who is here finds out by asking for a new way. */
  #addressesChanged({ addresses, hosts, relays }: AddressesChanged): void {
    const isNews = hosts.join() !== this.#hosts.join();
    this.#hosts = hosts;
    if (this.#ready !== undefined) this.#ready = { ...this.#ready, addresses, hosts };
    this.#cluster?.node.moved(relays, hosts);
    // Each worker tells it.
    if (isNews) this.#platform.log.info("addresses changed", { advertised: hosts.map(ownAddress) });
  }

  async #close(farewell: "disconnect" | "reconnect"): Promise<void> {
    this.#state.close();
    this.#signals.close(farewell);
    this.#carriedClients.leadAway();
    this.#agents.close();
    this.#operators?.close();
    this.#ingress.close();
    await this.#recording?.close();
    // A start that is still under way is let finish, so that its sockets are closed, too.
    await this.#starting?.catch(() => {});
    await this.#cluster?.close();
    this.#metrics?.stop();
    await Promise.all([this.#engine.close(), this.#webhooks.close(WEBHOOK_DRAIN_MS)]);
  }

  #createRecording(
    config: Config,
    { createRecording }: OptionalParts,
    nodeId: NodeId,
    directory: ClusterDirectory | undefined,
  ) {
    return createRecording?.({
      ...this.#observedWorld(config),
      ...{ nodeId, router: this.#router, shelf: directory?.shelf, known: () => this.#known },
      peers: () => {
        const node = this.#cluster?.node;
        return node && {
          carrier: node.rooms,
          others: () => node.membership.others.map(({ nodeId }) => nodeId),
          sharing: (room) => node.rooms.get(room)?.peers ?? [],
        };
      },
    });
  }

  #createIngress(config: Config, nodeId: NodeId, directory: ClusterDirectory | undefined) {
    const [admin, entrance] = [() => this.admin, () => this.#entrance()];
    return createServerIngress({
      ...this.#observedWorld(config),
      ...{ nodeId, directory, admin, entrance, counters: this.counters },
    });
  }

  /** What parts are given that watch rooms, and tell of it. */
  #observedWorld(config: Config) {
    return {
      config,
      platform: this.#platform,
      rooms: () => this.rooms,
      deliver: (event: WebhookEvent) => this.#webhooks.deliver(event),
    };
  }

  #createOperators(
    own: Pick<OperatorsWorld, "config" | "keys" | "nodeId" | "cores">,
    { ServerOperators }: OptionalParts,
  ): ServerOperators | undefined {
    return ServerOperators && new ServerOperators({
      ...own,
      platform: this.#platform,
      counters: this.counters,
      router: this.#router,
      rooms: () => this.rooms,
      takesNewcomers: () => this.#state.takesNewcomers,
      peers: () => {
        const node = this.#cluster?.node;
        return node && {
          others: () => node.membership.others,
          carrier: node.rooms,
          links: () => node.links.all(),
        };
      },
    });
  }

  #observers() {
    const all = [this.#webhooks.observer, this.#metrics?.roomObserver, this.#agents.dispatcher];
    return [...all, this.#recording?.observer, this.#ingress.observer].filter((observer) =>
      observer !== undefined
    );
  }

  #createCluster(
    { createServerCluster }: ClusterParts,
    config: Config,
    directory: ClusterDirectory,
    parts: Pick<ServerClusterOptions, "settings" | "nodeId" | "cores" | "observers">,
  ): ServerCluster {
    return createServerCluster(directory, {
      config,
      platform: this.#platform,
      counters: this.counters,
      router: this.#router,
      rooms: () => this.rooms,
      admin: () => this.admin,
      agents: this.#agents,
      dispatches: () => this.#dispatches,
      operators: this.#operators,
      recording: this.#recording,
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
    const turn = turnSetup(config, listeners, () => this.#hosts, this.#platform);
    const media = {
      platform: this.#platform,
      drops: this.counters,
      audioLevel: audioLevelOptions(config),
      congestion: congestionRules(config),
      pliThrottleMs: pliThrottle(config),
      tellsFarLoss: config.audio.enable_loss_proxying,
      native,
      ...(dscp > 0 || ecn ? { marks: { dscp, ecn } } : {}),
      ...(turn === undefined ? {} : { turn }),
      tcpProxies: proxyRules(config).media,
    };
    const [udp = []] = listeners.udpOf;
    const { tcp, advertised, discovery, addressRule } = listeners;
    const own = { ...media, udp, tcp, advertised, discovery, addressRule };
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

  #createHandler(config: Config, keys: ApiKeys): HttpHandler {
    const {
      signal_message_size_limit: maxSignalBytes,
      agent_signal_message_size_limit: maxAgentBytes,
      max_api_request_body_size: maxBodyBytes,
      max_room_name_length: maxRoomNameLength,
      max_participant_identity_length: maxParticipantIdentityLength,
    } = config.limit;
    const state = this.#state;
    const upgradeClient = this.#clientUpgrade(config);
    const limits = { maxRoomNameLength, maxParticipantIdentityLength };
    const entrance = this.#entrance();
    const carrying = this.#carrying();
    const { clock, timers, log } = this.#platform;
    const { counters } = this;
    const bodies = new BodyReader({ timers, counters });
    const dispatch = { agents: this.#agents, dispatches: this.#dispatches };
    const routes = routeTable({
      heartbeat: {
        last: () => state.lastBeat(),
        takesNewcomers: () => state.takesNewcomers,
        isDirectoryUp: () => this.#cluster?.node.isDirectoryUp ?? true,
      },
      whip: { whip: new WhipService(this.rooms, entrance), limits, bodies, ...carrying },
      whep: { whep: new WhepService(this.rooms, entrance), limits, bodies, ...carrying },
      ingress: { ...this.#ingress.routes(), limits, bodies, ...carrying },
      rtc: {
        signals: entrance,
        limits,
        upgrade: (request) => upgradeClient(request, maxSignalBytes),
        ...carrying,
      },
      agent: {
        agents: this.#agents,
        refusal: () => state.takesNewcomers ? undefined : state.refusal(),
        upgrade: (request) => upgradeClient(request, maxAgentBytes),
      },
      ...this.#nodeRoutes(config),
      ...this.#operators?.routes(bodies, (request) => upgradeClient(request, MAX_QUESTION_BYTES)),
      demo: demoOptions(config, keys, { bodies, rooms: this.rooms, platform: this.#platform }),
      docs: docsSite(config),
      replay: replayOptions(config, keys, bodies, this.#platform),
      twirp: twirpRoutes([
        roomService(this.admin),
        agentDispatchService({ ...dispatch, limits: adminLimits(config) }),
        ...absentServices(),
        this.#ingress.api,
        ...(this.#recording === undefined ? [] : [this.#recording.api]),
      ], { maxBodyBytes, bodies, clock, timers, log, counters, telemetry: this.#telemetry }),
    });
    const { forwarded } = proxyRules(config);
    const world = { clock, log, counters };
    return createHttpHandler({
      routes,
      keys,
      maxBodyBytes,
      ...world,
      ...(forwarded === undefined ? {} : { forwarded }),
    });
  }

  #nodeRoutes(config: Config) {
    const operations = { ...this.#operations(config), ...this.#carrying() };
    return { ...this.#clusterRoutes(), operations };
  }

  #operations(config: Config) {
    return serverOperations({
      config,
      platform: this.#platform,
      nodeId: this.rooms.context.nodeId,
      takesNewcomers: () => this.#state.takesNewcomers,
      media: () => this.media,
      rooms: () => this.rooms,
      cluster: () => this.#cluster?.node.links.all(),
      router: this.#router,
      counters: this.counters,
      metrics: this.#metrics,
      recentLog: this.#recentLog,
    });
  }

  #entrance(): SignalEntrance & Pick<SignalService, "turnOf"> {
    const signals = this.#signals;
    return {
      admit: (join) => this.#state.refusal(join) ?? signals.admit(join),
      confirm: (join) => signals.confirm(join),
      isHere: (join) => signals.isHere(join),
      place: (join) => signals.place(join),
      admitHere: (join) => signals.admitHere(join),
      admitSession: (join) => signals.admitSession(join),
      forgo: (join) => signals.forgo(join),
      turnOf: (owner) => signals.turnOf(owner),
      open: (join, socket, receivedAt) => signals.open(join, socket, receivedAt),
    };
  }

  #clusterRoutes() {
    const links = this.#cluster?.node;
    if (links === undefined) return {};
    const nodes = (request: Request) => this.#upgrade(request, links.maxMessageBytes);
    const { clients } = links;
    return {
      cluster: { links, upgrade: nodes },
      // A client's message has been weighed where the client is.
      carried: { links: clients, upgrade: (request: Request) => this.#upgrade(request, 0) },
      regions: { regions: () => clients.regions() },
    };
  }

  #carrying(): { readonly carrying?: CarryingOptions } {
    const nodes = this.#cluster?.node.clients;
    if (nodes === undefined) return {};
    const { nodeId } = this.rooms.context;
    return { carrying: { nodeId, nodes, clients: this.#carriedClients } };
  }

  /** As {@linkcode ComposedServer.#upgrade}, with what is for clients alone. */
  #clientUpgrade({ websocket_compression }: Config) {
    const compression = { clock: this.#platform.clock, counters: this.counters };
    const more = websocket_compression ? { compression } : {};
    return (request: Request, maxMessageBytes: number) =>
      this.#upgrade(request, maxMessageBytes, more);
  }

  #upgrade(
    request: Request,
    maxMessageBytes: number,
    more: Pick<WebSocketRules, "compression"> = {},
  ): Upgraded {
    const carried = this.#carried.upgrade(request);
    if (carried !== undefined) return carried;
    const rules = { lives: this.#socketLives, maxMessageBytes, ...more };
    const { socket, response } = upgradeWebSocket(request, rules);
    return { response, socket: adaptWebSocket(socket, maxMessageBytes) };
  }

  #engineReady(): EngineReady {
    if (this.#ready === undefined) throw new SfuError("closed", "The media plane is not listening");
    return this.#ready;
  }
}
