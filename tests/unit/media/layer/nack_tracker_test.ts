import assert from "node:assert/strict";
import { NackTracker } from "../../../../lib/media/layer/nack_tracker.ts";
import type { ExtSeq } from "../../../../lib/wire/seq.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const ext = (n: number) => n as ExtSeq;

Deno.test("NackTracker asks after a grace for reordering, at most 5 times, ever more slowly", () => {
  const tracker = new NackTracker();
  const out = new Uint16Array(10);
  tracker.receive(ext(65_536), 0);
  tracker.receive(ext(65_538), 0);
  const askedAt: number[] = [];
  for (let now = 0; now < 5000; now++) {
    const isDue = now >= tracker.nextWakeAt();
    const pending = tracker.pending;
    const count = tracker.collect(now, 70, out);
    if (count > 0) askedAt.push(now);
    // It is looked at when it says so: then there is a request, or it gives up; and never before.
    assert.equal(isDue, count > 0 || tracker.pending < pending, `at ${now}`);
  }
  assert.equal(askedAt.length, 5);
  assert.equal(askedAt[0], 20);
  const gaps = askedAt.slice(1).map((at, i) => at - askedAt[i]!);
  assert.deepEqual(gaps, [70, 88, 109, 137]); // 70 × 1.25ⁿ
  assert.equal(tracker.pending, 0);
  assert.equal(tracker.nextWakeAt(), Infinity);
});

Deno.test("NackTracker waits longer with its first request while repair packets come", () => {
  const firstAsk = (repairAt: number, lostAt: number) => {
    const tracker = new NackTracker();
    const out = new Uint16Array(4);
    tracker.receive(ext(1), lostAt - 10);
    tracker.repairCame(repairAt);
    tracker.receive(ext(3), lostAt);
    for (let now = lostAt;; now++) if (tracker.collect(now, 240, out) > 0) return now - lostAt;
  };
  assert.equal(firstAsk(0, 10), 60);
  assert.equal(firstAsk(0, 900), 60);
  assert.equal(firstAsk(0, 2_000), 20, "they have ended");
  assert.equal(firstAsk(-Infinity, 2_000), 20, "there were none");
});

Deno.test("NackTracker keeps the spacing within 20 and 400 ms", () => {
  for (const [rtt, spacing] of [[1, 20], [5000, 400]] as const) {
    const tracker = new NackTracker();
    const out = new Uint16Array(1);
    tracker.receive(ext(1), 0);
    tracker.receive(ext(3), 0);
    const askedAt: number[] = [];
    for (let now = 0; now < 4000; now++) if (tracker.collect(now, rtt, out) > 0) askedAt.push(now);
    assert.deepEqual(askedAt, [0, 1, 2, 3, 4].map((n) => 20 + n * spacing), `${rtt} ms`);
  }
});

Deno.test("NackTracker asks for losses across 65535 → 0 by their 16-bit numbers", () => {
  const tracker = new NackTracker();
  const out = new Uint16Array(10);
  tracker.receive(ext(65_536 + 65_533), 0);
  tracker.receive(ext(65_536 * 2 + 1), 0);
  assert.equal(tracker.collect(20, 70, out), 3);
  assert.deepEqual([...out.subarray(0, 3)], [65_534, 65_535, 0]);
});

Deno.test("NackTracker.receive() says that a lost packet came back, once", () => {
  const tracker = new NackTracker();
  assert.equal(tracker.receive(ext(10), 0), false);
  assert.equal(tracker.receive(ext(12), 0), false);
  assert.equal(tracker.receive(ext(11), 5), true);
  assert.equal(tracker.receive(ext(11), 6), false);
  assert.equal(tracker.collect(1000, 70, new Uint16Array(1)), 0);
});

