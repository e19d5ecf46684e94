/** Waiting only where much comes, never long, and not when a turn took long already. */
import assert from "node:assert/strict";
import { ReceivePace } from "../../../../lib/transport/datagrams/receive_pace.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const SECOND_US = 1_000_000;

/** Receives one datagram each `everyUs` for a second. @returns The longest wait of its second half. */
function longestWait(pace: ReceivePace, everyUs: number, fromUs = 0): number {
  let longest = 0;
  for (let at = fromUs; at < fromUs + SECOND_US; at += everyUs) {
    const delay = pace.delayUs(at);
    if (at > fromUs + SECOND_US / 2) longest = Math.max(longest, delay);
    pace.received(1, at + delay);
  }
  return longest;
}

Deno.test("ReceivePace lets nothing wait where little comes", () => {
  assert.equal(longestWait(new ReceivePace(), 20_000), 0);
});

Deno.test("ReceivePace lets the first of a burst wait where much comes", () => {
  assert.equal(longestWait(new ReceivePace(), 2_000), 500);
});

Deno.test("ReceivePace stops waiting when less comes, and after a pause", () => {
  const pace = new ReceivePace();
  longestWait(pace, 2_000);
  assert.equal(longestWait(pace, 20_000, SECOND_US), 0);
  longestWait(pace, 2_000, 2 * SECOND_US);
  assert.equal(pace.delayUs(10 * SECOND_US), 0);
});

Deno.test("ReceivePace keeps receives 1 ms apart under any load, and adds no more than that", () => {
  const random = new SeededRandom(7);
  const pace = new ReceivePace();
  let now = 0;
  let last = -Infinity;
  for (let i = 0; i < 20_000; i++) {
    now += random.uint32() % 1_500;
    const delay = pace.delayUs(now);
    assert.ok(delay >= 0 && delay <= 1_000, `waits ${delay} µs`);
    now += delay;
    if (i > 1_000) assert.ok(now - last >= 1_000, `only ${now - last} µs apart`);
    last = now;
    pace.received(1 + random.uint32() % 8, now);
  }
});

Deno.test("ReceivePace asks for no wait in a turn that comes late anyway", () => {
  const pace = new ReceivePace();
  longestWait(pace, 2_000);
  pace.received(64, SECOND_US);
  assert.equal(pace.delayUs(SECOND_US + 400), 600);
  assert.equal(pace.delayUs(SECOND_US + 999), 1);
});
