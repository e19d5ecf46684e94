/**
 * The HTTP handler: a fetch-style function that needs no port. It runs LiveKit's middleware in
 * LiveKit's order (1.13.5, `pkg/service/server.go`: recovery, CORS, `//` paths, body limit,
 * authentication) around the route table.
 *
 * @module
 */
import type { DropSink } from "../lib/base/drop_counters.ts";
import type { Clock, Log } from "../lib/base/platform.ts";
import type { ApiKeys } from "../lib/signalling/access_token.ts";
import { authenticate } from "./authentication.ts";
import { allowOrigin, answerPreflight } from "./cors.ts";
import type { RoutesDrop } from "./drop_reasons.ts";
import { clientAddress, type ForwardedRule } from "./client_address.ts";
import { notFound, plainText } from "./http_exchange.ts";
import { takesStreamKeys } from "./ingress.ts";
import { bodyRefused, declaresTooMuch } from "./request_body.ts";
import type { RouteTable } from "./route_table.ts";

/** The part of `Deno.ServeHandlerInfo` used here. */
export interface HandlerInfo {
  readonly remoteAddr?: { readonly transport?: string; readonly hostname?: string };
  /** Another node has carried it here. */
  readonly isCarried?: boolean;
}

/** Answers every request; never rejects. */
export type HttpHandler = (request: Request, info?: HandlerInfo) => Promise<Response>;

/** What the middleware needs. */
export interface HttpHandlerOptions {
  readonly routes: RouteTable;
  readonly keys: ApiKeys;
  /** Bytes; 0 means no limit. */
  readonly maxBodyBytes: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: DropSink<RoutesDrop>;
  /** Whose word on the client's address is taken; nobody's if absent. */
  readonly forwarded?: ForwardedRule;
}

/** Browsers read the body of a refusal here even where the refusal comes before any route. */
const VALIDATE_PATHS: ReadonlySet<string> = new Set(["/rtc/validate", "/rtc/v1/validate"]);

/** Puts the middleware around `routes`. */
export function createHttpHandler(options: HttpHandlerOptions): HttpHandler {
  const { log, counters } = options;
  return async (request, info) => {
    try {
      const preflight = answerPreflight(request);
      if (preflight !== undefined) return preflight;
      return allowOrigin(request, await answer(request, info, options));
    } catch (error) {
      // A bug of ours fails one request and not the process.
      counters.count("http_internal_error");
      log.error("HTTP request failed", { method: request.method, error });
      return allowOrigin(request, plainText(500, "internal error"));
    }
  };
}

async function answer(
  request: Request,
  info: HandlerInfo | undefined,
  { routes, keys, maxBodyBytes, clock, counters, forwarded }: HttpHandlerOptions,
): Promise<Response> {
  const receivedAt = clock.now();
  const url = new URL(request.url);
  // Clients build "wss://host/" + "/rtc".
  const path = url.pathname.startsWith("//") ? url.pathname.slice(1) : url.pathname;
  if (declaresTooMuch(request, maxBodyBytes)) return bodyRefused({ failure: "too_large" });
  const auth = takesStreamKeys(path)
    ? { ok: true as const, token: undefined }
    : await authenticate(request.headers, url.searchParams, keys, clock.wallMs());
  const { isCarried = false, remoteAddr: { hostname: peer = "" } = {} } = info ?? {};
  const response = auth.ok
    ? await (routes(path) ?? notFound)({
      request,
      url,
      path,
      token: auth.token,
      receivedAt,
      // What another node has carried here has been looked at there.
      socketAddress: isCarried ? peer : clientAddress(request.headers, peer, forwarded, counters),
      isCarried,
    })
    : plainText(auth.status, auth.body);
  if (VALIDATE_PATHS.has(path)) response.headers.set("Access-Control-Allow-Origin", "*");
  return response;
}
