/**
 * `/admin`: what operators see and do, where the configuration has it. `/admin` is the page,
 * `/admin/assets/` its files, `/admin/stream` the one stream of the server's state
 * (`docs/admin.md`), and `/admin/api/` what the page asks beside the server API.
 *
 * Contract: nothing here goes by a cookie, so no other page can do anything in an operator's name;
 * and requests of other pages are refused all the same. Who has no operator's token learns how to
 * get one, and nothing else.
 *
 * @module
 */
import type { AccessToken } from "../lib/signalling/access_token.ts";
import type { SignalSocket } from "../lib/signalling/signal_socket.ts";
import { type AdminSessionOptions, sessionRoute } from "./admin_session.ts";
import {
  type HttpExchange,
  plainText,
  type RouteHandler,
  wantsWebSocket,
} from "./http_exchange.ts";
import { isOfOwnPage } from "./own_page.ts";
import { pageRoute } from "./page_files.ts";
import type { BodyReader } from "./request_body.ts";
import { bodyRefused } from "./request_body.ts";

/** What the routes are made with. */
export interface AdminRouteOptions {
  readonly bodies: BodyReader;
  readonly session: AdminSessionOptions;
  /** A token of the server API for one room, with no more rights than `token` has. */
  readonly roomToken: (token: AccessToken, wanted: RoomTokenRequest) => Promise<string>;
  /** The configuration in effect, without secrets, as JSON. */
  readonly configuration: () => Promise<unknown>;
  readonly streams: {
    readonly isFull: boolean;
    open(socket: SignalSocket, token: AccessToken): void;
  };
  /** Answers the upgrade and gives the server's end of the socket. */
  readonly upgrade: (request: Request) => {
    readonly response: Response;
    readonly socket: SignalSocket;
  };
}

/** Which room, and where somebody is to be moved. */
export interface RoomTokenRequest {
  readonly room: string;
  readonly destinationRoom: string;
}

const MAX_BODY_BYTES = 16 * 1024;
const HEADERS = {
  // Scripts and styles of our own alone, none of them written into the page.
  "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; " +
    "img-src 'self'; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; " +
    "base-uri 'none'",
  "Permissions-Policy": "camera=(), microphone=(), display-capture=(), geolocation=()",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
};
const NO_STORE = { "Cache-Control": "no-store" };

/** Finds the handler of `/admin` and everything below. */
export function adminRoutes(
  options: AdminRouteOptions,
): (path: string) => RouteHandler | undefined {
  const files = pageRoute({
    page: "admin/index.html",
    assets: "/admin/assets/",
    isPage: (path) => path === "/admin" || path === "/admin/",
    headers: HEADERS,
  });
  const routes: ReadonlyMap<string, RouteHandler> = new Map([
    ["/admin/stream", ownPagesOnly(streamRoute(options))],
    ["/admin/api/session", ownPagesOnly(sessionRoute(options.session, options.bodies))],
    ["/admin/api/token", ownPagesOnly(tokenRoute(options))],
    ["/admin/api/configuration", ownPagesOnly(configurationRoute(options))],
  ]);
  return (path) =>
    routes.get(path) ?? (path === "/admin" || path.startsWith("/admin/") ? files : undefined);
}

/** May look at everything: `roomAdmin` and `roomList` for no room in particular. */
export function isOperator(token: AccessToken | undefined): token is AccessToken {
  const { roomAdmin, roomList, room } = token?.video ?? {};
  return roomAdmin === true && roomList === true && room === "";
}

function ownPagesOnly(route: RouteHandler): RouteHandler {
  return (exchange) =>
    isOfOwnPage(exchange) ? route(exchange) : plainText(403, "ask from a page of this server");
}

/** The refusal of somebody who is no operator. */
function notOperator({ token }: HttpExchange): Response | undefined {
  if (isOperator(token)) return undefined;
  return token === undefined
    ? plainText(401, "an operator's token is needed", { "WWW-Authenticate": "Bearer" })
    : plainText(403, "the token needs roomAdmin and roomList, and no room");
}

/** 401 and 403 without an operator's token, 400 without an upgrade, 503 for one too many. */
function streamRoute({ streams, upgrade }: AdminRouteOptions): RouteHandler {
  return (exchange) => {
    const refused = notOperator(exchange);
    if (refused !== undefined) return refused;
    if (!wantsWebSocket(exchange.request)) return plainText(400, "a WebSocket is expected here");
    if (streams.isFull) return plainText(503, "too many operators look already");
    const { response, socket } = upgrade(exchange.request);
    streams.open(socket, exchange.token!);
    return response;
  };
}

/** `POST {"room": "standup"}` gives `{"token": "…"}` for the server API. */
function tokenRoute({ bodies, roomToken }: AdminRouteOptions): RouteHandler {
  return async (exchange) => {
    const refused = notOperator(exchange);
    if (refused !== undefined) return refused;
    const { request, token } = exchange;
    if (request.method !== "POST") return plainText(405, "method not allowed", { "Allow": "POST" });
    const body = await bodies.read(request, MAX_BODY_BYTES, readRoomTokenRequest);
    if (!body.ok) return bodyRefused(body);
    if (body.value === undefined) return plainText(400, "a room is to be named");
    return Response.json({ token: await roomToken(token!, body.value) }, { headers: NO_STORE });
  };
}

function configurationRoute({ configuration }: AdminRouteOptions): RouteHandler {
  return async (exchange) => {
    const refused = notOperator(exchange);
    if (refused !== undefined) return refused;
    if (exchange.request.method !== "GET") {
      return plainText(405, "method not allowed", { "Allow": "GET" });
    }
    return Response.json(await configuration(), { headers: NO_STORE });
  };
}

function readRoomTokenRequest(body: Uint8Array): RoomTokenRequest | undefined {
  try {
    const { room, destinationRoom = "" } = JSON.parse(new TextDecoder().decode(body));
    if (typeof room !== "string" || typeof destinationRoom !== "string") return undefined;
    return { room, destinationRoom };
  } catch {
    return undefined;
  }
}
