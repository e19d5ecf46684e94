import assert from "node:assert/strict";
import {
  nextRate,
  saturationOf,
  type Search,
  type Step,
} from "../../../bench/forwarding/saturation.ts";

const SEARCH: Search = { first: 10_000, ceiling: 300_000, cores: 1, reach: 0.95, enough: 0.85 };

/** An SFU whose packets cost less the more there are, and that loses what is beyond one core. */
function stepOf(wanted: number, fixedMicros: number, perPacket: number): Step {
  const carried = Math.min(wanted, (1e6 - fixedMicros) / perPacket);
  const cpuMicros = fixedMicros + carried * perPacket;
  return {
    offeredPerSecond: wanted,
    outPerSecond: carried,
    cpuMicrosPerPacket: cpuMicros / carried,
    cpuShare: cpuMicros / 1e6,
    loss: 1 - carried / wanted,
  };
}

function search(options: Search, fixedMicros: number, perPacket: number): Step[] {
  const steps: Step[] = [];
  for (let rate = nextRate(steps, options); rate !== undefined; rate = nextRate(steps, options)) {
    steps.push(stepOf(rate, fixedMicros, perPacket));
  }
  return steps;
}

Deno.test("the search finds within a tenth what an SFU can carry, in at most four steps", () => {
  for (const perPacket of [4, 10, 40]) {
    const steps = search(SEARCH, 50_000, perPacket);
    const exact = 950_000 / perPacket;
    assert.ok(steps.length <= 4);
    const found = saturationOf(steps, SEARCH);
    assert.ok(Math.abs(found / exact - 1) < 0.1, `${found} for ${exact}`);
  }
});

Deno.test("the search steps back from a first rate that was too much", () => {
  const steps = search({ ...SEARCH, first: 50_000 }, 0, 40);
  assert.equal(steps[0]!.outPerSecond, 25_000);
  assert.equal(steps[1]!.offeredPerSecond, 30_000);
  assert.ok(saturationOf(steps, SEARCH) <= 30_000);
});

Deno.test("the search never asks for more than its ceiling", () => {
  const steps = search({ ...SEARCH, ceiling: 12_000 }, 1_000, 4);
  assert.ok(steps.every(({ offeredPerSecond }) => offeredPerSecond <= 12_000));
  assert.equal(steps.at(-1)!.offeredPerSecond, 12_000);
});

Deno.test("a cautious search never asks for what would be too much", () => {
  const cautious = { ...SEARCH, first: 2_000, reach: 0.65, enough: 0.5 };
  const steps = search(cautious, 100_000, 45);
  assert.ok(steps.every(({ loss }) => loss === 0));
  const exact = 900_000 / 45;
  assert.ok(Math.abs(saturationOf(steps, cautious) / exact - 1) < 0.15);
});

Deno.test("saturationOf() is what was delivered if every step was too much", () => {
  const step = { ...stepOf(10_000, 0, 200), loss: 0.5 };
  assert.equal(saturationOf([step], SEARCH), 5_000);
});

Deno.test("saturationOf() trusts what came out more than a prediction", () => {
  // The machine gave a third of a core when this step asked for more.
  const carried = stepOf(20_000, 0, 5);
  const starved = { ...stepOf(180_000, 0, 5), outPerSecond: 66_000 };
  assert.equal(saturationOf([carried, starved], SEARCH), 66_000);
  const worse = { ...starved, outPerSecond: 3_000 };
  assert.equal(saturationOf([carried, worse], SEARCH), 20_000);
});

Deno.test("two cores are expected to carry twice as much", () => {
  const step = stepOf(100_000, 0, 4);
  assert.equal(saturationOf([step], { ...SEARCH, cores: 2 }), 500_000);
});
