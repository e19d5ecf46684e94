/** Waiting only where much comes, never long, and not when a turn took long already. */
import assert from "node:assert/strict";
import {
  QUIET_GRAIN_US,
  QUIET_REPORTS_GRAIN_US,
  ReceivePace,
  REPORTS_GRAIN_US,
  SACKS_GRAIN_US,
} from "../../../../lib/transport/datagrams/receive_pace.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const SECOND_US = 1_000_000;

/** Receives one packet of media each `everyUs` for a second. @returns The longest wait of its second half. */
function longestWait(pace: ReceivePace, everyUs: number, fromUs = 0): number {
  let longest = 0;
  for (let at = fromUs; at < fromUs + SECOND_US; at += everyUs) {
    const delay = pace.delayUs(at);
    if (at > fromUs + SECOND_US / 2) longest = Math.max(longest, delay);
    pace.received(1, at + delay);
    pace.active(at + delay);
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
    pace.active(now);
  }
});

Deno.test("ReceivePace asks for no wait in a turn that comes late anyway", () => {
  const pace = new ReceivePace();
  longestWait(pace, 2_000);
  pace.received(64, SECOND_US);
  pace.active(SECOND_US);
  assert.equal(pace.delayUs(SECOND_US + 400), 600);
  assert.equal(pace.delayUs(SECOND_US + 999), 1);
});

Deno.test("ReceivePace rests until the next grain while nobody waits for what comes", () => {
  const pace = new ReceivePace();
  pace.received(1, 3 * QUIET_GRAIN_US + 1_234);
  assert.equal(pace.restsUntil(3 * QUIET_GRAIN_US + 1_500), 4 * QUIET_GRAIN_US);
  // However much comes, nothing waits longer than that.
  for (let at = 0; at < SECOND_US; at += 100) pace.received(100, at);
  assert.equal(pace.delayUs(SECOND_US), 0);
});

Deno.test("ReceivePace does not rest for a second after something was waited for", () => {
  const pace = new ReceivePace();
  pace.active(0);
  pace.received(1, SECOND_US - 2);
  assert.ok(pace.restsUntil(SECOND_US - 1) < SECOND_US - 1);
  assert.ok(pace.restsUntil(SECOND_US) <= SECOND_US);
  pace.received(1, SECOND_US + 1);
  assert.equal(pace.restsUntil(SECOND_US + 2), SECOND_US + QUIET_GRAIN_US);
});

Deno.test("ReceivePace lets reports rest for their grain, and for half of it if media is received", () => {
  const random = new SeededRandom(11);
  const pace = new ReceivePace();
  assert.ok(pace.reportsRestUntil(0) <= 0, "the first are received at once");
  for (let i = 0; i < 1_000; i++) {
    const now = random.uint32() % SECOND_US;
    pace.active(now);
    pace.receivedReports(1, now);
    const until = pace.reportsRestUntil(now);
    assert.equal(until % REPORTS_GRAIN_US, 0);
    assert.ok(until > now + REPORTS_GRAIN_US / 2 && until <= now + REPORTS_GRAIN_US * 1.5);
    assert.equal(pace.takesReports(now + REPORTS_GRAIN_US / 2 - 1), false);
    assert.equal(pace.takesReports(now + REPORTS_GRAIN_US / 2), true);
  }
  assert.equal(QUIET_GRAIN_US % REPORTS_GRAIN_US, 0, "timed work is seen to in the same turn");
});

Deno.test("ReceivePace lets acknowledgements rest longer where nothing else comes with them", () => {
  const random = new SeededRandom(12);
  const pace = new ReceivePace();
  for (let i = 0; i < 1_000; i++) {
    const now = random.uint32() % SECOND_US;
    pace.active(now);
    pace.receivedReports(3, now, 3);
    const until = pace.reportsRestUntil(now);
    assert.equal(until % SACKS_GRAIN_US, 0);
    assert.ok(until > now + SACKS_GRAIN_US / 2 && until <= now + SACKS_GRAIN_US * 1.5);
    assert.equal(pace.takesReports(now + SACKS_GRAIN_US / 2 - 1), false);
    assert.equal(pace.takesReports(now + SACKS_GRAIN_US / 2), true);
  }
  assert.equal(SACKS_GRAIN_US % REPORTS_GRAIN_US, 0, "timed work is seen to in the same turn");
});

