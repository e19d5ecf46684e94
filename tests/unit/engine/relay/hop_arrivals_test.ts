/** What the two ends of a hop tell each other of arrivals. */
import assert from "node:assert/strict";
import { HopArrivals, readArrivals } from "../../../../lib/engine/relay/hop_arrivals.ts";
import { NOT_RECEIVED, TransportFeedback } from "../../../../lib/wire/transport_cc.ts";

const ROOM = 300;
/** 32 bits of the receiver's clock turn over in between. */
const AHEAD_MS = 2 ** 32 - 700;

/** Arrivals, each told with when it came, in ms from the first of all. */
function receiver() {
  const arrivals = new HopArrivals();
  const words = new Int32Array(ROOM);
  const report = new TransportFeedback();
  let reference: number | undefined;
  let baseMs = 0;
  return {
    arrivals,
    /** Numbers that are told of, and when they came; `undefined` for lost ones. */
    report: (now: number, near = 0) => {
      const length = arrivals.write(words, 0, ROOM, AHEAD_MS + now);
      if (length === 0) return undefined;
      const base = readArrivals(words, 0, length, near, report);
      assert.ok(base >= 0);
      baseMs += (((report.referenceTime - (reference ?? report.referenceTime)) << 8) >> 8) * 64;
      reference = report.referenceTime;
      let at = baseMs;
      return [...report.deltas.subarray(0, report.statusCount)].map((delta, i) => {
        if (delta !== NOT_RECEIVED) at += delta / 4;
        return [base + i, delta === NOT_RECEIVED ? undefined : at] as const;
      });
    },
  };
}

Deno.test("A report tells of each datagram once, and when it came", () => {
  const { arrivals, report } = receiver();
  const came = (number: number) => number % 10 === 3 ? undefined : number * 7;
  for (let number = 0; number < 200; number++) {
    const at = came(number);
    if (at !== undefined) arrivals.record(number, AHEAD_MS + at);
  }
  const told = [];
  for (let now = 1_500;; now++) {
    const some = report(now);
    if (some === undefined) break;
    told.push(...some);
  }
  const zero = told[0]![1]!;
  assert.deepEqual(
    told.map(([number, at]) => [number, at === undefined ? undefined : at - zero]),
    Array.from({ length: 200 }, (_, number) => [number, came(number)]),
  );
});

Deno.test("What is overtaken for a moment is not lost", () => {
  const { arrivals, report } = receiver();
  arrivals.record(0, AHEAD_MS + 100);
  arrivals.record(3, AHEAD_MS + 103);
  assert.equal(report(104), undefined, "too early to say");
  arrivals.record(1, AHEAD_MS + 108);
  arrivals.record(2, AHEAD_MS + 109);
  const told = report(130)!;
  assert.deepEqual(told.map(([number]) => number), [0, 1, 2, 3]);
  assert.ok(told.every(([, at]) => at !== undefined));
});

Deno.test("Pauses that fit no byte divide a report, and no time is wrong for it", () => {
  const { arrivals, report } = receiver();
  for (let i = 0; i < 5; i++) arrivals.record(i, AHEAD_MS + i * 1_000);
  const times: number[] = [];
  for (let now = 5_000;; now++) {
    const told = report(now);
    if (told === undefined) break;
    for (const [, at] of told) times.push(at!);
  }
  assert.deepEqual(times.map((at) => at - times[0]!), [0, 1_000, 2_000, 3_000, 4_000]);
});

Deno.test("Numbers are read near those that are known, far beyond 32 bits", () => {
  const words = Int32Array.of(5, 1, 0, 1);
  const report = new TransportFeedback();
  assert.equal(readArrivals(words, 0, 4, 3 * 2 ** 32 + 9, report), 3 * 2 ** 32 + 5);
});

Deno.test("Reports that cannot be are refused", () => {
  const report = new TransportFeedback();
  for (const words of [[], [0], [0, 1, 0], [0, 600, 0, ...new Array(150).fill(0)], [0, -1, 0]]) {
    assert.ok(readArrivals(Int32Array.from(words), 0, words.length, 10, report) < 0);
  }
});
