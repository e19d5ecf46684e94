/**
 * Makes API keys and secrets in LiveKit's form (1.13.5, `cmd/server/commands.go`).
 *
 * @module
 */
import { randomId } from "../base/ids.ts";
import type { Random } from "../base/platform.ts";

const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SECRET_BYTES = 32;

/**
 * `API` with 12 random characters, and 32 random bytes in base 62 (43 characters or a few less).
 */
export function generateKeyPair(random: Random): {
  readonly apiKey: string;
  readonly secret: string;
} {
  let value = 0n;
  for (const byte of random.bytes(SECRET_BYTES)) value = value * 256n + BigInt(byte);
  let secret = "";
  for (; value > 0n; value /= 62n) secret = BASE62[Number(value % 62n)]! + secret;
  return { apiKey: randomId(random, "API"), secret };
}
