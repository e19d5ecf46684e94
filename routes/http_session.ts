/**
 * Routes of protocols in which a client offers once over HTTP: `POST` to an endpoint, then `PATCH`
 * and `DELETE` of what it made (RFC 9725, which WHEP follows).
 *
 * Every refusal of these routes is JSON with an `error`. The entity tag is the ufrag as it is,
 * without the quotes of RFC 9110 §8.8.3, as LiveKit's clients know it; both spellings are
 * understood.
 *
 * @module
 */
import type { NodeId } from "../lib/base/ids.ts";
import type { Refusal } from "../lib/signalling/access_token.ts";
import type {
  HttpAnswer,
  HttpDone,
  HttpSessions,
  HttpTarget,
} from "../lib/signalling/http_sessions.ts";
import { readWhipGrant } from "../lib/signalling/whip_parameters.ts";
import {
  carriedAnswer,
  carriedRequest,
  type CarryingOptions,
  elsewhereHeaders,
} from "./carrying.ts";
import { type HttpExchange, plainText, retryHeaders, type RouteHandler } from "./http_exchange.ts";
import {
  BODY_FAILURE_STATUS,
  type BodyFailure,
  bodyFailureText,
  type BodyReader,
} from "./request_body.ts";

/** What both protocols' routes need. */
export interface HttpSessionRouteOptions {
  readonly bodies: BodyReader;
  /** Ways to other nodes; absent where the node is alone. */
  readonly carrying?: Pick<CarryingOptions, "nodeId" | "nodes">;
}

/** What is asked of a session itself. */
export type SessionRequests = Pick<HttpSessions, "trickle" | "restart" | "delete">;

/** One more resource of each session, changed by `POST`. */
export interface SubResource {
  /** Its name below the session's. */
  readonly name: string;
  readonly contentType: string;
  /** Relation in the `Link` header of the answer (RFC 8288). */
  readonly relation: string;
  readonly change: (target: HttpTarget, body: string) => HttpDone | Refusal;
}

/** What differs between the protocols. */
export interface SessionProtocol {
  /** Of the endpoint, two segments unless {@linkcode below} is set: `/name/version`. */
  readonly path: string;
  readonly sessions: SessionRequests;
  /**
   * Reads what a session is to be, before its offer is read.
   *
   * @returns What makes it of an offer.
   */
  readonly read: (exchange: HttpExchange) => SessionStart | Refusal;
  readonly subResource?: SubResource;
  /** Behind which the address of a session stands, seen from its offer's; absent: the path. */
  readonly below?: string;
}

/** A session in order, but for its offer. */
export interface SessionStart {
  readonly ok: true;
  readonly create: (offerSdp: string) => Promise<HttpAnswer | Refusal>;
}

/** Between a session's id and its node's, in its address. */
const NODE_MARK = ".";
const SDP = "application/sdp";
const FRAGMENT = "application/trickle-ice-sdpfrag";
/** Bytes of an offer or a fragment: browsers' have some 10 KiB, and so much is parsed in 100 ms. */
const MAX_BODY_BYTES = 256 * 1024;
/** Nothing on the way may compress an answer: that would change its entity tag. */
const UNTOUCHED = { "Cache-Control": "no-store, no-transform" };

/** The handler of the protocol's path or one below it, if it is one. */
export function httpSessionRoutes(
  protocol: SessionProtocol,
  options: HttpSessionRouteOptions,
): (path: string) => RouteHandler | undefined {
  const endpoint = sessionEndpoint(protocol, options);
  const { path: own, subResource } = protocol;
  return (path) => {
    if (path === own) return endpoint;
    const [name = "", below, ...more] = path.startsWith(`${own}/`)
      ? path.slice(own.length + 1).split("/")
      : [];
    if (name === "" || more.length > 0) return undefined;
    if (below === undefined) return sessionResource(protocol, options, name);
    return subResource?.name === below ? belowSession(subResource, options, name) : undefined;
  };
}

function sessionEndpoint(
  protocol: SessionProtocol,
  options: HttpSessionRouteOptions,
): RouteHandler {
  return (exchange) => {
    switch (exchange.request.method) {
      case "GET":
      case "HEAD":
        return new Response(null, { status: 204 });
      case "OPTIONS":
        return new Response(null, { status: 200, headers: OPEN_TO_ALL });
      case "POST":
        return create(exchange, protocol, options);
      default:
        return methodNotAllowed("GET, HEAD, OPTIONS, POST");
    }
  };
}

const OPEN_TO_ALL = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Allow-Headers": "*",
  "Access-Control-Allow-Methods": "PATCH, OPTIONS, GET, POST, DELETE",
  "Access-Control-Expose-Headers": "*",
  "Accept-Post": SDP,
};

/** A session's id, by its name in an address. */
export function sidOf(name: string): string {
  return name.split(NODE_MARK)[0]!;
}

