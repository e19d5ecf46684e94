/**
 * Requests that other nodes carry here, put to this server's own handler as if their clients had
 * come themselves.
 *
 * @module
 */
import { isToComeInParts } from "../../routes/http_exchange.ts";
import type { HttpHandler } from "../../routes/http_handler.ts";
import type { CarriedRequest, CarriedResponse } from "../cluster/carry/carried_message.ts";
import type { StreamedResponse } from "../cluster/carry/carried_requests.ts";
import { ELSEWHERE_HEADER } from "../signalling/carried_client.ts";
import type { SignalSocket } from "../signalling/signal_socket.ts";

/** What a client reads of an answer; the rest says the node that it has reached. */
const ANSWER_HEADERS: ReadonlySet<string> = new Set([
  "allow",
  "cache-control",
  "content-type",
  "etag",
  "link",
  "location",
  "retry-after",
  ELSEWHERE_HEADER,
]);

/** Those that are being answered. */
export class CarriedExchanges {
  /** What an upgrade of each is. */
  readonly #openings = new WeakMap<Request, () => SignalSocket>();

  /** Answers one; never rejects, as the handler does not. */
  async answer(
    handler: HttpHandler,
    { method, target, headers, body, socketAddress }: CarriedRequest,
    open: () => SignalSocket,
  ): Promise<CarriedResponse | StreamedResponse> {
    const request = new Request(`http://carried${target}`, {
      method,
      headers: headers.map(([name, value]) => [name, value] as [string, string]),
      ...(body.length === 0 ? {} : { body: body.slice() }),
    });
    this.#openings.set(request, open);
    const info = { remoteAddr: { hostname: socketAddress }, isCarried: true };
    const response = await handler(request, info);
    const head = {
      status: response.status,
      headers: [...response.headers].filter(([name]) => ANSWER_HEADERS.has(name)),
    };
    if (isToComeInParts(response)) return { ...head, body: response.body! };
    return { ...head, body: new Uint8Array(await response.arrayBuffer()) };
  }

  /** The socket of one that asks for an upgrade; `undefined` for a request of this node's own. */
  upgrade(
    request: Request,
  ): { readonly response: Response; readonly socket: SignalSocket } | undefined {
    const open = this.#openings.get(request);
    return open && { response: new Response(null), socket: open() };
  }
}
