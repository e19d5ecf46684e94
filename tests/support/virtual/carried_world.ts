/**
 * Nodes on virtual time with the routes by which clients come in, so that what one of them does not
 * serve is carried to another over the simulated network.
 *
 * @module
 */
import assert from "node:assert/strict";
import { ClientInfo, type SignalRequest, SignalResponse } from "@livekit/protocol";
import { PacketCaptures } from "../../../lib/admin/packet_captures.ts";
import type { NodeId } from "../../../lib/base/ids.ts";
import { silentLog } from "../../../lib/base/platform.ts";
import { ClientRouting } from "../../../lib/cluster/client_routing.ts";
import { CarriedExchanges } from "../../../lib/server/carried_exchanges.ts";
import { NodeState } from "../../../lib/server/node_state.ts";
import { signAccessToken, type VideoGrant } from "../../../lib/signalling/access_token.ts";
import { CarriedClients } from "../../../lib/signalling/carried_client.ts";
import { createHttpHandler, type HttpHandler } from "../../../routes/http_handler.ts";
import { operationsRoutes } from "../../../routes/operations.ts";
import { regionsRoute } from "../../../routes/region_settings.ts";
import { rtcRoute, type RtcRouteOptions, validateRoute } from "../../../routes/rtc.ts";
import { type ClusterNode, ClusterWorld } from "./cluster_world.ts";
import type { LinkWeather } from "./link_network.ts";
import { nodeRecord } from "./directory_table.ts";
import { FakeSocket } from "./scripted_client.ts";

const KEYS = new Map([["devkey", "secret"]]);
const LIMITS = { maxRoomNameLength: 256, maxParticipantIdentityLength: 256 };
const CAPTURES = { maxMs: 60_000, maxBytes: 1_000_000 };
const UPGRADE = { "Connection": "Upgrade", "Upgrade": "websocket" };
const SECRET = new TextEncoder().encode("of the cluster");

/** How a node is. */
export interface DoorOptions {
  readonly gathersRooms?: boolean;
  readonly maxFrameBytes?: number;
  readonly maxBufferedBytes?: number;
}

/** A client's socket, and what it was told on it. */
class CarriedTestClient extends FakeSocket {
  get received(): SignalResponse["message"][] {
    return this.frames.map((frame) =>
      (typeof frame === "string"
        ? SignalResponse.fromJsonString(frame)
        : SignalResponse.fromBinary(frame)).message
    );
  }

  get cases(): (string | undefined)[] {
    return this.received.map(({ case: name }) => name);
  }

  request(request: SignalRequest, encoding: "binary" | "json" = "binary"): void {
    this.onMessage(encoding === "json" ? request.toJsonString() : request.toBinary());
  }
}

/** The door of one node. */
export interface Door {
  readonly node: ClusterNode;
  readonly routing: ClientRouting;
  readonly clients: CarriedClients;
  readonly state: NodeState;
  readonly handler: HttpHandler;
  /** At its configured limit. */
  isFull: boolean;
  /** Requests that other nodes carried here, each with the client's own address. */
  readonly carried: string[];
}

/** What came of a request. */
export interface Arrival {
  readonly status: number;
  readonly body: string;
  readonly headers: Headers;
  /** Present if a socket was opened. */
  readonly client: CarriedTestClient | undefined;
}

/** Nodes with doors. */
export class CarriedWorld {
  readonly cluster: ClusterWorld;
  readonly #doors = new Map<string, Door>();

  private constructor(
    names: readonly string[],
    options: DoorOptions,
    weather: Partial<LinkWeather>,
    seed: number,
  ) {
    this.cluster = new ClusterWorld(names, seed, weather);
    for (const name of names) this.#doors.set(name, this.#door(name, options));
  }

