import assert from "node:assert/strict";
import { ArrivalGroups } from "../../../lib/bandwidth/arrival_groups.ts";
import { QUEUE, Trendline } from "../../../lib/bandwidth/trendline.ts";

Deno.test("ArrivalGroups compares the last packets of groups that left more than 5 ms apart", () => {
  const groups = new ArrivalGroups();
  assert.equal(groups.add(0, 100, 0), false);
  assert.equal(groups.add(2, 103, 0), false, "the same group");
  assert.equal(groups.add(20, 125, 0), false, "nothing to compare the first one with");
  assert.equal(groups.add(40, 150, 0), true);
  assert.equal(groups.sendDeltaMs, 18);
  assert.equal(groups.arrivalDeltaMs, 22);
});

Deno.test("ArrivalGroups takes what catches up in a burst for one group", () => {
  const groups = new ArrivalGroups();
  groups.add(0, 100, 0);
  groups.add(20, 120, 0);
  for (let i = 2; i < 6; i++) assert.equal(groups.add(i * 20, 121 + i, 0), i === 2 && false);
  assert.equal(groups.add(140, 240, 0), true);
  assert.equal(groups.sendDeltaMs, 100);
  assert.equal(groups.arrivalDeltaMs, 26);
});

Deno.test("ArrivalGroups begins anew when the receiver's clock leaps or runs backwards", () => {
  const groups = new ArrivalGroups();
  for (let i = 0; i < 5; i++) groups.add(i * 20, i * 20, i * 20);
  groups.add(100, 50_100, 100);
  assert.equal(groups.add(120, 50_120, 120), false);
  assert.equal(groups.add(140, 50_140, 140), false);
  assert.equal(groups.add(160, 50_160, 160), true);
  assert.equal(groups.arrivalDeltaMs, 20);
});

/** Groups each 20 ms, each later by what `lateMs` says. */
function states(count: number, lateMs: (i: number) => number): number[] {
  const trendline = new Trendline();
  const seen: number[] = [];
  let arrivedAt = 0;
  for (let i = 0; i < count; i++) {
    const delta = 20 + lateMs(i) - (i > 0 ? lateMs(i - 1) : 0);
    arrivedAt += delta;
    trendline.add(20, delta, arrivedAt, i * 20);
    seen.push(trendline.state);
  }
  return seen;
}

Deno.test("Trendline sees a queue that grows and one that drains, and neither in shaking delays", () => {
  const grows = states(60, (i) => i * 2);
  assert.ok(grows.includes(QUEUE.grows));
  assert.ok(!grows.slice(0, 19).includes(QUEUE.grows), "not before its window is full");
  const drains = states(60, (i) => 300 - i * 4);
  assert.ok(drains.includes(QUEUE.drains));
  assert.ok(!drains.includes(QUEUE.grows));
  const shakes = states(500, (i) => (i * 7) % 5);
  assert.ok(!shakes.includes(QUEUE.grows));
});
