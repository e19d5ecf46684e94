/**
 * Bounds how much of a request's body is ever read.
 *
 * @module
 */
import { plainText } from "./http_exchange.ts";

/** 413, with LiveKit's text. */
export function bodyTooLarge(): Response {
  return plainText(413, "request body too large");
}

/** Whether the declared length is over the limit; `limit` in bytes, 0 means none. */
export function declaresTooMuch(request: Request, limit: number): boolean {
  const declared = request.headers.get("Content-Length");
  return limit !== 0 && declared !== null && Number(declared) > limit;
}

/**
 * Reads a whole body, at most `limit` bytes (0 means no limit), whatever its declared length.
 *
 * @returns The bytes, or `undefined` if there are more; the rest is not read then.
 */
export async function readBody(request: Request, limit: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.length;
    if (limit !== 0 && length > limit) return undefined;
    chunks.push(chunk);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