  /** Nodes that know of each other. */
  static async of(
    names: readonly string[],
    options: DoorOptions = {},
    weather: Partial<LinkWeather> = {},
    seed = 1,
  ): Promise<CarriedWorld> {
    const world = new CarriedWorld(names, options, weather, seed);
    await world.cluster.pass(3_000, 50);
    return world;
  }

  door(name: string): Door {
    const door = this.#doors.get(name);
    assert.ok(door, `there is a node ${name}`);
    return door;
  }

  /** A client asks a node: `/rtc`, for example, with a token for a room. */
  async ask(
    name: string,
    path: string,
    identity: string,
    { query = {}, grant = {}, headers = {}, address = "192.0.2.7" }: {
      readonly query?: Readonly<Record<string, string>>;
      readonly grant?: Partial<VideoGrant>;
      readonly headers?: Readonly<Record<string, string>>;
      readonly address?: string;
    } = {},
  ): Promise<Arrival> {
    const { platform } = this.cluster;
    const token = await signAccessToken(
      { apiKey: "devkey", secret: "secret" },
      { identity, video: { roomJoin: true, room: "lobby", ...grant } },
      platform.clock.wallMs(),
      600_000,
    );
    const search = new URLSearchParams({ protocol: "16", sdk: "js", version: "2.23.0", ...query });
    const request = new Request(`http://${name}${path}?${search}`, {
      headers: {
        "Authorization": `Bearer ${token}`,
        ...(/validate|settings/.test(path) ? {} : UPGRADE),
        ...headers,
      },
    });
    const { handler } = this.door(name);
    const info = { remoteAddr: { hostname: address } };
    const response = await this.cluster.during(handler(request, info), 30_000);
    await this.cluster.pass(50);
    const client = this.#sockets.get(request);
    const body = await response.text();
    return { status: response.status, body, headers: response.headers, client };
  }

  /** As {@linkcode ask}, of a client that gets a socket. */
  async join(...args: Parameters<CarriedWorld["ask"]>): Promise<CarriedTestClient> {
    const { client, status, body } = await this.ask(...args);
    assert.ok(client, `a socket, and not ${status} ${body}`);
    return client;
  }

  /** An operator asks a node for somebody's packets; the answer may still be on its way. */
  async capture(
    name: string,
    query: Readonly<Record<string, string>>,
    grant: Partial<VideoGrant> = { roomAdmin: true, roomList: true },
  ): Promise<Response> {
    const token = await signAccessToken(
      { apiKey: "devkey", secret: "secret" },
      { identity: "operator", video: grant },
      this.cluster.platform.clock.wallMs(),
      600_000,
    );
    const request = new Request(`http://${name}/operations/capture?${new URLSearchParams(query)}`, {
      method: "POST",
      headers: { "Authorization": `Bearer ${token}` },
    });
    return await this.cluster.during(this.door(name).handler(request), 30_000);
  }

  readonly #sockets = new WeakMap<Request, CarriedTestClient>();

  #door(name: string, options: DoorOptions): Door {
    const node = this.cluster.node(name);
    const { world, link, directory, rooms, counters } = node;
    const { platform } = this.cluster;
    const exchanges = new CarriedExchanges();
    const carried: string[] = [];
    const membership = node.membership!;
    const routing = new ClientRouting({
      platform,
      random: platform.random,
      counters,
      node: node.id,
      self: node.id,
      region: "eu",
      secret: SECRET,
      directory,
      membership,
      dial: this.cluster.links.network.dialFrom(node.id),
      room: (room) => rooms.get(room),
      isReachable: (peer) => link.links.facts(peer)?.isUp ?? true,
      gathersRooms: options.gathersRooms ?? false,
      nodes: () => [this.#record(door), ...membership.others],
      places: [],
      answer: (request, open) => {
        carried.push(`${request.target.split("?")[0]} from ${request.socketAddress}`);
        return exchanges.answer(door.handler, request, open);
      },
    });
    this.cluster.links.network.listen(`${link.address}/carry`, node.id, (token) => {
      const accepted = routing.accept(token);
      return accepted.ok ? accepted.open : undefined;
    });
    const clients = new CarriedClients({
      counters: world.counters,
      maxFrameBytes: options.maxFrameBytes ?? 0,
      maxBufferedBytes: options.maxBufferedBytes ?? 0,
      regions: () => routing.regions(),
    });
    const state = new NodeState(platform, () => world.rooms);
    state.serve();
    const handler = this.#handler(exchanges, (): Door => door);
    const door: Door = {
      ...{ node, routing, clients, state, handler, carried },
      isFull: false,
    };
    return door;
  }

