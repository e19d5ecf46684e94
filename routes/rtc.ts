/**
 * `/rtc` and `/rtc/v1` (signalling over WebSocket), and below each `/validate` (the same checks as
 * a plain request, which browsers use to learn why a WebSocket failed).
 *
 * With a `join_request` a client joins on a single peer connection; `/rtc/v1` demands one. A room
 * that does not exist is a 404 with a body of its own: clients take any other 404 for a server
 * without version 1 and fall back to version 0.
 *
 * @module
 */
import type { Refusal } from "../lib/signalling/access_token.ts";
import {
  type Admission,
  clientAddress,
  type JoinLimits,
  type JoinParameters,
  type Placement,
  readJoinParameters,
} from "../lib/signalling/join_parameters.ts";
import type { SignalSocket } from "../lib/signalling/signal_socket.ts";
import {
  type HttpExchange,
  plainText,
  retryHeaders,
  type RouteHandler,
  wantsWebSocket,
} from "./http_exchange.ts";

/** Where sessions start. */
export interface SignalEntrance {
  /** Whether the room exists or may be made. */
  admit(join: JoinParameters): Admission;
  /** Whether this is the node to join at; asked before a session is started. */
  place(join: JoinParameters): Promise<Placement>;
  /** As much of `admit` as may have to be asked of others. */
  confirm(join: JoinParameters): Promise<Admission>;
  /** What else can refuse the start of a session, for example a full room; then it is over. */
  admitSession(join: JoinParameters): Admission;
  /** A join that was placed is not opened after all. */
  forgo(join: JoinParameters): void;
  /**
   * Starts the session; the socket may still be opening. `receivedAt`: of the request, monotonic.
   */
  open(join: JoinParameters, socket: SignalSocket, receivedAt: number): void;
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

/** `v0` takes a join request if there is one, `v1` needs it. */
export type SignalVersion = "v0" | "v1";

/** `/rtc` or `/rtc/v1`. */
export function rtcRoute(
  { signals, limits, upgrade }: RtcRouteOptions,
  version: SignalVersion,
): RouteHandler {
  return async (exchange) => {
    if (!wantsWebSocket(exchange.request)) return new Response(null, { status: 404 });
    const result = read(exchange, limits, { version, strict: false }, signals);
    if (!result.ok) return refuse(result);
    const placed = await signals.place(result.join);
    if (!placed.ok) return refuse(placed);
    // A full room shows only here: validation says yes to it.
    const { join } = placed;
    const admission = signals.admitSession(join);
    if (!admission.ok) return refuse(admission);
    try {
      const { response, socket } = upgrade(exchange.request);
      signals.open(join, socket, exchange.receivedAt);
      return response;
    } catch (error) {
      signals.forgo(join);
      throw error;
    }
  };
}

/** `/rtc/validate` or `/rtc/v1/validate`. */
export function validateRoute(
  { signals, limits }: RtcRouteOptions,
  version: SignalVersion,
): RouteHandler {
  return async (exchange) => {
    const result = read(exchange, limits, { version, strict: true }, signals);
    if (!result.ok) return refuse(result);
    const confirmed = await signals.confirm(result.join);
    return confirmed.ok ? plainText(200, "success") : refuse(confirmed);
  };
}

function read(
  exchange: HttpExchange,
  limits: JoinLimits,
  { version, strict }: { readonly version: SignalVersion; readonly strict: boolean },
  signals: SignalEntrance,
): ReturnType<typeof readJoinParameters> {
  const { request, url, token, socketAddress } = exchange;
  const userAgent = request.headers.get("User-Agent") ?? "";
  const address = clientAddress(request.headers, socketAddress);
  return readJoinParameters(
    {
      query: url.searchParams,
      token,
      userAgent,
      address,
      socketAddress,
      needsJoinRequest: version === "v1",
    },
    limits,
    strict,
    (join) => signals.admit(join),
  );
}

function refuse(refusal: Refusal): Response {
  return plainText(refusal.status, refusal.body, retryHeaders(refusal));
}
