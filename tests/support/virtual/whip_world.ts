/**
 * WHIP's and WHEP's routes over a {@linkcode World}: requests in, responses out, without a port and
 * on virtual time.
 *
 * @module
 */
import type { AccessToken } from "../../../lib/signalling/access_token.ts";
import { WhipService } from "../../../lib/signalling/whip_service.ts";
import type { RoomOptions } from "../../../lib/room/context/room_options.ts";
import { WhepService } from "../../../lib/signalling/whep_service.ts";
import { whepRoutes } from "../../../routes/whep.ts";
import { whipRoutes } from "../../../routes/whip.ts";
import { tokenWith } from "./admin_world.ts";
import { testBodies } from "./test_bodies.ts";
import { World } from "./scripted_client.ts";
import { singleOffer } from "./single_offer.ts";

/** What a request carries besides its path. */
export interface WhipRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** `null` for none. */
  readonly token?: AccessToken | null;
}

/** One of the answers, read. */
export interface WhipReply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** A camera and a microphone. */
export const WHIP_OFFER = singleOffer([
  { mid: "1", kind: "audio", direction: "sendonly", cid: "sound" },
  { mid: "2", kind: "video", direction: "sendonly", cid: "picture" },
]);
/** A viewer of one picture with its sound. */
export const WHEP_OFFER = singleOffer([
  { mid: "1", kind: "audio", direction: "recvonly" },
  { mid: "2", kind: "video", direction: "recvonly" },
]);
/** Credentials of {@linkcode singleOffer}. */
export const OFFER_ICE = { ufrag: "clientUfrag", pwd: "clientPasswordOf24Chars00" };

/** A fragment with these credentials, about the section that stands for the group. */
export function fragment(
  { ufrag, pwd }: { readonly ufrag: string; readonly pwd: string } = OFFER_ICE,
  mid = "0",
): string {
  return [
    `a=ice-ufrag:${ufrag}`,
    `a=ice-pwd:${pwd}`,
    "m=application 9 UDP/DTLS/SCTP 0",
    `a=mid:${mid}`,
    "a=candidate:1 1 udp 2130706431 198.51.100.1 39132 typ host",
    "a=end-of-candidates",
    "",
  ].join("\r\n");
}

/**
 * WHIP's and WHEP's routes over one {@linkcode World}; a request is handled as over HTTP, but for
 * the port.
 */
export class WhipWorld {
  readonly world: World;
  readonly whip: WhipService;
  readonly whep: WhepService;
  readonly #routes: ReturnType<typeof whipRoutes>;

  constructor(options: Partial<RoomOptions> = {}, autoCreateRooms = true) {
    this.world = new World(options, autoCreateRooms);
    this.whip = new WhipService(this.world.rooms, this.world.service);
    this.whep = new WhepService(this.world.rooms, this.world.service);
    const limits = { maxRoomNameLength: 20, maxParticipantIdentityLength: 20 };
    const bodies = testBodies();
    const whip = whipRoutes({ whip: this.whip, limits, bodies });
    const whep = whepRoutes({ whep: this.whep, limits, bodies });
    this.#routes = (path) => whip(path) ?? whep(path);
  }

  /** A verified token that joins `lobby`. */
  token(identity = "cam", grant: Partial<AccessToken["video"]> = {}): AccessToken {
    const token = tokenWith({ roomJoin: true, room: "lobby", ...grant });
    return { ...token, identity, name: `${identity}'s name` };
  }

  /**
   * Sends one request.
   *
   * @param reference As a client resolves it against the address of its offer.
   */
  async request(
    reference: string,
    request: WhipRequest = {},
    endpoint = "/whip/v1",
  ): Promise<WhipReply> {
    const { href, pathname: path } = new URL(reference, `http://sfu.example${endpoint}`);
    const { method = "GET", headers = {}, body, token = this.token() } = request;
    const route = this.#routes(path);
    if (route === undefined) return { status: 404, headers: new Headers(), body: "" };
    const sent = new Request(href, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
    });
    const url = new URL(sent.url);
    const exchange = {
      request: sent,
      url,
      path,
      token: token ?? undefined,
      receivedAt: 0,
      socketAddress: "",
    };
    const response = await route(exchange);
    return { status: response.status, headers: response.headers, body: await response.text() };
  }

  /** Offers `sdp`. */
  post(sdp = WHIP_OFFER, request: WhipRequest = {}): Promise<WhipReply> {
    const headers = { "Content-Type": "application/sdp", ...request.headers };
    return this.request("/whip/v1", { ...request, method: "POST", headers, body: sdp });
  }

  /** Offers to watch the room. @param query Behind the `?`. */
  watch(query = "", sdp = WHEP_OFFER, request: WhipRequest = {}): Promise<WhipReply> {
    const headers = { "Content-Type": "application/sdp", ...request.headers };
    return this.request(`/whep/v1?${query}`, { ...request, method: "POST", headers, body: sdp });
  }

  /** Sends a fragment. */
  patch(path: string, ifMatch: string, body: string, request: WhipRequest = {}) {
    const headers = {
      "Content-Type": "application/trickle-ice-sdpfrag",
      ...(ifMatch === "" ? {} : { "If-Match": ifMatch }),
      ...request.headers,
    };
    return this.request(path, { ...request, method: "PATCH", headers, body });
  }

  /** The server's side of the client. */
  participant(identity = "cam") {
    return this.world.rooms.get("lobby")?.session(identity);
  }
}
