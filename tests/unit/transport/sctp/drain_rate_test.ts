import assert from "node:assert/strict";
import { DrainRate } from "../../../../lib/transport/sctp/drain_rate.ts";

Deno.test("DrainRate measures what is taken while something waits", () => {
  const rate = new DrainRate(1000);
  assert.equal(rate.bps(1000), undefined);
  rate.queued(10_000, 1000);
  for (let now = 1100; now <= 2000; now += 100) rate.drained(1000, now);
  assert.equal(rate.bps(2000), 80_000, "10,000 bytes in 1 s");
});

Deno.test("DrainRate leaves idle time out", () => {
  const rate = new DrainRate(0);
  rate.queued(1000, 0);
  rate.drained(1000, 200);
  assert.equal(rate.bps(1500), 40_000, "1,000 bytes in 200 ms");
});

Deno.test("DrainRate says nothing before 100 ms of waiting", () => {
  const rate = new DrainRate(0);
  rate.queued(1000, 0);
  rate.drained(1000, 99);
  assert.equal(rate.bps(1000), undefined);
  rate.queued(1000, 1000);
  assert.equal(rate.bps(1001), 80_000);
});

Deno.test("DrainRate of a reader that has stopped falls to 0 within 2 s", () => {
  const rate = new DrainRate(0);
  rate.queued(100_000, 0);
  rate.drained(50_000, 1000);
  assert.equal(rate.bps(1000), 400_000);
  const later = rate.bps(2500)!;
  assert.ok(later > 0 && later < 400_000, String(later));
  assert.equal(rate.bps(3100), 0);
  assert.equal(rate.bps(60_000), 0, "a gap longer than the window");
});

Deno.test("DrainRate gives a reader no credit for what was given up", () => {
  const rate = new DrainRate(0);
  rate.queued(100_000, 0);
  rate.drained(1000, 500);
  rate.dropped(90_000, 1000);
  assert.equal(rate.bps(1000), 8000, "1,000 bytes in 1 s");
  rate.dropped(9000, 1000);
  assert.equal(rate.bps(1900), 8000, "nothing waits any more");
});

Deno.test("DrainRate forgets what is older than 2 s", () => {
  const rate = new DrainRate(0);
  rate.queued(1000, 0);
  rate.drained(1000, 500);
  assert.equal(rate.bps(10_000), undefined);
});

Deno.test("DrainRate forgets what was taken at the end of a tenth of a second along with that time", () => {
  const rate = new DrainRate(0);
  rate.queued(1000, 100);
  rate.drained(1000, 200);
  assert.equal(rate.bps(200), 80_000, "1,000 bytes in 100 ms");
  rate.queued(500, 2050);
  rate.drained(500, 2150);
  assert.equal(rate.bps(2150), 40_000, "500 bytes in 100 ms, and what was before is 2 s ago");
});
