/**
 * `/rtc` (signalling over WebSocket, version 0) and `/rtc/validate` (the same checks as a plain
 * request, which browsers use to learn why a WebSocket failed).
 *
 * A request with `join_request` (single peer connection) is answered with 404, like `/rtc/v1`: that
 * is how clients learn to fall back to two peer connections. Treating it as an ordinary join would
 * start a session the client cannot talk to.
 *
 * @module
 */
import type { Refusal } from "../lib/signalling/access_token.ts";
import {
  type Admission,
  clientAddress,
  type JoinLimits,
  type JoinParameters,
  readJoinParameters,
} from "../lib/signalling/join_parameters.ts";
import type { SignalSocket } from "../lib/signalling/signal_socket.ts";
import {
  type HttpExchange,
  notFound,
  plainText,
  type RouteHandler,
  wantsWebSocket,
} from "./http_exchange.ts";

/** Where sessions start. */
export interface SignalEntrance {
  /** Whether the room exists or may be made. */
  admit(join: JoinParameters): Admission;
  /** What else can refuse the start of a session, for example a full room. */
  admitSession(join: JoinParameters): Admission;
  /** Starts the session; the socket may still be opening. */
  open(join: JoinParameters, socket: SignalSocket): void;
}

/** What the routes need besides the entrance. */
export interface RtcRouteOptions {
  readonly signals: SignalEntrance;
  readonly limits: JoinLimits;
  /** Answers the upgrade and gives the server's end of the socket. */
  readonly upgrade: (request: Request) => {
    readonly response: Response;
    readonly socket: SignalSocket;
  };
}

/** `/rtc`. */
export function rtcRoute({ signals, limits, upgrade }: RtcRouteOptions): RouteHandler {
  return (exchange) => {
    if (!wantsWebSocket(exchange.request)) return new Response(null, { status: 404 });
    if (exchange.url.searchParams.get("join_request")) return notFound();
    const result = read(exchange, limits, false, (join) => signals.admit(join));
    if (!result.ok) return refuse(result);
    // A full room shows only here: validation says yes to it.
    const admission = signals.admitSession(result.join);
    if (!admission.ok) return refuse(admission);
    const { response, socket } = upgrade(exchange.request);
    signals.open(result.join, socket);
    return response;
  };
}

/** `/rtc/validate`. */
export function validateRoute({ signals, limits }: RtcRouteOptions): RouteHandler {
  return (exchange) => {
    if (exchange.url.searchParams.get("join_request")) return notFound();
    const result = read(exchange, limits, true, (join) => signals.admit(join));
    return result.ok ? plainText(200, "success") : refuse(result);
  };
}

function read(
  exchange: HttpExchange,
  limits: JoinLimits,
  strict: boolean,
  admit: (join: JoinParameters) => Admission,
): ReturnType<typeof readJoinParameters> {
  const { request, url, token, socketAddress } = exchange;
  const userAgent = request.headers.get("User-Agent") ?? "";
  const address = clientAddress(request.headers, socketAddress);
  return readJoinParameters(
    { query: url.searchParams, token, userAgent, address },
    limits,
    strict,
    admit,
  );
}

function refuse({ status, body }: Refusal): Response {
  return plainText(status, body);
}
