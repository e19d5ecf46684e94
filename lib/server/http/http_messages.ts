/**
 * Requests and responses of the Fetch standard on `node:http`'s connections, which the process's
 * own listener has because only they can be counted, timed and closed one by one.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Host and port as in a header; anything else would end up in another part of the address. */
const HOST = /^[\w.~-]+(?::\d{1,5})?$|^\[[\da-fA-F:.]+\](?::\d{1,5})?$/;

/** Answers that have no body (RFC 9110 §6.4.1). */
const BODILESS: ReadonlySet<number> = new Set([101, 204, 205, 304]);

/**
 * The request, or `undefined` for one that has no address.
 *
 * @param onRead Called before the first byte of the body is waited for.
 */
export function toRequest(
  message: IncomingMessage,
  onRead: () => void = () => {},
): Request | undefined {
  const { method = "GET", url = "", rawHeaders, headers: { host = "localhost" } } = message;
  if (!url.startsWith("/") || !HOST.test(host)) return undefined;
  try {
    const headers = new Headers();
    for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
      headers.append(rawHeaders[at]!, rawHeaders[at + 1]!);
    }
    const body = hasBody(message) ? bodyOf(message, onRead) : null;
    return new Request(`http://${host}${url}`, { method, headers, body });
  } catch {
    // A method or header that HTTP allows and the Fetch standard does not.
    return undefined;
  }
}

/** RFC 9112 §6.3; of `GET` and `HEAD` the Fetch standard knows no body. */
function hasBody({ method, headers }: IncomingMessage): boolean {
  if (method === "GET" || method === "HEAD") return false;
  const length = headers["content-length"];
  return headers["transfer-encoding"] !== undefined || (length !== undefined && length !== "0");
}

/** Reads no further than it is read, and fails when the connection does. */
function bodyOf(
  message: IncomingMessage,
  onRead: () => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let ended = false;
  let isFirst = true;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      const fail = () => {
        if (ended) return;
        ended = true;
        controller.error(new TypeError("The request ended early"));
      };
      message.pause();
      message.on("data", (chunk: Uint8Array) => {
        if (ended) return;
        controller.enqueue(new Uint8Array(chunk));
        message.pause();
      });
      message.once("end", () => {
        if (ended) return;
        ended = true;
        controller.close();
      });
      message.once("error", fail);
      message.once("close", fail);
    },
    pull() {
      if (isFirst) onRead();
      isFirst = false;
      message.resume();
    },
    cancel() {
      ended = true;
    },
  }, { highWaterMark: 0 });
}

/** Writes a whole answer. Bodies are small: they are held in one piece. */
export async function writeResponse(
  response: Response,
  to: ServerResponse,
  isHead: boolean,
): Promise<void> {
  const body = new Uint8Array(await response.arrayBuffer());
  to.statusCode = response.status;
  for (const [name, value] of response.headers) to.setHeader(name, value);
  if (!BODILESS.has(response.status) && !isHead) to.setHeader("Content-Length", body.length);
  to.end(body.length > 0 && !isHead ? body : undefined);
}

/** Writes a whole answer on a connection that is no HTTP server's any more, and ends it. */
export async function writeLastResponse(response: Response, socket: Socket): Promise<void> {
  const body = new Uint8Array(await response.arrayBuffer());
  const lines = [`HTTP/1.1 ${response.status} ${response.statusText || "Status"}`];
  for (const [name, value] of response.headers) {
    if (name !== "connection") lines.push(`${name}: ${value}`);
  }
  lines.push(`content-length: ${body.length}`, "connection: close", "", "");
  socket.write(lines.join("\r\n"));
  socket.end(body);
}