  #record({ node: { id, isDraining } }: Door) {
    return nodeRecord(id, { state: isDraining ? "draining" : "serving" });
  }

  #handler(exchanges: CarriedExchanges, door: () => Door): HttpHandler {
    const { platform } = this.cluster;
    const options = this.#rtcOptions(exchanges, door);
    const routes = new Map([
      ["/rtc", rtcRoute(options, "v0")],
      ["/rtc/validate", validateRoute(options, "v0")],
      ["/rtc/v1", rtcRoute(options, "v1")],
      ["/rtc/v1/validate", validateRoute(options, "v1")],
      ["/settings/regions", regionsRoute({ regions: () => door().routing.regions() })],
      ...this.#operations(options, door),
    ]);
    return createHttpHandler({
      routes: (path) => routes.get(path),
      keys: KEYS,
      maxBodyBytes: 0,
      clock: platform.clock,
      log: silentLog,
      counters: { count() {} },
    });
  }

  #operations({ carrying }: RtcRouteOptions, door: () => Door) {
    const { platform } = this.cluster;
    // The node is not there yet.
    let captures: PacketCaptures | undefined;
    const start: PacketCaptures["start"] = (request) => {
      const { rooms } = door().node.world;
      captures ??= new PacketCaptures({
        rooms,
        router: rooms.context.router,
        platform,
        rules: CAPTURES,
        application: "Roomwire",
      });
      return captures.start(request);
    };
    return operationsRoutes({
      report: () => assert.fail("nobody asks for it"),
      captures: { start },
      clock: platform.clock,
      carrying: carrying!,
    });
  }

  #rtcOptions(exchanges: CarriedExchanges, door: () => Door): RtcRouteOptions {
    const full = {
      ok: false,
      status: 503,
      body: "node has exceeded its configured limit",
      takers: "any",
    } as const;
    const service = () => door().node.world.service;
    return {
      signals: {
        admit: (join) =>
          door().state.refusal(join) ??
            (door().isFull && !join.reconnect ? full : service().admit(join)),
        confirm: (join) => service().confirm(join),
        isHere: (join) => service().isHere(join),
        place: (join) => service().place(join),
        admitHere: (join) => service().admitHere(join),
        admitSession: (join) => service().admitSession(join),
        forgo: (join) => service().forgo(join),
        open: (join, socket, at) => service().open(join, socket, at),
      },
      limits: LIMITS,
      upgrade: (request) => {
        const carried = exchanges.upgrade(request);
        if (carried !== undefined) return carried;
        const socket = new CarriedTestClient();
        this.#sockets.set(request, socket);
        return { response: new Response("upgraded"), socket };
      },
      carrying: {
        get nodeId(): NodeId {
          return door().node.id;
        },
        nodes: {
          newcomer: (...args) => door().routing.newcomer(...args),
          returning: (...args) => door().routing.returning(...args),
          gathered: (...args) => door().routing.gathered(...args),
          serving: (...args) => door().routing.serving(...args),
          to: (...args) => door().routing.to(...args),
          pinnedTo: (...args) => door().routing.pinnedTo(...args),
          addressFor: (...args) => door().routing.addressFor(...args),
        },
        clients: {
          join: (socket, session, info) =>
            door().clients.join(socket, session, new ClientInfo(info)),
        },
      },
    };
  }
}