Deno.test("ReceivePace lets no report wait for the grain of acknowledgements", () => {
  const pace = new ReceivePace();
  pace.receivedReports(3, 1_000, 3);
  // One report among them, and from then on those of sound, at their longest distance.
  for (let reportedAt = 50_000; reportedAt < 40 * SECOND_US; reportedAt += 7.5 * SECOND_US) {
    pace.receivedReports(3, reportedAt, 2);
    for (let now = reportedAt; now < reportedAt + 7.5 * SECOND_US; now += 13_000) {
      if (now > reportedAt) pace.receivedReports(3, now, 3);
      pace.active(now);
      assert.equal(pace.takesReports(now + REPORTS_GRAIN_US / 2), true);
      assert.ok(pace.reportsRestUntil(now) <= now + REPORTS_GRAIN_US * 1.5);
    }
  }
  // Media is over.
  const now = 60 * SECOND_US;
  pace.active(now);
  pace.receivedReports(3, now, 3);
  assert.equal(pace.takesReports(now + SACKS_GRAIN_US / 2 - 1), false);
});

Deno.test("ReceivePace lets no report rest while somebody waits for what is said there", () => {
  const pace = new ReceivePace();
  pace.receivedReports(1, SECOND_US);
  pace.prompt(SECOND_US);
  for (const afterUs of [0, 1, 19_999]) {
    const now = SECOND_US + afterUs;
    assert.ok(pace.isPrompt(now) && pace.takesReports(now));
    assert.ok(pace.reportsRestUntil(now) < now);
    pace.receivedReports(1, now);
  }
  const after = SECOND_US + 20_000;
  assert.equal(pace.isPrompt(after) || pace.takesReports(after), false);
  assert.ok(pace.reportsRestUntil(after) > after);
});

Deno.test("ReceivePace does not let reports rest because there were none", () => {
  const pace = new ReceivePace();
  pace.receivedReports(0, SECOND_US);
  assert.ok(pace.reportsRestUntil(SECOND_US) < SECOND_US);
});

Deno.test("ReceivePace lets a frame wait for its burst where many report, and no longer", () => {
  const pace = new ReceivePace();
  let longest = 0;
  for (let at = 0; at < SECOND_US; at += 20_000) {
    pace.receivedReports(25, at + 10_000);
    const delay = pace.delayUs(at + 15_000);
    longest = Math.max(longest, delay);
    pace.received(1, at + 15_000 + delay);
    pace.active(at + 15_000 + delay);
  }
  assert.equal(longest, 500);
});

Deno.test("ReceivePace lets reports rest longer, and media not at all for them, while it is quiet", () => {
  const pace = new ReceivePace();
  pace.received(1, QUIET_GRAIN_US);
  pace.receivedReports(3, 7 * QUIET_REPORTS_GRAIN_US + 1);
  const now = 7 * QUIET_REPORTS_GRAIN_US + 2;
  assert.equal(pace.isQuiet(now), true);
  assert.equal(pace.reportsRestUntil(now), 8 * QUIET_REPORTS_GRAIN_US);
  assert.ok(pace.restsUntil(now) <= now);
  assert.equal(QUIET_REPORTS_GRAIN_US % REPORTS_GRAIN_US, 0, "with timed work of the same turn");
  pace.active(now);
  assert.equal(pace.isQuiet(now), false);
  assert.ok(pace.reportsRestUntil(now) <= now + 1.5 * REPORTS_GRAIN_US);
});
