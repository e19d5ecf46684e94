/**
 * What operators ask a running node for, beside the server API: `/operations/report`, all that says
 * how it is (JSON), and `/operations/capture`, the packets of one participant (pcapng, as they
 * come), at whichever node of a cluster it is served.
 *
 * Contract: whoever asks shows an operator's token: `roomAdmin` and `roomList` for no room in
 * particular, which no participant has.
 *
 * @module
 */
import {
  AdminFailure,
  nobodyServes,
  participantNotFound,
  roomNotFound,
} from "../lib/admin/admin_failure.ts";
import { carriedCapture } from "../lib/admin/carried_capture.ts";
import type { CaptureRequest, PacketCaptures } from "../lib/admin/packet_captures.ts";
import type { Clock } from "../lib/base/platform.ts";
import { carriedAnswer, carriedRequest, type OtherNodes, responseOf } from "./carrying.ts";
import { asItComes, type HttpExchange, type RouteHandler } from "./http_exchange.ts";
import { said } from "./admin_reply.ts";
import { TwirpError } from "./twirp_error.ts";
import { needsOperator } from "./twirp_grants.ts";

/** What the routes need. */
export interface OperationsRouteOptions {
  /** Everything about this node, for JSON. */
  readonly report: () => Promise<unknown>;
  readonly captures: Pick<PacketCaptures, "start">;
  readonly clock: Pick<Clock, "wallMs">;
  /** Ways to other nodes; absent where the node is alone. */
  readonly carrying?: { readonly nodes: Pick<OtherNodes, "serving"> };
}

/** Finds the handler of a path below `/operations`. */
export function operationsRoutes(
  options: OperationsRouteOptions,
): ReadonlyMap<string, RouteHandler> {
  const { report } = options;
  return new Map([
    [
      "/operations/report",
      forOperators("GET", async () => {
        const headers = { "Content-Type": "application/json", "Cache-Control": "no-store" };
        return new Response(JSON.stringify(await report()), { headers });
      }),
    ],
    ["/operations/capture", forOperators("POST", (exchange) => capture(exchange, options))],
  ]);
}

function forOperators(method: "GET" | "POST", handler: RouteHandler): RouteHandler {
  return (exchange) => {
    if (exchange.request.method !== method) {
      return new Response(null, { status: 405, headers: { "Allow": method } });
    }
    const refusal = needsOperator(exchange.token);
    return refusal === undefined ? handler(exchange) : refusal.toResponse();
  };
}

/** `room` and `identity`; `seconds` and `bytes` for less than what is allowed. */
async function capture(exchange: HttpExchange, options: OperationsRouteOptions): Promise<Response> {
  const { searchParams: query } = exchange.url;
  const seconds = count(query.get("seconds"));
  const bytes = count(query.get("bytes"));
  if (seconds === "none" || bytes === "none") {
    return new TwirpError("invalid_argument", "seconds and bytes are whole numbers above 0")
      .toResponse();
  }
  const request = {
    room: query.get("room") ?? "",
    identity: query.get("identity") ?? "",
    ms: seconds === undefined ? undefined : seconds * 1000,
    bytes,
  };
  const file = options.captures.start(request);
  if (!(file instanceof AdminFailure)) {
    const headers = { "Content-Type": "application/x-pcapng", "Cache-Control": "no-store" };
    return asItComes(new Response(file, { headers }));
  }
  const isElsewhere = file.code === "not_found" && !exchange.isCarried;
  const answer = isElsewhere ? await captureElsewhere(exchange, request, options) : undefined;
  return answer ?? refusal(file);
}

/** The answer of the node that serves the participant; `undefined` where there are no others. */
async function captureElsewhere(
  exchange: HttpExchange,
  { room, identity }: CaptureRequest,
  { carrying, clock }: OperationsRouteOptions,
): Promise<Response | undefined> {
  const outcome = await carrying?.nodes.serving(carriedRequest(exchange), room, identity);
  if (outcome === "no_room") return refusal(roomNotFound());
  if (outcome === "no_participant") return refusal(participantNotFound());
  if (outcome === "unreachable") return refusal(nobodyServes());
  if (outcome?.kind !== "streamed") return carriedAnswer(outcome);
  return asItComes(responseOf(outcome.head, carriedCapture(outcome.body, clock)));
}

function refusal(failure: AdminFailure): Response {
  return (said(failure) as TwirpError).toResponse();
}

function count(text: string | null): number | undefined | "none" {
  if (text === null) return undefined;
  return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : "none";
}