/** A session by its name in an address, and the node that has it if that is another. */
function locate(
  name: string,
  { carrying }: HttpSessionRouteOptions,
): { readonly sid: string; readonly elsewhere: NodeId | undefined } {
  const [sid, node] = [sidOf(name), name.split(NODE_MARK)[1] as NodeId | undefined];
  const isElsewhere = carrying !== undefined && node !== undefined && node !== carrying.nodeId;
  return { sid, elsewhere: isElsewhere ? node : undefined };
}

function sessionResource(
  { sessions }: SessionProtocol,
  options: HttpSessionRouteOptions,
  name: string,
): RouteHandler {
  const { sid, elsewhere } = locate(name, options);
  return (exchange) => {
    const isChange = exchange.request.method === "PATCH" || exchange.request.method === "DELETE";
    if (elsewhere !== undefined && isChange) return atItsNode(exchange, options, sid, elsewhere);
    switch (exchange.request.method) {
      case "GET":
      case "HEAD":
        return new Response(null, { status: 204 });
      case "PATCH":
        return patch(exchange, sessions, options, sid);
      case "DELETE": {
        const target = targetOf(exchange, sid);
        if (!target.ok) return refuse(target);
        const result = sessions.delete(target.target);
        return result.ok ? new Response(null, { status: 200 }) : refuse(result);
      }
      default:
        return methodNotAllowed("DELETE, GET, HEAD, PATCH");
    }
  };
}

function belowSession(
  { contentType, change }: SubResource,
  options: HttpSessionRouteOptions,
  name: string,
): RouteHandler {
  const { sid, elsewhere } = locate(name, options);
  return async (exchange) => {
    const { request } = exchange;
    if (request.method !== "POST") return methodNotAllowed("POST");
    if (elsewhere !== undefined) return await atItsNode(exchange, options, sid, elsewhere);
    const wrongType = wrongContentType(request, contentType);
    if (wrongType !== undefined) return wrongType;
    const target = targetOf(exchange, sid);
    if (!target.ok) return refuse(target);
    const body = await options.bodies.read(request, MAX_BODY_BYTES, asText);
    if (!body.ok) return bodyFailed(body.failure);
    const result = change(target.target, body.value);
    return result.ok ? new Response(null, { status: 200 }) : refuse(result);
  };
}

/** A session of another node is changed there, if that lives. */
async function atItsNode(
  exchange: HttpExchange,
  { bodies, carrying }: HttpSessionRouteOptions,
  sid: string,
  node: NodeId,
): Promise<Response> {
  // Two nodes work for what is carried: not for strangers.
  const target = targetOf(exchange, sid);
  if (!target.ok) return refuse(target);
  const body = await bodies.read(exchange.request, MAX_BODY_BYTES, (bytes) => bytes.slice());
  if (!body.ok) return bodyFailed(body.failure);
  const outcome = exchange.isCarried
    ? undefined
    : await carrying?.nodes.to(node, carriedRequest(exchange, body.value));
  return carriedAnswer(outcome) ?? failure(404, "participant does not exist");
}

/** A newcomer that this node does not take is told where to go, or else carried there. */
async function createElsewhere(
  exchange: HttpExchange,
  { carrying }: HttpSessionRouteOptions,
  { takers }: Refusal,
  offer: string,
): Promise<Response | undefined> {
  if (carrying === undefined || takers === undefined || exchange.isCarried) return undefined;
  const { nodes } = carrying;
  const room = exchange.token?.video?.room ?? "";
  const among = takers === "any" ? undefined : takers;
  const address = await nodes.addressFor(room, among);
  if (address !== undefined) {
    const headers = { ...UNTOUCHED, "Location": redirection(exchange, address) };
    return new Response(null, { status: 307, headers });
  }
  const request = carriedRequest(exchange, new TextEncoder().encode(offer));
  return carriedAnswer(await nodes.newcomer(request, room, among));
}

/** With the token: clients do not send a header's on to another host. */
function redirection({ request, url, path }: HttpExchange, address: string): string {
  const to = new URL(`${address.replace(/^ws/, "http")}${path}${url.search}`);
  const bearer = request.headers.get("Authorization")?.replace(/^Bearer /, "");
  if (bearer !== undefined) to.searchParams.set("access_token", bearer);
  return to.href;
}

async function create(
  exchange: HttpExchange,
  protocol: SessionProtocol,
  options: HttpSessionRouteOptions,
): Promise<Response> {
  const { request } = exchange;
  const { bodies, carrying } = options;
  const wrongType = wrongContentType(request, SDP);
  if (wrongType !== undefined) return wrongType;
  const start = protocol.read(exchange);
  if (!start.ok) return refuse(start);
  const body = await bodies.read(request, MAX_BODY_BYTES, asText);
  if (!body.ok) return bodyFailed(body.failure);
  const offer = body.value;
  if (offer === "") return failure(400, "body does not have SDP offer");
  const answer = await start.create(offer);
  if (answer.ok) return created(answer, protocol, carrying?.nodeId);
  return await createElsewhere(exchange, options, answer, offer) ??
    refuse(answer, elsewhereHeaders(answer, exchange));
}

