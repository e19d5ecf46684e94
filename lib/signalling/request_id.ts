/**
 * Ids for what a request of the server API creates. SDKs repeat a request that got no answer, under
 * one request id, and must not create things twice.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { idFromBytes, randomId } from "../base/ids.ts";
import type { Random } from "../base/platform.ts";

/**
 * The same id for the same `prefix` and `requestId`, unlike all others.
 *
 * @param requestId Empty if the client sent none: the id is then random.
 */
export function idForRequest(prefix: string, requestId: string, random: Random): string {
  if (requestId === "") return randomId(random, prefix);
  const hash = createHash("sha256").update(`${prefix}\0${requestId}`).digest();
  return idFromBytes(prefix, hash);
}
