/**
 * Ingresses over a {@linkcode World}: calls of the server API and WHIP with stream keys, without a
 * port and on virtual time.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  CreateIngressRequest,
  IngressInfo,
  IngressInput,
  IngressState_Status,
  ListIngressResponse,
} from "@livekit/protocol";
import { RoomAdmin } from "../../../lib/admin/room_admin.ts";
import type { NodeId } from "../../../lib/base/ids.ts";
import { IngressService } from "../../../lib/ingress/ingress_service.ts";
import { IngressStore } from "../../../lib/ingress/ingress_store.ts";
import { MemoryShelf, type TextShelf } from "../../../lib/ingress/text_shelf.ts";
import type { RoomObserver } from "../../../lib/room/context/room_events.ts";
import { RoomDirectory } from "../../../lib/room/room_directory.ts";
import { WhipService } from "../../../lib/signalling/whip_service.ts";
import { type IngressRouteOptions, ingressRoutes } from "../../../routes/ingress.ts";
import { ingressService } from "../../../routes/ingress_service.ts";
import { ADMIN_LIMITS, tokenWith } from "./admin_world.ts";
import { World } from "./scripted_client.ts";
import { testBodies } from "./test_bodies.ts";
import { twirpPost } from "./twirp_world.ts";
import { WHIP_OFFER, type WhipReply } from "./whip_world.ts";

/** Sees the service's events before there is a service. */
class LateObserver implements RoomObserver {
  service: IngressService | undefined;
  participantJoined: NonNullable<RoomObserver["participantJoined"]> = (...told) =>
    this.service?.participantJoined(...told);
  trackPublished: NonNullable<RoomObserver["trackPublished"]> = (room, publisher) =>
    this.service?.trackPublished(room, publisher);
  trackUnpublished: NonNullable<RoomObserver["trackUnpublished"]> = (room, publisher) =>
    this.service?.trackUnpublished(room, publisher);
}

/** One node's ingresses. */
export class IngressWorld {
  readonly world: World;
  readonly service: IngressService;
  readonly store: IngressStore;
  readonly whip: WhipService;
  /** Webhooks, one line each. */
  readonly told: string[] = [];
  /** Nodes that live beside this one. */
  readonly alive = new Set<NodeId>();
  readonly #routes: ReturnType<typeof ingressRoutes>;
  readonly #call: ReturnType<typeof twirpPost>;

  constructor(
    { shelf = new MemoryShelf(), hasRtmp = true, carrying }: {
      readonly shelf?: TextShelf;
      readonly hasRtmp?: boolean;
      readonly carrying?: IngressRouteOptions["carrying"];
    } = {},
  ) {
    const observer = new LateObserver();
    this.world = new World({}, true, 0, undefined, undefined, [observer]);
    const { world } = this;
    this.store = new IngressStore(shelf);
    const admin = new RoomAdmin(new RoomDirectory(world.rooms), {
      limits: ADMIN_LIMITS,
      autoCreateRooms: true,
    });
    this.service = new IngressService({
      platform: world.platform,
      nodeId: "ND_test" as NodeId,
      store: this.store,
      limits: { ...ADMIN_LIMITS, maxParticipantIdentityLength: 256 },
      hasRtmp,
      urlOf: (input, origin) => input === IngressInput.RTMP_INPUT ? "rtmp://x" : `${origin}/w`,
      admin: () => admin,
      isAlive: (node) => Promise.resolve(this.alive.has(node)),
      tell: (event, { ingressId, streamKey, state }) => {
        assert.equal(streamKey, "", "a key leaves by a webhook");
        this.told.push(`${event} ${ingressId} ${IngressState_Status[state!.status]}`);
      },
    });
    observer.service = this.service;
    this.whip = new WhipService(world.rooms, world.service);
    this.#routes = ingressRoutes({
      ingresses: this.service,
      whip: this.whip,
      limits: { maxRoomNameLength: 256, maxParticipantIdentityLength: 256 },
      clock: world.platform.clock,
      bodies: testBodies(),
      ...(carrying === undefined ? {} : { carrying }),
    });
    this.#call = twirpPost(world, [ingressService(this.service)]);
  }

  /** Calls a method; the answer's status and JSON. */
  async call(method: string, request: object, token = tokenWith({ ingressAdmin: true })) {
    const path = `/twirp/livekit.Ingress/${method}`;
    const response = await this.#call(path, token, JSON.stringify(request));
    return { status: response.status, json: await response.json() };
  }

  /** A new ingress for WHIP into the lobby, unless `more` says otherwise. */
  async create(more: Partial<CreateIngressRequest> = {}): Promise<IngressInfo> {
    const request = new CreateIngressRequest({
      inputType: IngressInput.WHIP_INPUT,
      name: "studio",
      roomName: "lobby",
      participantIdentity: "cam",
      participantName: "Camera",
      participantMetadata: "m",
      ...more,
    });
    const { status, json } = await this.call("CreateIngress", request.toJson() as object);
    assert.equal(status, 200, JSON.stringify(json));
    return IngressInfo.fromJson(json);
  }

  /** As `ListIngress` has it. */
  async get(ingressId: string): Promise<IngressInfo> {
    const { json } = await this.call("ListIngress", { ingressId });
    const [info] = ListIngressResponse.fromJson(json).items;
    return info!;
  }

  /** Sends a request below `/w`. */
  async request(
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: string,
  ): Promise<WhipReply & { readonly location: string }> {
    const request = new Request(`http://sfu.example${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
    });
    const url = new URL(request.url);
    const route = this.#routes(url.pathname);
    assert.ok(route, `nobody answers ${path}`);
    const exchange = { request, url, path: url.pathname, receivedAt: 0, socketAddress: "" };
    const response = await route({ ...exchange, token: undefined });
    const at = response.headers.get("Location");
    return {
      status: response.status,
      headers: response.headers,
      body: await response.text(),
      location: at === null ? "" : new URL(at, url).pathname,
    };
  }

  /** Publishes by WHIP; the key is a bearer token unless it is in `path`. */
  async post(key: string, path = "/w") {
    const bearer = path === "/w" ? { Authorization: `Bearer ${key}` } : {};
    const headers = { "Content-Type": "application/sdp", ...bearer };
    const reply = await this.request("POST", path, headers, WHIP_OFFER);
    await this.world.settle();
    return reply;
  }

  /** Who publishes. */
  participant(identity = "cam") {
    return this.world.rooms.get("lobby")?.session(identity);
  }

  /** The client's media connection is up. */
  async connect(identity = "cam"): Promise<void> {
    const connection = this.participant(identity)!.publisher.id;
    this.world.engine.emit({ type: "connection_connected", connection, protocol: "udp" });
    await this.world.settle();
  }
}
