import assert from "node:assert/strict";
import { costUs, RequestBudget, RequestTurns } from "../../../lib/signalling/request_budget.ts";
import { VirtualPlatform } from "../../support/virtual/virtual_platform.ts";

Deno.test("RequestBudget lets two thousand small requests a second through for ever", () => {
  const { clock } = new VirtualPlatform();
  let now = clock.now();
  const budget = new RequestBudget({ now: () => now });
  for (let i = 0; i < 20_000; i++) {
    if (i % 2 === 0) now++;
    assert.equal(budget.waitMs(), 0);
    budget.charge(costUs(50, 0));
  }
});

Deno.test("RequestBudget says how long the next request has to wait, and is then as it said", () => {
  let now = 0;
  const budget = new RequestBudget({ now: () => now });
  budget.charge(1_000_000);
  const waitMs = budget.waitMs();
  assert.ok(waitMs > 0);
  now += waitMs - 1;
  assert.ok(budget.waitMs() > 0);
  now += 1;
  assert.equal(budget.waitMs(), 0);
});

Deno.test("costUs() takes what a request kept the thread for, or what one of its size takes", () => {
  assert.equal(costUs(0, 0), 100);
  assert.equal(costUs(2_000_000, 3_000), 200_100);
  assert.equal(costUs(10, 20_000), 20_000);
  assert.equal(costUs(10, 200_000), 200_000);
  assert.equal(costUs(10, 10_000_000), 250_000, "the machine did something else");
  assert.equal(costUs(10, 2_000, 10_000_000), 50_000, "it waited for something else");
});

Deno.test("RequestTurns close when their time is used up, and serve who waits in order", () => {
  const platform = new VirtualPlatform();
  const turns = new RequestTurns(platform.timers);
  assert.equal(turns.open, true);
  turns.spend(20_000);
  assert.equal(turns.open, false);
  const served: string[] = [];
  for (const name of ["a", "b", "c"]) {
    turns.next(() => {
      served.push(name);
      turns.spend(12_000);
    });
  }
  platform.timers.after(0, () => served.push("something else"));
  assert.equal(turns.open, false);
  platform.advance(0);
  assert.deepEqual(served, ["a", "b", "something else", "c"]);
  platform.advance(0);
  assert.equal(turns.open, true);
});

Deno.test("RequestTurns take no turn of their own for a little, and count it to those that follow", () => {
  const platform = new VirtualPlatform();
  const turns = new RequestTurns(platform.timers);
  for (let i = 0; i < 4; i++) turns.spend(1_000);
  assert.equal(platform.pendingTimers, 0);
  turns.spend(15_999);
  assert.equal(turns.open, true);
  turns.spend(1);
  assert.equal(turns.open, false);
  platform.advance(0);
  assert.equal(turns.open, true);
  assert.equal(platform.pendingTimers, 0);
});
