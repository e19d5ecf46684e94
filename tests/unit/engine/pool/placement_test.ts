import assert from "node:assert/strict";
import { Placement } from "../../../../lib/engine/pool/placement.ts";

const idle = { busy: 0, packetsOutPerS: 0 };
const busy = (share: number) => ({ busy: share, packetsOutPerS: 0 });

Deno.test("Placement.place() spreads rooms and keeps each on one engine", () => {
  const placement = new Placement(3);
  const homes = ["a", "b", "c"].map((room) => placement.place(room));
  assert.deepEqual(homes, [0, 1, 2]);
  for (let i = 0; i < 50; i++) assert.equal(placement.place("b"), 1);
  assert.equal(placement.place("d"), 0);
});

Deno.test("Placement.place() lets a room spread only when its engine is full and another clearly less", () => {
  const placement = new Placement(2);
  assert.equal(placement.place("large"), 0);
  placement.report(0, busy(0.65));
  placement.report(1, idle);
  assert.equal(placement.place("large"), 0, "not full");
  placement.report(0, busy(0.9));
  placement.report(1, busy(0.8));
  assert.equal(placement.place("large"), 0, "the other is no better");
  placement.report(1, busy(0.3));
  assert.equal(placement.place("large"), 1);
  placement.report(1, busy(0.4));
  assert.equal(placement.place("large"), 1, "the freer of its two engines");
  placement.report(0, busy(0.2));
  assert.equal(placement.place("large"), 0);
});

Deno.test("Placement.place() counts newcomers before they show in what is measured", () => {
  const placement = new Placement(2);
  for (let i = 0; i < 100; i++) placement.place("first");
  placement.report(1, busy(0.1));
  assert.equal(placement.place("second"), 1, "a hundred newcomers weigh more than a tenth");
  for (let i = 0; i < 10; i++) placement.report(0, idle);
  assert.equal(placement.place("third"), 0, "what they are is known by now");
});

Deno.test("Placement forgets a room with its last connection, and an engine while it is away", () => {
  const placement = new Placement(2);
  assert.equal(placement.place("room"), 0);
  placement.gone(0, "room");
  placement.report(0, busy(0.1));
  assert.equal(placement.place("room"), 1);
  placement.setAlive(1, false);
  assert.equal(placement.place("room"), 0, "what is left of it there is lost");
  placement.setAlive(0, false);
  assert.equal(placement.place("room"), undefined);
  placement.setAlive(1, true);
  assert.equal(placement.place(undefined), 1);
});
