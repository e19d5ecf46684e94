import assert from "node:assert/strict";
import { RoomAgentDispatch, RoomCompositeEgressRequest, RoomEgress } from "@livekit/protocol";
import { planText, readPlan, type RoomPlan } from "../../../../lib/room/context/room_plan.ts";
import { applyRequest } from "../../../../lib/room/room_creation.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const PLAN: RoomPlan = {
  settings: { emptyTimeoutS: 300, departureTimeoutS: 20, maxParticipants: 7 },
  internal: {
    tags: { colour: "grün", "roomwire.locked": "true" },
    agents: [new RoomAgentDispatch({ agentName: "helper", metadata: "{}" })],
    egress: new RoomEgress({ room: new RoomCompositeEgressRequest({ roomName: "lobby" }) }),
    playoutDelay: { enabled: true, min: 100, max: 2_000 },
    syncStreams: true,
    replayEnabled: false,
    nodeId: "ND_1",
  },
  metadata: "\u0000 anything",
};

Deno.test("readPlan() gives back what planText() wrote", () => {
  assert.deepEqual(readPlan(planText(PLAN)), PLAN);
  const bare = { ...PLAN, internal: { ...PLAN.internal, egress: undefined, agents: [] } };
  assert.deepEqual(readPlan(planText(bare)), bare);
});

Deno.test("readPlan() refuses what is no plan", () => {
  const json = JSON.parse(planText(PLAN));
  const broken = [
    { ...json, metadata: 1 },
    { ...json, settings: { ...json.settings, maxParticipants: -1 } },
    { ...json, settings: undefined },
    { ...json, internal: { ...json.internal, tags: { a: 1 } } },
    { ...json, internal: { ...json.internal, agents: {} } },
    { ...json, internal: { ...json.internal, agents: [{ agentName: 1 }] } },
    { ...json, internal: { ...json.internal, egress: [] } },
    { ...json, internal: { ...json.internal, playoutDelay: null } },
    [],
    null,
    7,
  ];
  for (const value of broken) assert.equal(readPlan(JSON.stringify(value)), undefined);
  assert.equal(readPlan("{"), undefined);
  assert.equal(readPlan(""), undefined);
});

Deno.test("readPlan() never throws on damaged text", () => {
  const random = new SeededRandom(11);
  const text = planText(PLAN);
  for (let i = 0; i < 2_000; i++) {
    const at = random.uint32() % text.length;
    const cut = random.uint32() % 8;
    const put = String.fromCharCode(random.uint32() % 128);
    const plan = readPlan(text.slice(0, at) + put + text.slice(at + cut));
    if (plan !== undefined) assert.equal(typeof plan.metadata, "string");
  }
});

Deno.test("readPlan() keeps what a newer node wrote, and planText() writes it again", () => {
  const json = JSON.parse(planText(PLAN));
  const { settings, internal } = json;
  const newer = {
    ...json,
    chapters: [1, { a: null }],
    settings: { ...settings, maxGuests: 3 },
    internal: {
      ...internal,
      theme: { colour: "violet" },
      agents: [{ ...internal.agents[0], mood: "good" }],
      egress: { ...internal.egress, hologram: { depth: 2 } },
      dispatches: [{ id: "AD_1", room: "lobby", weight: 7 }],
    },
  };
  const plan = readPlan(JSON.stringify(newer));
  assert.deepEqual(JSON.parse(planText(plan!)), newer);
  const changed = applyRequest({ ...plan!, metadata: "other" }, {
    name: "lobby",
    maxParticipants: 9,
  });
  const expected = { ...newer, metadata: "other" };
  expected.settings = { ...expected.settings, maxParticipants: 9 };
  assert.deepEqual(JSON.parse(planText(changed)), expected);
});

Deno.test("readPlan() lets nothing unknown take the place of what is known", () => {
  const text = planText(PLAN).replace("{", '{"__proto__":{"metadata":"no"},');
  const plan = readPlan(text)!;
  assert.equal(plan.metadata, PLAN.metadata);
  assert.equal(({} as { metadata?: string }).metadata, undefined);
  assert.deepEqual(readPlan(planText(plan)), plan);
});
