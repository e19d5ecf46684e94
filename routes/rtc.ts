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
  type JoinLimits,
  type JoinParameters,
  type Placement,
  readJoinParameters,
} from "../lib/signalling/join_parameters.ts";
import type { SignalSocket } from "../lib/signalling/signal_socket.ts";
import { CarriedJoin, type CarryingOptions, elsewhereHeaders, type Upgrade } from "./carrying.ts";
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
  /** Whether the session that a client returns to is here. */
  isHere(join: JoinParameters): boolean;
  /** As much of `admitSession` as is known without others, before whom it is asked. */
  admitHere(join: JoinParameters): Admission;
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
  readonly upgrade: Upgrade;
  /** Ways to other nodes; absent where the node is alone. */
  readonly carrying?: CarryingOptions;
}

/** `v0` takes a join request if there is one, `v1` needs it. */
export type SignalVersion = "v0" | "v1";

/** `/rtc` or `/rtc/v1`. */
export function rtcRoute(options: RtcRouteOptions, version: SignalVersion): RouteHandler {
  const { signals } = options;
  return async (exchange) => {
    if (!wantsWebSocket(exchange.request)) return new Response(null, { status: 404 });
    const { result, carried } = read(exchange, options, { version, strict: false });
    if (!result.ok) {
      return await carried?.instead(result) ?? toldToJoinAnew(exchange, options, result, carried) ??
        refuse(result, exchange);
    }
    const here = signals.admitHere(result.join);
    if (!here.ok) return refuse(here, exchange);
    const elsewhere = await answeredElsewhere(result.join, signals, carried);
    if (elsewhere !== undefined) return elsewhere;
    const placed = await signals.place(result.join);
    if (!placed.ok) return await carried?.instead(placed) ?? refuse(placed, exchange);
    // A full room shows only here: validation says yes to it.
    const { join } = placed;
    const admission = signals.admitSession(join);
    if (!admission.ok) return refuse(admission, exchange);
    return start(exchange, options, join);
  };
}

/** `/rtc/validate` or `/rtc/v1/validate`. */
export function validateRoute(options: RtcRouteOptions, version: SignalVersion): RouteHandler {
  return async (exchange) => {
    const { result, carried } = read(exchange, options, { version, strict: true });
    if (!result.ok) return await carried?.instead(result) ?? refuse(result, exchange);
    const pinned = await carried?.pinned();
    if (pinned !== undefined) return pinned;
    const confirmed = await options.signals.confirm(result.join);
    return confirmed.ok ? plainText(200, "success") : refuse(confirmed, exchange);
  };
}

function start(
  { request, receivedAt }: HttpExchange,
  { signals, upgrade }: RtcRouteOptions,
  join: JoinParameters,
): Response {
  try {
    const { response, socket } = upgrade(request);
    signals.open(join, socket, receivedAt);
    return response;
  } catch (error) {
    signals.forgo(join);
    throw error;
  }
}

/** What this node would take, and another one is to serve. */
async function answeredElsewhere(
  join: JoinParameters,
  signals: SignalEntrance,
  carried: CarriedJoin | undefined,
): Promise<Response | undefined> {
  if (carried === undefined) return undefined;
  if (!join.reconnect) return await carried.gathered();
  return signals.isHere(join) ? undefined : await carried.returning();
}

/**
 * Who returns to a node that takes no newcomers, and whose session is nowhere, would try for ever:
 * it is let in to be told to join anew, which is then carried.
 */
function toldToJoinAnew(
  exchange: HttpExchange,
  options: RtcRouteOptions,
  { takers }: Refusal,
  carried: CarriedJoin | undefined,
): Response | undefined {
  if (carried === undefined || !carried.join.reconnect || takers === undefined) return undefined;
  return start(exchange, options, carried.join);
}

interface JoinAtThisNode {
  readonly result: ReturnType<typeof readJoinParameters>;
  /** Present if other nodes can be asked. */
  readonly carried: CarriedJoin | undefined;
}

function read(
  exchange: HttpExchange,
  { signals, limits, upgrade, carrying }: RtcRouteOptions,
  { version, strict }: { readonly version: SignalVersion; readonly strict: boolean },
): JoinAtThisNode {
  const { request, url, token, socketAddress, isCarried = false } = exchange;
  const userAgent = request.headers.get("User-Agent") ?? "";
  let carried: CarriedJoin | undefined;
  const result = readJoinParameters(
    {
      query: url.searchParams,
      token,
      userAgent,
      socketAddress,
      needsJoinRequest: version === "v1",
    },
    limits,
    strict,
    (join) => {
      if (carrying !== undefined && !isCarried) {
        carried = new CarriedJoin(carrying, exchange, join, upgrade);
      }
      return signals.admit(join);
    },
  );
  return { result, carried };
}

function refuse(refusal: Refusal, exchange: HttpExchange): Response {
  const { status, body } = refusal;
  const headers = { ...retryHeaders(refusal), ...elsewhereHeaders(refusal, exchange) };
  return plainText(status, body, headers);
}
