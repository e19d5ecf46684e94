/**
 * What one HTTP request is to a route, and the plain-text answers LiveKit gives.
 *
 * @module
 */
import type { AccessToken, Refusal } from "../lib/signalling/access_token.ts";

/** A request after the middleware: path normalised, token verified. */
export interface HttpExchange {
  readonly request: Request;
  readonly url: URL;
  /** Path with one of two leading slashes dropped. */
  readonly path: string;
  /** Absent if the request carried no token. */
  readonly token: AccessToken | undefined;
  /** When the request came, monotonic ms. */
  readonly receivedAt: number;
  /**
   * Address of the socket, or whom a proxy of ours says it is for; empty where the caller did not
   * say.
   */
  readonly socketAddress: string;
  /** Another node has carried it here. */
  readonly isCarried?: boolean;
}

/** Answers a request; throws only for bugs. */
export type RouteHandler = (exchange: HttpExchange) => Response | Promise<Response>;

/** `text/plain` without a line end, as LiveKit writes its errors. */
export function plainText(status: number, body: string, headers: HeadersInit = {}): Response {
  return new Response(body, {
    status,
    headers: { "Content-Type": "text/plain; charset=utf-8", ...headers },
  });
}

const comingAnswers = new WeakSet<Response>();

/** `response`, whose body is sent as it comes, and not when it is whole. */
export function asItComes(response: Response): Response {
  comingAnswers.add(response);
  return response;
}

/** Whether {@linkcode asItComes} was said of it. */
export function isToComeInParts(response: Response): boolean {
  return comingAnswers.has(response);
}

const keptBodies = new WeakMap<Response, Uint8Array<ArrayBuffer>>();

/**
 * An answer with bytes that stay in memory whoever is being sent them, and are not changed: they
 * are sent as they stand, and not as a copy for each client.
 */
export function keptAnswer(bytes: Uint8Array<ArrayBuffer>, init: ResponseInit): Response {
  // For those who read it as any other answer.
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      controller.enqueue(bytes.slice());
      controller.close();
    },
  }, { highWaterMark: 0 });
  const response = new Response(body, init);
  keptBodies.set(response, bytes);
  return response;
}

/** What {@linkcode keptAnswer} was given for it. */
export function keptBody(response: Response): Uint8Array<ArrayBuffer> | undefined {
  return keptBodies.get(response);
}

/** What comes with a refusal: who is refused for now is told when to ask again. */
export function retryHeaders({ retryAfterS }: Pick<Refusal, "retryAfterS">): HeadersInit {
  return retryAfterS === undefined ? {} : { "Retry-After": String(retryAfterS) };
}

/** What clients get for every path that does not exist. */
export function notFound(): Response {
  return plainText(404, "404 page not found\n", { "X-Content-Type-Options": "nosniff" });
}

/** RFC 6455 §4.2.1, as lenient as LiveKit: the words may stand among others. */
export function wantsWebSocket({ headers }: Request): boolean {
  const has = (name: string, word: string) =>
    (headers.get(name) ?? "").toLowerCase().split(",").some((part) => part.trim() === word);
  return has("Connection", "upgrade") && has("Upgrade", "websocket");
}
