import assert from "node:assert/strict";
import { PasswordAttempts } from "../../../lib/server/password_attempts.ts";

const HOUR_MS = 3_600_000;

/** How many of `times` attempts, spread over `overMs`, are let through. */
function allowed(
  attempts: PasswordAttempts,
  addressOf: (attempt: number) => string,
  times: number,
  overMs: number,
): number {
  let count = 0;
  for (let attempt = 0; attempt < times; attempt++) {
    if (attempts.take(addressOf(attempt), Math.round(attempt * overMs / times))) count++;
  }
  return count;
}

Deno.test("a person may mistype, a program learns nothing in an hour", () => {
  assert.equal(allowed(new PasswordAttempts(), () => "192.0.2.1", 5, 0), 5);
  assert.equal(allowed(new PasswordAttempts(), () => "192.0.2.1", 100, 0), 5);
  const inAnHour = allowed(new PasswordAttempts(), () => "192.0.2.1", 100_000, HOUR_MS);
  assert.ok(inAnHour <= 245, `${inAnHour} guesses`);
});

Deno.test("addresses of one IPv6 network are one, those of others are not", () => {
  const attempts = new PasswordAttempts();
  const within = (n: number) => `2001:db8:0:1::${n.toString(16)}`;
  assert.equal(allowed(attempts, within, 1_000, 0), 5);
  assert.equal(attempts.take("2001:db8:0:2::1", 0), true);
});

Deno.test("many networks together are limited, too, and take no memory without end", () => {
  const attempts = new PasswordAttempts();
  const other = (n: number) => `10.${n >> 16 & 255}.${n >> 8 & 255}.${n & 255}`;
  const count = allowed(attempts, other, 1_000_000, HOUR_MS);
  assert.ok(count >= 7_000 && count <= 7_300, `${count} guesses`);
});

Deno.test("who knew it may mistype again", () => {
  const attempts = new PasswordAttempts();
  for (let times = 0; times < 4; times++) attempts.take("192.0.2.1", 0);
  attempts.succeeded("192.0.2.1");
  assert.equal(allowed(attempts, () => "192.0.2.1", 100, 0), 5);
});
