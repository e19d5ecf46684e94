/**
 * `/w`, `/w/{stream_key}` and `/w/{stream_key}/{participant_id}`: publishing by an ingress, which
 * is WHIP (RFC 9725) with a stream key in place of an access token. Encoders send the key as a
 * bearer token, or have it in the address; in that of a session a hyphen stands for the former.
 *
 * @module
 */
import { IngressInput } from "@livekit/protocol";
import type { Clock } from "../lib/base/platform.ts";
import { ingressExtras, ingressToken } from "../lib/ingress/ingress_publishing.ts";
import type { IngressService } from "../lib/ingress/ingress_service.ts";
import type { JoinLimits } from "../lib/signalling/join_parameters.ts";
import { readWhipParameters } from "../lib/signalling/whip_parameters.ts";
import type { WhipService } from "../lib/signalling/whip_service.ts";
import type { HttpExchange, RouteHandler } from "./http_exchange.ts";
import {
  type HttpSessionRouteOptions,
  httpSessionRoutes,
  refuse,
  type SessionProtocol,
  type SessionRequests,
  sidOf,
} from "./http_session.ts";

/** What the routes need. */
export interface IngressRouteOptions extends HttpSessionRouteOptions {
  readonly ingresses: IngressService;
  readonly whip: Pick<WhipService, "create"> & SessionRequests;
  readonly limits: JoinLimits;
  readonly clock: Pick<Clock, "wallMs">;
}

const PATH = "/w";
/** In place of a key that is a bearer token. */
const BY_BEARER = "-";

/** Whether what a request to `path` carries is a stream key and no access token. */
export function takesStreamKeys(path: string): boolean {
  return path === PATH || path.startsWith(`${PATH}/`);
}

/** The handler of a path that takes stream keys. */
export function ingressRoutes(
  options: IngressRouteOptions,
): (path: string) => RouteHandler | undefined {
  return (path) => {
    if (!takesStreamKeys(path)) return undefined;
    const [, , segment = BY_BEARER] = path.split("/");
    if (segment === "") return undefined;
    const handler = httpSessionRoutes(protocolOf(path, segment, options), options)(path);
    if (handler === undefined) return undefined;
    return async (exchange) => {
      const { method } = exchange.request;
      if (method === "GET" || method === "HEAD" || method === "OPTIONS") {
        return await handler(exchange);
      }
      const key = segment === BY_BEARER ? bearerKey(exchange) : decoded(segment);
      const info = await options.ingresses.opened(key, IngressInput.WHIP_INPUT);
      if ("status" in info) return refuse(info);
      // Of a session of this node, which stays where it began when the ingress is sent elsewhere.
      const [, , , session = ""] = path.split("/");
      const begun = options.ingresses.publishedBy(info, sidOf(session));
      const token = ingressToken(begun ?? info, options.clock.wallMs());
      const inner = httpSessionRoutes(
        protocolOf(path, segment, options, (exchange) => startOf(exchange, options, info)),
        options,
      );
      return await inner(path)!({ ...exchange, token });
    };
  };
}

type Info = Exclude<Awaited<ReturnType<IngressService["opened"]>>, { readonly ok: false }>;

function protocolOf(
  path: string,
  segment: string,
  { whip }: IngressRouteOptions,
  read: SessionProtocol["read"] = () => ({ ok: false, status: 401, body: "no stream key" }),
): SessionProtocol {
  const protocol = { sessions: whip, read };
  if (path === PATH) return { ...protocol, path, below: `${PATH.slice(1)}/${BY_BEARER}` };
  return { ...protocol, path: `${PATH}/${segment}` };
}

function startOf(
  { request: { headers }, token, socketAddress }: HttpExchange,
  { whip, limits, ingresses }: IngressRouteOptions,
  info: Info,
): ReturnType<SessionProtocol["read"]> {
  const asked = readWhipParameters({
    // What an encoder may not say of itself the ingress says.
    query: new URLSearchParams(),
    token,
    userAgent: headers.get("User-Agent") ?? "",
    socketAddress,
    clientInfo: "",
  }, limits);
  if (!asked.ok) return asked;
  const create = (offerSdp: string) =>
    whip.create(asked.join, offerSdp, new Map(), ingressExtras(ingresses, info));
  return { ok: true, create };
}

/** Some encoders leave out the word before it. */
function bearerKey({ request: { headers }, url }: HttpExchange): string {
  const header = headers.get("Authorization")?.replace(/^Bearer /i, "") ?? "";
  return header || (url.searchParams.get("access_token") ?? "");
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return "";
  }
}