Deno.test("NackTracker keeps the newest 100 losses of a burst, and what does not fit stays due", () => {
  const tracker = new NackTracker();
  tracker.receive(ext(1000), 0);
  tracker.receive(ext(2000), 0);
  assert.equal(tracker.pending, 100);
  const out = new Uint16Array(60);
  assert.equal(tracker.collect(20, 70, out), 60);
  assert.equal(out[0], 1900);
  assert.equal(tracker.collect(20, 70, out), 40);
  assert.equal(out[39], 1999);
});

/** What is missing, by a list and a look at each entry. */
class PlainModel {
  #highest = -1;
  #missing: { seq: number; dueAt: number; tries: number }[] = [];

  receive(seq: number, now: number): void {
    this.#missing = this.#missing.filter((entry) => entry.seq !== seq);
    if (this.#highest >= 0) {
      for (let s = this.#highest + 1; s < seq; s++) {
        this.#missing.push({ seq: s, dueAt: now + 20, tries: 0 });
      }
    }
    this.#highest = Math.max(this.#highest, seq);
    this.#missing = this.#missing.slice(-100);
  }

  collect(now: number, rttMs: number): number[] {
    const asked: number[] = [];
    for (const entry of this.#missing.filter(({ dueAt }) => dueAt <= now)) {
      if (entry.tries === 5) {
        this.#missing = this.#missing.filter((other) => other !== entry);
        continue;
      }
      asked.push(entry.seq & 0xffff);
      const wait = Math.min(400, Math.max(20, rttMs * 1.25 ** entry.tries++));
      entry.dueAt = now + Math.round(wait);
    }
    return asked;
  }
}

Deno.test("NackTracker asks for what a plain model asks for, in random order over the wrap", () => {
  let asked = 0;
  for (let seed = 0; seed < 30; seed++) {
    const random = new SeededRandom(seed);
    const tracker = new NackTracker();
    const model = new PlainModel();
    const out = new Uint16Array(100);
    let next = 65_536 + 65_400;
    for (let now = 0; now < 2000; now += 5) {
      const seq = random.chance(0.2) ? next - random.below(50) : next += 1 + random.below(3);
      tracker.receive(ext(seq), now);
      model.receive(seq, now);
      const count = tracker.collect(now, 30, out);
      assert.deepEqual(
        [...out.subarray(0, count)],
        model.collect(now, 30),
        `seed ${seed}, ${now} ms`,
      );
      asked += count;
    }
  }
  assert.ok(asked > 1_000, `${asked} requests`);
});

Deno.test("NackTracker makes no storm of 20 % loss: each packet is asked for as often as it is lost, a round trip apart", () => {
  const rttMs = 80;
  for (let seed = 0; seed < 5; seed++) {
    const random = new SeededRandom(seed);
    const tracker = new NackTracker();
    const out = new Uint16Array(100);
    const coming: { readonly at: number; readonly seq: number }[] = [];
    const askedAt = new Map<number, number>();
    let [lost, asked, back] = [0, 0, 0];
    for (let now = 0; now < 20_000; now += 5) {
      const seq = 70_000 + now / 5;
      if (random.chance(0.2)) lost++;
      else tracker.receive(ext(seq), now);
      while (coming.length > 0 && coming[0]!.at <= now) {
        if (tracker.receive(ext(coming.shift()!.seq), now)) back++;
      }
      if (now % 10 !== 0) continue;
      for (const number of out.subarray(0, tracker.collect(now, rttMs, out))) {
        asked++;
        assert.ok(now - (askedAt.get(number) ?? -Infinity) >= rttMs, `${number} at ${now}`);
        askedAt.set(number, now);
        if (!random.chance(0.2)) coming.push({ at: now + rttMs, seq: 65_536 + number });
      }
      assert.ok(tracker.pending < 60, `${tracker.pending} at ${now}`);
    }
    // 1 + 0.2 + 0.2² + … requests for each.
    assert.ok(asked / lost > 1.15 && asked / lost < 1.35, `${asked} requests for ${lost}`);
    assert.ok(back / lost > 0.98, `${back} of ${lost} came`);
  }
});
