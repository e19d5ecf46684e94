/** What a hop knows of losses and queues from the times of departures and arrivals. */
import assert from "node:assert/strict";
import { HopArrivals, HopDepartures } from "../../../../lib/engine/relay/hop_arrivals.ts";

const ROOM = 300;

/** A hop whose clocks differ so that 32 bits of the one turn over in between. */
function hop() {
  const ahead = 2 ** 32 - 700;
  const arrivals = new HopArrivals();
  const departures = new HopDepartures();
  const words = new Int32Array(ROOM);
  let number = 0;
  return {
    departures,
    /** A datagram that needs so long; negative: it is lost. */
    send: (now: number, delayMs: number) => {
      departures.record(number, false, now);
      if (delayMs >= 0) arrivals.record(number, ahead + now + delayMs);
      number++;
    },
    report: (now: number) => {
      const length = arrivals.write(words, 0, ROOM, ahead + now);
      if (length === 0) return undefined;
      assert.ok(departures.take(words, 0, length, number, now));
      return { came: departures.came, lost: departures.lost, queueMs: departures.queueMs };
    },
  };
}

Deno.test("A report counts what came and what did not, each datagram once", () => {
  const { send, report } = hop();
  for (let i = 0; i < 100; i++) send(i, i % 10 === 3 ? -1 : 25);
  assert.deepEqual(report(200), { came: 90, lost: 10, queueMs: 0 });
  assert.equal(report(201), undefined);
});

Deno.test("A queue is what the quickest of a report needed beyond the least", () => {
  const { send, report } = hop();
  for (let i = 0; i < 50; i++) send(i, 25 + (i % 2));
  assert.equal(report(100)!.queueMs, 0);
  for (let i = 1000; i < 1050; i++) send(i, 175 + (i % 2));
  assert.equal(report(1300)!.queueMs, 150);
});

Deno.test("What is overtaken for a moment is not lost", () => {
  const arrivals = new HopArrivals();
  const departures = new HopDepartures();
  const words = new Int32Array(ROOM);
  for (let number = 0; number < 4; number++) departures.record(number, false, number);
  arrivals.record(0, 100);
  arrivals.record(3, 103);
  assert.equal(arrivals.write(words, 0, ROOM, 104), 0, "too early to say");
  arrivals.record(1, 108);
  arrivals.record(2, 109);
  const length = arrivals.write(words, 0, ROOM, 130);
  assert.ok(departures.take(words, 0, length, 4, 150));
  assert.deepEqual([departures.came, departures.lost], [4, 0]);
});

Deno.test("Pauses that fit no byte divide a report, and no time is wrong for it", () => {
  const { send, report } = hop();
  for (let i = 0; i < 5; i++) send(i * 1000, 25);
  let came = 0;
  for (let now = 5_000;; now++) {
    const told = report(now);
    if (told === undefined) break;
    came += told.came;
    assert.equal(told.queueMs, 0);
  }
  assert.equal(came, 5);
});

Deno.test("Reports that cannot be are refused", () => {
  const departures = new HopDepartures();
  for (const words of [[], [0], [0, 1, 0], [0, 600, 0, ...new Array(150).fill(0)], [0, -1, 0]]) {
    assert.equal(departures.take(Int32Array.from(words), 0, words.length, 10, 0), false);
  }
});
