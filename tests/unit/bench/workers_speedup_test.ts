import assert from "node:assert/strict";
import { speedupOf } from "../../../bench/forwarding/workers_speedup.ts";

const one = { packetsPerSecond: 100_000, cpuMicrosPerPacket: 4, threadShares: [0.8, 0.05] };

Deno.test("speedupOf() compares packets where everybody has a core", () => {
  const two = { packetsPerSecond: 190_000, cpuMicrosPerPacket: 5, threadShares: [0.8, 0.8] };
  assert.equal(speedupOf(one, two, 4).speedup, 1.9);
});

Deno.test("speedupOf() compares costs where clients and workers share two cores", () => {
  const two = { packetsPerSecond: 120_000, cpuMicrosPerPacket: 4, threadShares: [0.5, 0.5] };
  assert.equal(speedupOf(one, two, 2).speedup, 2);
  const dearer = { ...two, cpuMicrosPerPacket: 5 };
  assert.equal(speedupOf(one, dearer, 2).speedup, 1.6);
});

Deno.test("speedupOf() is 1 if one of two workers does all the work", () => {
  const two = { packetsPerSecond: 100_000, cpuMicrosPerPacket: 4, threadShares: [0.8, 0] };
  const figures = speedupOf(one, two, 2);
  assert.equal(figures.balance, 0.5);
  assert.equal(figures.speedup, 1);
});

Deno.test("speedupOf() assumes balance where the system does not tell of threads", () => {
  const two = { packetsPerSecond: 120_000, cpuMicrosPerPacket: 4, threadShares: [] };
  assert.equal(speedupOf(one, two, 2).balance, 1);
});
