/**
 * Nonces that need no memory: each says when it was given, and proves it and to whom, so that a
 * flood of first requests leaves nothing behind (RFC 8489 §9.2).
 *
 * @module
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { Buffer } from "node:buffer";
import type { Random } from "../../base/platform.ts";

/** How long one can be used, ms (as pion's server has it). */
const NONCE_LIFETIME_MS = 60 * 60_000;
const KEY_BYTES = 32;
const MAC_BYTES = 12;
const PATTERN = /^([0-9a-z]{1,11})-([\w-]{16})$/;

/** Gives nonces and knows its own again. */
export class TurnNonces {
  readonly #key: Uint8Array;

  constructor(random: Random) {
    this.#key = random.bytes(KEY_BYTES);
  }

  /** One for a client at `hostname`. `now` is monotonic ms. */
  give(hostname: string, now: number): string {
    const time = now.toString(36);
    return `${time}-${this.#mac(hostname, time).toString("base64url")}`;
  }

  /** Whether `nonce` was given to `hostname`, not too long ago. */
  isFresh(nonce: string, hostname: string, now: number): boolean {
    const [, time, mac] = PATTERN.exec(nonce) ?? [];
    if (time === undefined || mac === undefined) return false;
    const given = Buffer.from(mac, "base64url");
    const expected = this.#mac(hostname, time);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return false;
    return now - parseInt(time, 36) <= NONCE_LIFETIME_MS;
  }

  #mac(hostname: string, time: string): Buffer {
    const full = createHmac("sha256", this.#key).update(`${time}|${hostname}`).digest();
    return full.subarray(0, MAC_BYTES);
  }
}
