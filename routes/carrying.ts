/**
 * Requests to join that this node does not serve itself: carried to one that does, over which the
 * client then speaks to its session without knowing.
 *
 * Contract: what another node has carried here is never carried on.
 *
 * @module
 */
import type { ClientInfo } from "@livekit/protocol";
import type { CarriedFile } from "../lib/admin/carried_capture.ts";
import type { NodeId } from "../lib/base/ids.ts";
import type { Refusal } from "../lib/signalling/access_token.ts";
import type { JoinParameters } from "../lib/signalling/join_parameters.ts";
import { ELSEWHERE_HEADER } from "../lib/signalling/carried_client.ts";
import type { SignalSocket } from "../lib/signalling/signal_socket.ts";
import type { HttpExchange } from "./http_exchange.ts";

/** As much of a request as an answer depends on. */
export interface CarriedRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
  readonly socketAddress: string;
}

/** An answer of another node, but for its body. */
export interface CarriedHead {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** What another node made of it: a session, or an answer, whole or as it comes. */
export type CarryOutcome =
  | { readonly kind: "opened"; readonly session: SignalSocket }
  | { readonly kind: "answered"; readonly response: CarriedHead & { readonly body: Uint8Array } }
  | { readonly kind: "streamed"; readonly head: CarriedHead; readonly body: CarriedFile };

/** Ways to other nodes; `undefined` where none leads anywhere. */
export interface OtherNodes {
  newcomer(
    request: CarriedRequest,
    room: string,
    among?: readonly NodeId[],
  ): Promise<CarryOutcome | undefined>;
  returning(
    request: CarriedRequest,
    room: string,
    identity: string,
  ): Promise<CarryOutcome | undefined>;
  gathered(request: CarriedRequest, room: string): Promise<CarryOutcome | undefined>;
  /** To the node that serves somebody, for an operator; or why it cannot be. */
  serving(
    request: CarriedRequest,
    room: string,
    identity: string,
  ): Promise<CarryOutcome | "no_room" | "no_participant" | "unreachable">;
  to(node: NodeId, request: CarriedRequest): Promise<CarryOutcome | undefined>;
  pinnedTo(room: string): Promise<readonly NodeId[] | undefined>;
  addressFor(room: string, among?: readonly NodeId[]): Promise<string | undefined>;
}

/** What carrying needs. */
export interface CarryingOptions {
  readonly nodeId: NodeId;
  readonly nodes: OtherNodes;
  readonly clients: {
    join(socket: SignalSocket, session: SignalSocket, info: ClientInfo): void;
  };
}

/** Answers the upgrade and gives the server's end of the socket. */
export type Upgrade = (request: Request) => {
  readonly response: Response;
  readonly socket: SignalSocket;
};

/** What a node has to be told to answer as if the client had come itself. */
const CARRIED_HEADERS: readonly string[] = [
  "Authorization",
  "Connection",
  "Content-Type",
  "If-Match",
  "Upgrade",
  "User-Agent",
  "X-LiveKit-ClientInfo",
  "X-Livekit-Ingress",
];
const EMPTY = new Uint8Array();

/** A request as another node gets it. */
export function carriedRequest(
  { request, url, path, socketAddress }: HttpExchange,
  body: Uint8Array = EMPTY,
): CarriedRequest {
  const headers = CARRIED_HEADERS.flatMap((name) => {
    const value = request.headers.get(name);
    return value === null ? [] : [[name, value] as const];
  });
  return { method: request.method, target: `${path}${url.search}`, headers, body, socketAddress };
}

/** One join at this node, and what other nodes can do for it. */
export class CarriedJoin {
  readonly #request: CarriedRequest;

  constructor(
    readonly options: CarryingOptions,
    readonly exchange: HttpExchange,
    readonly join: JoinParameters,
    readonly upgrade: Upgrade,
  ) {
    this.#request = carriedRequest(exchange);
  }

  /** The answer of a node that takes what this one has refused; `undefined` if none does. */
  async instead({ takers }: Refusal): Promise<Response | undefined> {
    if (takers === undefined) return undefined;
    if (this.join.reconnect) return await this.returning();
    return await this.#newcomer(takers === "any" ? undefined : takers);
  }

  /** The answer of the node to whose session the client returns. */
  async returning(): Promise<Response | undefined> {
    const { roomName, identity } = this.join;
    return this.#answer(await this.options.nodes.returning(this.#request, roomName, identity));
  }

  /** The answer of the node at which rooms are kept together. */
  async gathered(): Promise<Response | undefined> {
    return this.#answer(await this.options.nodes.gathered(this.#request, this.join.roomName));
  }

  /** The answer of a node to which the room is pinned, if that is another one. */
  async pinned(): Promise<Response | undefined> {
    const among = await this.options.nodes.pinnedTo(this.join.roomName);
    return among && await this.#newcomer(among);
  }

  async #newcomer(among: readonly NodeId[] | undefined): Promise<Response | undefined> {
    const { nodes } = this.options;
    return this.#answer(await nodes.newcomer(this.#request, this.join.roomName, among));
  }

  #answer(outcome: CarryOutcome | undefined): Response | undefined {
    if (outcome?.kind !== "opened") return carriedAnswer(outcome);
    const { session } = outcome;
    try {
      const { response, socket } = this.upgrade(this.exchange.request);
      this.options.clients.join(socket, session, this.join.clientInfo);
      return response;
    } catch (error) {
      session.close(1001, "");
      throw error;
    }
  }
}

/** What another node answered, as this one answers it. */
export function carriedAnswer(outcome: CarryOutcome | undefined): Response | undefined {
  if (outcome?.kind !== "answered") return undefined;
  const { body, ...head } = outcome.response;
  return responseOf(head, body.length === 0 ? null : body.slice());
}

/** An answer of another node with a body of this one's making. */
export function responseOf({ status, headers }: CarriedHead, body: BodyInit | null): Response {
  const response = new Response(body, { status });
  // Several of one name, as of `Link`, stay several.
  for (const [name, value] of headers) {
    if (name !== ELSEWHERE_HEADER) response.headers.append(name, value);
  }
  return response;
}

/** What comes with a refusal to another node that has carried a newcomer here. */
export function elsewhereHeaders(
  { takers }: Pick<Refusal, "takers">,
  { isCarried = false }: Pick<HttpExchange, "isCarried">,
): HeadersInit {
  return isCarried && takers !== undefined ? { [ELSEWHERE_HEADER]: "1" } : {};
}
