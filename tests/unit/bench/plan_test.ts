import assert from "node:assert/strict";
import { clientsBehind } from "../../../bench/forwarding/forwarding_line.ts";
import { planOf } from "../../../bench/forwarding/plan.ts";
import { scenarioOf, SCENARIOS, WORKERS_SCENARIO } from "../../../bench/forwarding/scenarios.ts";
import { nominalRate } from "../../../bench/load/frame_pacer.ts";

Deno.test("planOf() gives every stream and track an SSRC of its own, with room for retransmissions", () => {
  for (const scenario of [...SCENARIOS, WORKERS_SCENARIO]) {
    const { tracks, streams } = planOf(scenario);
    const ssrcs = [...tracks, ...streams].flatMap(({ ssrc }) => [ssrc, ssrc + 1]);
    assert.equal(new Set(ssrcs).size, ssrcs.length, scenario.name);
  }
});

Deno.test("planOf() sends each track to everybody else of its room and to nobody else", () => {
  const counts: Readonly<Record<string, readonly [clients: number, streams: number]>> = {
    "video-10": [11, 10],
    "video-1000": [1_001, 1_000],
    "audio-300": [310, 3_000],
    "meeting-20": [20, 20 * 19 + 3 * 19],
    "meeting-50": [50, 50 * 49 + 3 * 49],
    "data-20": [21, 0],
    "rooms-4x25": [104, 100],
  };
  for (const [name, [clients, streams]] of Object.entries(counts)) {
    const plan = planOf(scenarioOf(name)!);
    assert.deepEqual([plan.clients.length, plan.streams.length], [clients, streams], name);
    for (const { track, client } of plan.streams) {
      const publisher = plan.tracks[track]!.client;
      assert.notEqual(publisher, client);
      assert.equal(plan.clients[publisher]!.room, plan.clients[client]!.room);
    }
  }
});

Deno.test("planOf() sums what all subscribers get", () => {
  const { tracks, nominalOut } = planOf(scenarioOf("video-100")!);
  assert.ok(Math.abs(nominalOut / (nominalRate(tracks[0]!.shape) * 100) - 1) < 1e-9);
});

Deno.test("scenarioOf() knows no other names", () => {
  assert.equal(scenarioOf("video-11"), undefined);
});

Deno.test("clientsBehind() blames the publisher of a track nobody gets, else the subscriber", () => {
  const plan = planOf(scenarioOf("meeting-20")!);
  const ofTrack = (track: number) => plan.streams.filter((stream) => stream.track === track);
  const publisher = plan.tracks[4]!.client;
  assert.deepEqual([...clientsBehind(ofTrack(4), plan)], [publisher]);
  const [one, another] = ofTrack(4).map(({ client }) => client);
  const some = ofTrack(4).slice(0, 2);
  assert.deepEqual([...clientsBehind([...some, ...ofTrack(7)], plan)], [
    one,
    another,
    plan.tracks[7]!.client,
  ]);
});
