/**
 * `/whip/v1` and `/whip/v1/{participant_id}`: publishing (and receiving) over one HTTP exchange,
 * RFC 9725.
 *
 * Every refusal of these routes is JSON with an `error`. The entity tag is the ufrag as it is,
 * without the quotes of RFC 9110 §8.8.3, as LiveKit's clients know it; both spellings are
 * understood.
 *
 * @module
 */
import type { NodeId } from "../lib/base/ids.ts";
import type { Refusal } from "../lib/signalling/access_token.ts";
import { clientAddress, type JoinLimits } from "../lib/signalling/join_parameters.ts";
import { readWhipGrant, readWhipParameters } from "../lib/signalling/whip_parameters.ts";
import type { WhipAnswer, WhipService, WhipTarget } from "../lib/signalling/whip_service.ts";
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

/** What the routes need. */
export interface WhipRouteOptions {
  readonly whip: Pick<WhipService, "create" | "trickle" | "restart" | "delete">;
  readonly limits: JoinLimits;
  readonly bodies: BodyReader;
  /** Ways to other nodes; absent where the node is alone. */
  readonly carrying?: Pick<CarryingOptions, "nodeId" | "nodes">;
}

const PATH = "/whip/v1";
/** Between a session's id and its node's, in its address. */
const NODE_MARK = ".";
const SDP = "application/sdp";
const FRAGMENT = "application/trickle-ice-sdpfrag";
/** Bytes of an offer or a fragment: browsers' have some 10 KiB, and so much is parsed in 100 ms. */
const MAX_BODY_BYTES = 256 * 1024;
/** Nothing on the way may compress an answer: that would change its entity tag. */
const UNTOUCHED = { "Cache-Control": "no-store, no-transform" };

/** The handler of a path below `/whip/v1`, if it is one. */
export function whipRoutes(options: WhipRouteOptions): (path: string) => RouteHandler | undefined {
  const endpoint = whipEndpoint(options);
  return (path) => {
    if (path === PATH) return endpoint;
    const name = path.startsWith(`${PATH}/`) ? path.slice(PATH.length + 1) : "";
    return name === "" || name.includes("/") ? undefined : whipResource(options, name);
  };
}

function whipEndpoint(options: WhipRouteOptions): RouteHandler {
  return (exchange) => {
    switch (exchange.request.method) {
      case "GET":
      case "HEAD":
        return new Response(null, { status: 204 });
      case "OPTIONS":
        return new Response(null, { status: 200, headers: OPEN_TO_ALL });
      case "POST":
        return create(exchange, options);
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

function whipResource(options: WhipRouteOptions, name: string): RouteHandler {
  const [sid = "", node] = name.split(NODE_MARK) as [string, NodeId?];
  const { whip, carrying } = options;
  const isElsewhere = carrying !== undefined && node !== undefined && node !== carrying.nodeId;
  return (exchange) => {
    const isChange = exchange.request.method === "PATCH" || exchange.request.method === "DELETE";
    if (isElsewhere && isChange) return atItsNode(exchange, options, sid, node);
    switch (exchange.request.method) {
      case "GET":
      case "HEAD":
        return new Response(null, { status: 204 });
      case "PATCH":
        return patch(exchange, options, sid);
      case "DELETE": {
        const target = targetOf(exchange, sid);
        if (!target.ok) return refuse(target);
        const result = whip.delete(target.target);
        return result.ok ? new Response(null, { status: 200 }) : refuse(result);
      }
      default:
        return methodNotAllowed("DELETE, GET, HEAD, PATCH");
    }
  };
}

/** A session of another node is changed there, if that lives. */
async function atItsNode(
  exchange: HttpExchange,
  { bodies, carrying }: WhipRouteOptions,
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
  { carrying }: WhipRouteOptions,
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

async function create(exchange: HttpExchange, options: WhipRouteOptions): Promise<Response> {
  const { request, url, token, socketAddress } = exchange;
  const { whip, limits, bodies, carrying } = options;
  const wrongType = wrongContentType(request, SDP);
  if (wrongType !== undefined) return wrongType;
  const { headers } = request;
  const read = readWhipParameters({
    query: url.searchParams,
    token,
    userAgent: headers.get("User-Agent") ?? "",
    address: clientAddress(headers, socketAddress),
    socketAddress,
    clientInfo: headers.get("X-LiveKit-ClientInfo") ?? "",
  }, limits);
  if (!read.ok) return refuse(read);
  const body = await bodies.read(request, MAX_BODY_BYTES, asText);
  if (!body.ok) return bodyFailed(body.failure);
  const offer = body.value;
  if (offer === "") return failure(400, "body does not have SDP offer");
  const answer = await whip.create(read.join, offer, read.wanted);
  if (answer.ok) return created(answer, carrying?.nodeId);
  return await createElsewhere(exchange, options, answer, offer) ??
    refuse(answer, elsewhereHeaders(answer, exchange));
}

/** @param node This one, if others have to find it. */
function created({ sid, sdp, iceServers, ufrag }: WhipAnswer, node?: NodeId): Response {
  const name = node === undefined ? sid : `${sid}${NODE_MARK}${node}`;
  const location = locationOf(name);
  const headers = { ...UNTOUCHED, "Content-Type": SDP, "Location": location, "ETag": ufrag };
  const response = new Response(sdp, { status: 201, headers });
  for (const { urls, username, credential } of iceServers) {
    const account = username === ""
      ? ""
      : `; username="${quoted(username)}"; credential="${quoted(credential)}"`;
    for (const url of urls) response.headers.append("Link", `<${url}>; rel="ice-server"${account}`);
  }
  return response;
}

/**
 * Relative to the address of the offer (RFC 9110 §10.2.2), of which we may not know all: a proxy
 * that strips a prefix off its path leaves the prefix in what the client resolves this against.
 */
function locationOf(name: string): string {
  return `${PATH.slice(PATH.lastIndexOf("/") + 1)}/${name}`;
}

async function patch(
  exchange: HttpExchange,
  { whip, bodies }: Pick<WhipRouteOptions, "whip" | "bodies">,
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
    const result = whip.trickle(target.target, unquoted(iceSession), fragment);
    return result.ok ? new Response(null, { status: 204 }) : refuse(result);
  }
  const result = whip.restart(target.target, fragment);
  if (!result.ok) return refuse(result);
  return new Response(result.fragment, {
    status: 200,
    headers: { ...UNTOUCHED, "Content-Type": FRAGMENT, "ETag": result.ufrag },
  });
}

function targetOf(
  { token }: HttpExchange,
  sid: string,
): { readonly ok: true; readonly target: WhipTarget } | Refusal {
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

function refuse(refusal: Refusal, more: HeadersInit = {}): Response {
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
