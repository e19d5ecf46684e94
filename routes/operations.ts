/**
 * What operators ask a running node for, beside the server API: `/operations/report`, all that says
 * how it is (JSON), and `/operations/capture`, the packets of one participant (pcapng, as they
 * come).
 *
 * Contract: whoever asks shows an operator's token: `roomAdmin` and `roomList` for no room in
 * particular, which no participant has.
 *
 * @module
 */
import { AdminFailure } from "../lib/admin/admin_failure.ts";
import type { PacketCaptures } from "../lib/admin/packet_captures.ts";
import { asItComes, type HttpExchange, type RouteHandler } from "./http_exchange.ts";
import { said } from "./admin_reply.ts";
import { TwirpError } from "./twirp_error.ts";
import { needsOperator } from "./twirp_grants.ts";

/** What the routes need. */
export interface OperationsRouteOptions {
  /** Everything about this node, for JSON. */
  readonly report: () => Promise<unknown>;
  readonly captures: Pick<PacketCaptures, "start">;
}

/** Finds the handler of a path below `/operations`. */
export function operationsRoutes(
  { report, captures }: OperationsRouteOptions,
): ReadonlyMap<string, RouteHandler> {
  return new Map([
    [
      "/operations/report",
      forOperators("GET", async () => {
        const headers = { "Content-Type": "application/json", "Cache-Control": "no-store" };
        return new Response(JSON.stringify(await report()), { headers });
      }),
    ],
    ["/operations/capture", forOperators("POST", (exchange) => capture(exchange, captures))],
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
function capture(
  { url: { searchParams: query } }: HttpExchange,
  captures: Pick<PacketCaptures, "start">,
) {
  const seconds = count(query.get("seconds"));
  const bytes = count(query.get("bytes"));
  if (seconds === "none" || bytes === "none") {
    return new TwirpError("invalid_argument", "seconds and bytes are whole numbers above 0")
      .toResponse();
  }
  const file = captures.start({
    room: query.get("room") ?? "",
    identity: query.get("identity") ?? "",
    ms: seconds === undefined ? undefined : seconds * 1000,
    bytes,
  });
  if (file instanceof AdminFailure) return (said(file) as TwirpError).toResponse();
  const headers = { "Content-Type": "application/x-pcapng", "Cache-Control": "no-store" };
  return asItComes(new Response(file, { headers }));
}

function count(text: string | null): number | undefined | "none" {
  if (text === null) return undefined;
  return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : "none";
}
