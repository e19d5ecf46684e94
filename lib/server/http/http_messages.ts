/**
 * Requests and responses of the Fetch standard on `node:http`'s connections, which the process's
 * own listener has because only they can be counted, timed and closed one by one.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { isToComeInParts, keptBody } from "../../../routes/http_exchange.ts";

/** Host and port as in a header; anything else would end up in another part of the address. */
const HOST = /^[\w.~-]+(?::\d{1,5})?$|^\[[\da-fA-F:.]+\](?::\d{1,5})?$/;

/**
 * Lines of a header. The runtime compares each with all before it, so that a thousand would hold
 * everybody up for a second; browsers behind proxies send thirty.
 */
const MAX_HEADER_LINES = 128;

/** What a body that is in memory anyway is counted as: what a connection keeps beside it. */
const SHARED_BODY_BYTES = 16 * 1024;

/** Answers that have no body (RFC 9110 §6.4.1). */
const BODILESS: ReadonlySet<number> = new Set([101, 204, 205, 304]);

/**
 * The request, or how it is to be refused: 400 for one that has no address, or that others may read
 * otherwise, 431 for one with too long a header.
 *
 * @param scheme What it came by.
 * @param onRead Called before the first byte of the body is waited for.
 */
export function toRequest(
  message: IncomingMessage,
  scheme: "http" | "https",
  onRead: () => void = () => {},
): Request | 400 | 431 {
  const { method = "GET", url = "", rawHeaders, headers: { host = "localhost" } } = message;
  if (rawHeaders.length > 2 * MAX_HEADER_LINES) return 431;
  if (!url.startsWith("/") || !HOST.test(host) || isAmbiguous(message)) return 400;
  try {
    const body = hasBody(message) ? bodyOf(message, onRead) : null;
    const request = new Request(`${scheme}://${host}${url}`, { method, body });
    // Given to the constructor, they would be gone through and copied once more.
    for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
      request.headers.append(rawHeaders[at]!, rawHeaders[at + 1]!);
    }
    return request;
  } catch {
    // A method or header that HTTP allows and the Fetch standard does not.
    return 400;
  }
}

/**
 * Whether a proxy in front may have taken it for another one: more than one host (RFC 9112 §3.2),
 * or a body in chunks of a version that has none (§6.1).
 */
function isAmbiguous({ rawHeaders, httpVersion, headers }: IncomingMessage): boolean {
  if (httpVersion === "1.0" && headers["transfer-encoding"] !== undefined) return true;
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]!.toLowerCase() === "host") hosts++;
  }
  return hosts > 1;
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

/**
 * Writes a whole answer. Bodies are small, but for those that are sent as they come.
 *
 * @param waits From now on the client is waited for, or no longer.
 * @param sends A body of so many bytes of memory waits until the client takes it.
 */
export async function writeResponse(
  response: Response,
  to: ServerResponse,
  isHead: boolean,
  waits: (isWaiting: boolean) => void = () => {},
  sends: (bytes: number) => void = () => {},
): Promise<void> {
  if (isToComeInParts(response) && !isHead) return await writeParts(response, to, waits);
  waits(true);
  const kept = keptBody(response);
  const body = kept ?? new Uint8Array(await response.arrayBuffer());
  to.statusCode = response.status;
  for (const [name, value] of response.headers) to.setHeader(name, value);
  if (!BODILESS.has(response.status) && !isHead) to.setHeader("Content-Length", body.length);
  const isSent = body.length > 0 && !isHead;
  if (isSent) sends(kept === undefined ? body.length : Math.min(body.length, SHARED_BODY_BYTES));
  to.end(isSent ? body : undefined);
}

/** As fast as the client takes it, until it leaves. */
async function writeParts(
  response: Response,
  to: ServerResponse,
  waits: (isWaiting: boolean) => void,
): Promise<void> {
  to.statusCode = response.status;
  for (const [name, value] of response.headers) to.setHeader(name, value);
  to.flushHeaders();
  const reader = response.body!.getReader();
  const gone = () => void reader.cancel().catch(() => {});
  to.once("close", gone);
  // It may have left before there was an answer.
  if (to.destroyed) gone();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (to.write(value) || to.destroyed) continue;
    waits(true);
    await new Promise<void>((resolve) => {
      const goOn = () => {
        to.off("drain", goOn).off("close", goOn);
        resolve();
      };
      to.once("drain", goOn).once("close", goOn);
    });
    waits(false);
  }
  waits(true);
  to.off("close", gone);
  to.end();
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