/** @param node This one, if others have to find it. */
function created(
  { sid, sdp, iceServers, ufrag }: HttpAnswer,
  { path, subResource, below }: SessionProtocol,
  node?: NodeId,
): Response {
  const name = node === undefined ? sid : `${sid}${NODE_MARK}${node}`;
  const location = below === undefined ? locationOf(path, name) : `${below}/${name}`;
  const headers = { ...UNTOUCHED, "Content-Type": SDP, "Location": location, "ETag": ufrag };
  const response = new Response(sdp, { status: 201, headers });
  for (const { urls, username, credential } of iceServers) {
    const account = username === ""
      ? ""
      : `; username="${quoted(username)}"; credential="${quoted(credential)}"`;
    for (const url of urls) response.headers.append("Link", `<${url}>; rel="ice-server"${account}`);
  }
  if (subResource !== undefined) {
    const { name: own, relation } = subResource;
    response.headers.append("Link", `<${location}/${own}>; rel="${relation}"`);
  }
  return response;
}

/**
 * Relative to the address of the offer (RFC 9110 §10.2.2), of which we may not know all: a proxy
 * that strips a prefix off its path leaves the prefix in what the client resolves this against. By
 * way of the folder above, because OBS takes whatever doesn't begin with "http" for a path from the
 * root, and there is nothing above that.
 */
function locationOf(path: string, name: string): string {
  return `..${path}/${name}`;
}

async function patch(
  exchange: HttpExchange,
  sessions: SessionRequests,
  { bodies }: HttpSessionRouteOptions,
  sid: string,
): Promise<Response> {
  const { request } = exchange;
  const wrongType = wrongContentType(request, FRAGMENT);
  if (wrongType !== undefined) return wrongType;
  const iceSession = request.headers.get("If-Match")?.trim() ?? "";
  if (iceSession === "") return failure(428, "missing entity tag");
  const target = targetOf(exchange, sid);
  if (!target.ok) return refuse(target);
  const body = await bodies.read(request, MAX_BODY_BYTES, asText);
  if (!body.ok) return bodyFailed(body.failure);
  const fragment = body.value;
  if (iceSession !== "*") {
    const result = sessions.trickle(target.target, unquoted(iceSession), fragment);
    return result.ok ? new Response(null, { status: 204 }) : refuse(result);
  }
  const result = sessions.restart(target.target, fragment);
  if (!result.ok) return refuse(result);
  return new Response(result.fragment, {
    status: 200,
    headers: { ...UNTOUCHED, "Content-Type": FRAGMENT, "ETag": result.ufrag },
  });
}

function targetOf(
  { token }: HttpExchange,
  sid: string,
): { readonly ok: true; readonly target: HttpTarget } | Refusal {
  const access = readWhipGrant(token);
  if (!access.ok) return access;
  const { roomName, identity } = access;
  if (identity === "") {
    return { ok: false, status: 401, body: "participant identity cannot be empty" };
  }
  return { ok: true, target: { roomName, identity, sid } };
}

/** Parameters behind the type are passed over. */
function wrongContentType({ headers }: Request, wanted: string): Response | undefined {
  const type = headers.get("Content-Type") ?? "";
  if (type.split(";")[0]!.trim().toLowerCase() === wanted) return undefined;
  return failure(400, `unsupported content-type: ${type}`);
}

function asText(body: Uint8Array): string {
  return new TextDecoder().decode(body);
}

function bodyFailed(reason: BodyFailure): Response {
  const words = reason === "too_large"
    ? `request body exceeds ${MAX_BODY_BYTES} bytes`
    : bodyFailureText(reason);
  return failure(BODY_FAILURE_STATUS[reason], words);
}

/** Inside quotes (RFC 9110 §5.6.4). */
function quoted(text: string): string {
  return text.replaceAll(/["\\]/g, "\\$&");
}

/** The tag in either spelling; a proxy that compresses makes it a weak one. */
function unquoted(tag: string): string {
  return /^(?:W\/)?"?([^"]*)"?$/.exec(tag)?.[1] ?? tag;
}

/** A refusal as JSON. */
export function refuse(refusal: Refusal, more: HeadersInit = {}): Response {
  return failure(refusal.status, refusal.body, { ...retryHeaders(refusal), ...more });
}

function failure(status: number, error: string, more: HeadersInit = {}): Response {
  return new Response(`${JSON.stringify({ error })}\n`, {
    status,
    headers: { "Content-Type": "application/json", ...more },
  });
}

function methodNotAllowed(allow: string): Response {
  return plainText(405, "Method Not Allowed\n", { "Allow": allow });
}
