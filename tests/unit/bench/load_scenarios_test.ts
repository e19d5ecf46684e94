import assert from "node:assert/strict";
import { nominalRate } from "../../../bench/load/frame_pacer.ts";
import {
  crowdBefore,
  deliveriesPerSecond,
  LOAD_SCENARIOS,
  loadScenarioOf,
  participantsOf,
  streamsOf,
  USUAL_LOADS,
} from "../../../bench/real_loads/load_scenarios.ts";
import { SCENARIOS } from "../../../bench/forwarding/scenarios.ts";

Deno.test("LOAD_SCENARIOS have names of their own, apart from those of the forwarding part", () => {
  const names = [...LOAD_SCENARIOS, ...SCENARIOS].map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const name of USUAL_LOADS) assert.ok(loadScenarioOf(name) !== undefined, name);
  assert.equal(loadScenarioOf("video-1-51"), undefined);
});

Deno.test("LOAD_SCENARIOS have as many participants and streams as their titles say", () => {
  const counts: Readonly<Record<string, readonly [participants: number, streams: number]>> = {
    "video-1-10": [11, 10],
    "video-1-50": [51, 50],
    "video-1-100": [101, 100],
    "video-3-50": [53, 150],
    "video-6-40": [46, 240],
    "audio-10-50": [60, 500],
    "meeting-8": [8, 8 * 7 * 2],
    "speakers-8": [8, 8 * 7 * 2],
    "rooms-20x4": [80, 20 * 4 * 3 * 2],
    "idle-200": [200, 0],
    "idle-1000": [1_000, 0],
    "data-1-20-100": [21, 0],
    "data-20-20-100": [20, 0],
  };
  for (const [name, expected] of Object.entries(counts)) {
    const scenario = loadScenarioOf(name)!;
    assert.deepEqual([participantsOf(scenario), streamsOf(scenario)], expected, name);
  }
});

Deno.test("crowdBefore() are fewer of the same kind where nothing but being there is measured", () => {
  const crowd = crowdBefore(loadScenarioOf("idle-1000")!)!;
  assert.deepEqual([participantsOf(crowd), streamsOf(crowd)], [50, 0]);
  assert.equal(crowdBefore(loadScenarioOf("video-1-50")!), undefined);
});

Deno.test("LOAD_SCENARIOS deliver data to everybody but the sender", () => {
  const rates: Readonly<Record<string, number>> = {
    "data-1-20-100": 20 * 500,
    "data-1-20-10k": 20 * 50,
    "data-20-20-100": 20 * 19 * 50,
    "data-20-20-10k": 20 * 19 * 5,
    "video-1-10": 0,
  };
  for (const [name, rate] of Object.entries(rates)) {
    assert.equal(deliveriesPerSecond(loadScenarioOf(name)!), rate, name);
  }
});

Deno.test("LOAD_SCENARIOS send each layer within 7 % of the bitrate it announces", () => {
  const layers = LOAD_SCENARIOS.flatMap(({ publishers }) => publishers).flat()
    .flatMap((track) => track.kind === "video" ? track.layers : []);
  assert.ok(layers.length > 0);
  for (const { shape, bitrateBps } of layers) {
    const { packetsPerFrame, packetBytes, lastPacketBytes } = shape;
    const mean = ((packetsPerFrame - 1) * packetBytes + lastPacketBytes) / packetsPerFrame;
    const ratio = nominalRate(shape) * mean * 8 / bitrateBps;
    assert.ok(Math.abs(ratio - 1) < 0.07, `${bitrateBps}: ${ratio}`);
  }
});
