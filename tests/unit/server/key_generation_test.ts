import assert from "node:assert/strict";
import { generateKeyPair } from "../../../lib/server/key_generation.ts";

Deno.test("generateKeyPair() writes 32 random bytes in base 62", () => {
  const bytes = (fill: number) => (length: number) => new Uint8Array(length).fill(fill);
  const { apiKey, secret } = generateKeyPair({ bytes: bytes(255 - 56), uint32: () => 0 });
  assert.match(apiKey, /^API[2-9A-Za-z]{12}$/);
  assert.match(secret, /^[0-9A-Za-z]{43}$/);
  // 2^256 - 1 in base 62, most significant digit first: read back to check.
  const all = generateKeyPair({
    bytes: (length) => new Uint8Array(length).fill(length === 32 ? 255 : 0),
    uint32: () => 0,
  }).secret;
  const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  const value = [...all].reduce((sum, digit) => sum * 62n + BigInt(digits.indexOf(digit)), 0n);
  assert.equal(value, (1n << 256n) - 1n);
});
