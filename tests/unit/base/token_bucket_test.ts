import assert from "node:assert/strict";
import { TokenBucket } from "../../../lib/base/token_bucket.ts";

Deno.test("TokenBucket.take() allows a few at once and a steady rate after that", () => {
  const bucket = new TokenBucket(3, 2);
  const taken = (now: number) => {
    let count = 0;
    while (bucket.take(now)) count++;
    return count;
  };
  assert.equal(taken(1000), 3);
  assert.equal(taken(1000), 0);
  assert.equal(taken(1499), 0);
  assert.equal(taken(1500), 1);
  assert.equal(taken(2500), 2);
  assert.equal(taken(100_000), 3, "what was not used is not saved up");
});

Deno.test("TokenBucket.take() gives no more than the rate, however often it is asked", () => {
  const bucket = new TokenBucket(5, 2);
  let count = 0;
  for (let now = 0; now <= 60_000; now += 5) if (bucket.take(now)) count++;
  assert.equal(count, 5 + 60 * 2);
});
