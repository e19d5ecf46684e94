/** LiveKit's tests of what nodes keep together: rooms, recordings, ingresses, agents. */
import assert from "node:assert/strict";
import {
  AutoTrackEgress,
  CreateAgentDispatchRequest,
  CreateRoomRequest,
  EgressStatus,
  IngressInfo,
  IngressState,
  JobStatus,
  RoomAgentDispatch,
  RoomCompositeEgressRequest,
  RoomEgress,
  UpdateJobStatus,
} from "@livekit/protocol";
import type { NodeId } from "../../lib/base/ids.ts";
import type { EnterRequest } from "../../lib/cluster/directory/cluster_directory.ts";
import { keptPlanText, readKeptPlan } from "../../lib/cluster/mirror/kept_plan.ts";
import { planRoom } from "../../lib/egress/egress_plan.ts";
import { IngressStore } from "../../lib/ingress/ingress_store.ts";
import type { RoomPlan } from "../../lib/room/context/room_plan.ts";
import { TextSeal } from "../../lib/transport/crypto/sealed_text.ts";
import { AgentWorld } from "../support/virtual/agent_worker.ts";
import { adminWorld, succeeded } from "../support/virtual/admin_world.ts";
import { entered, joining, nodeRecord, roomSeed } from "../support/virtual/directory_table.ts";
import { IngressWorld } from "../support/virtual/ingress_world.ts";
import { World } from "../support/virtual/scripted_client.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";
import { testEgress } from "../support/virtual/test_egress.ts";
import { settle } from "../support/virtual/virtual_platform.ts";
import { directoryScenario } from "./directory_support.ts";
import { unitScenario } from "./support.ts";

const [A, B] = ["ND_a", "ND_b"] as NodeId[] as [NodeId, NodeId];

/** The seal of one of the nodes that share a secret. */
const sealOf = (node: number) =>
  new TextSeal(new Uint8Array(32).fill(7), "directory", new SeededRandom(node));

/** What is decided about a room that is made like this. */
async function planOf(request: Partial<CreateRoomRequest>): Promise<RoomPlan> {
  const { world, admin } = adminWorld();
  succeeded(await admin.createRoom(new CreateRoomRequest({ name: "r", ...request })));
  const { settings, internal } = world.rooms.get("r")!;
  return { settings, internal, metadata: "" };
}

directoryScenario("TestRoomInternal", async (one, two) => {
  const tracks = new AutoTrackEgress({ filepath: "egress" });
  const agents = [new RoomAgentDispatch({ agentName: "scribe", metadata: "notes" })];
  // Each node has a seal of its own for what is secret in it, of the secret that they share.
  const kept = (plan: RoomPlan) => keptPlanText(plan, "r", sealOf(1));
  const plan = kept(await planOf({ egress: new RoomEgress({ tracks }), agents }));
  const make = joining("r", A, "ann", "PA_1", { create: roomSeed("RM_123", { plan }) });
  const { record } = await entered(one.enter(make));
  const loaded = async () => {
    const found = (await two.find("r"))!.record;
    assert.equal(found.sid, "RM_123");
    return readKeptPlan(found.plan, "r", sealOf(2))!.plan.internal;
  };
  const { egress, agents: [scribe] } = await loaded();
  assert.equal(egress!.tracks!.filepath, "egress");
  assert.deepEqual([scribe!.agentName, scribe!.metadata], ["scribe", "notes"]);
  const { sid, version } = record;
  const bare = { plan: kept(await planOf({})) };
  assert.ok((await two.update({ room: "r", node: B, sid, version, change: bare })).ok);
  const { egress: none, agents: nobody } = await loaded();
  assert.deepEqual([none, nobody], [undefined, []], "and removed");
  await one.remove("r", "q");
  assert.equal(await two.find("r"), undefined);
});

// Nothing is locked here: each question is one step, so that nobody can die with a lock in hand.
directoryScenario("TestRoomLock", async (one, two) => {
  const handles = [one, two];
  const at = (i: number) => handles[i % 2]!;
  const makers = Array.from({ length: 20 }, (_, i): EnterRequest => {
    const create = roomSeed(`RM_${i}`);
    return joining("r", i % 2 === 0 ? A : B, `p${i}`, `PA_${i}`, { create });
  });
  const made = await Promise.all(makers.map((request, i) => entered(at(i).enter(request))));
  assert.equal(made.filter(({ created }) => created).length, 1, "one of all makes it");
  assert.equal(new Set(made.map(({ record }) => record.sid)).size, 1, "and all have that one");
  const { record: { sid, version } } = made[0]!;
  // Who comes second sees what the first has done, and goes on from there.
  const changes = await Promise.all(makers.map((_, i) => {
    const node = i % 2 === 0 ? A : B;
    return at(i).update({ room: "r", node, sid, version, change: { lingerMs: i } });
  }));
  assert.equal(changes.filter(({ ok }) => ok).length, 1);
  for (const change of changes) {
    assert.ok("record" in change);
    assert.equal(change.record.version, version + 1);
  }
  const next = await two.update({
    ...{ room: "r", node: B, sid, version: version + 1 },
    change: { lingerMs: 99 },
  });
  assert.ok(next.ok && next.record.lingerMs === 99);
  // A node that dies while it closes the room does not keep it.
  for (const node of [A, B]) await one.heartbeat(nodeRecord(node));
  for (const { identity, number } of await one.claims("r")) {
    await one.release({ room: "r", identity, number });
  }
  await one.leave({ room: "r", node: B });
  const closing = await one.leave({ room: "r", node: A });
  assert.ok(typeof closing === "object" && closing.keeper === A);
  await one.withdraw(A);
  const burial = await two.bury({ room: "r", dead: A, by: B });
  assert.equal(burial!.closing!.keeper, B);
  assert.equal(await one.close("r", closing), undefined, "the dead one's word is worth nothing");
  assert.equal((await two.close("r", burial!.closing!) as { sid: string }).sid, sid);
});

unitScenario("TestEgressStore", async () => {
  const world = new World();
  for (const roomName of ["one", "two"]) await world.joined("ann", { roomName });
  const service = testEgress(world);
  const begin = (roomName: string) =>
    succeeded(service.start(planRoom(new RoomCompositeEgressRequest({ roomName })))).egressId;
  const [first, second] = [begin("one"), begin("two")];
  const listed = (filter: { roomName?: string; egressId?: string; active?: boolean } = {}) =>
    service.list({ roomName: "", egressId: "", active: false, ...filter })
      .map(({ egressId, status }) => `${egressId} ${EgressStatus[status]}`);
  const idsOf = (...asked: Parameters<typeof listed>) =>
    listed(...asked).map((line) => line.split(" ")[0]);
  assert.deepEqual(idsOf(), [first, second]);
  assert.deepEqual(idsOf({ egressId: second }), [second]);
  assert.deepEqual(idsOf({ roomName: "one" }), [first]);
  assert.deepEqual(idsOf({ roomName: "three" }), []);
  succeeded(service.stop(second));
  await world.pass(1_000);
  assert.deepEqual(idsOf({ active: true }), [first]);
  assert.match(listed({ egressId: second })[0]!, /EGRESS_ABORTED$/, "nothing came of it");
  // Those that ended first are forgotten, and none that runs.
  for (let batch = 0; batch < 4; batch++) {
    for (let i = 0; i < 250; i++) succeeded(service.stop(begin("two")));
    await world.pass(1_000, 500);
  }
  assert.deepEqual(idsOf({ egressId: second }), []);
  assert.deepEqual(idsOf({ roomName: "one" }), [first]);
  assert.equal(idsOf().length, 1_001);
});

directoryScenario("TestIngressStore", async (one, two) => {
  const [writer, reader] = [new IngressStore(one.shelf), new IngressStore(two.shelf)];
  const info = new IngressInfo({ ingressId: "IN_1", streamKey: "key", name: "studio" });
  assert.ok(await writer.put(info));
  for (const found of [await reader.find("IN_1"), await reader.byKey("key")]) {
    assert.deepEqual([found!.ingressId, found!.streamKey], ["IN_1", "key"]);
  }
  const inRoom = async () => (await reader.all()).map(({ roomName }) => roomName);
  assert.deepEqual(await inRoom(), [""]);
  info.roomName = "room";
  assert.ok(await writer.change(info));
  assert.deepEqual(await inRoom(), ["room"]);
  const state = (resourceId: string, error: string) => new IngressState({ resourceId, error });
  const error = async () => (await reader.state("IN_1"))?.state.error;
  await writer.setState(info, A, state("PA_2", "of the second"), true);
  await writer.setState(info, B, state("PA_1", "of one before"), false);
  assert.equal(await error(), "of the second", "what is out of date is not kept");
  await writer.setState(info, A, state("PA_2", "news"), false);
  await writer.setState(info, B, state("PA_3", "of the third"), true);
  assert.equal(await error(), "of the third");
  assert.ok(await writer.remove(info));
  for (const found of [await reader.find("IN_1"), await reader.byKey("key"), await error()]) {
    assert.equal(found, undefined);
  }
  assert.equal(await writer.change(info), false, "it does not come back");
  // And as applications list them.
  const world = new IngressWorld();
  const made = await world.create({ roomName: "" });
  const listed = async () => (await world.call("ListIngress", { roomName: "room" })).json.items;
  assert.deepEqual(await listed(), []);
  for (const roomName of ["room", "elsewhere"]) {
    await world.call("UpdateIngress", { ingressId: made.ingressId, roomName });
    assert.equal((await listed()).length, roomName === "room" ? 1 : 0);
  }
});

unitScenario("TestAgentStore", async () => {
  const world = new AgentWorld();
  const worker = await world.worker({ agentName: "scribe", namespace: "ns" });
  const { dispatcher } = world.service;
  world.configured.set("room_name", [new RoomAgentDispatch({ agentName: "nobody" })]);
  world.openRoom("room_name");
  const request = { agentName: "scribe", room: "room_name", metadata: "notes" };
  const { id } = world.dispatch(new CreateAgentDispatchRequest(request), "")!;
  await settle();
  assert.equal(dispatcher.list("not_a_room", ""), undefined);
  assert.equal(dispatcher.list("room_name", "")!.length, 2, "with the room's own");
  const listed = () => dispatcher.list("room_name", id)![0]!;
  assert.deepEqual([listed().agentName, listed().metadata, listed().room], [
    "scribe",
    "notes",
    "room_name",
  ]);
  assert.ok(listed().state!.createdAt > 0n);
  const [job] = listed().state!.jobs;
  assert.deepEqual([job!.dispatchId, job!.namespace, job!.metadata], [id, "ns", "notes"]);
  assert.equal(job!.state!.status, JobStatus.JS_RUNNING);
  const failed = { jobId: job!.id, status: JobStatus.JS_FAILED, error: "out of paper" };
  worker.send({ case: "updateJob", value: new UpdateJobStatus(failed) });
  const { status, error, endedAt } = listed().state!.jobs[0]!.state!;
  assert.deepEqual([status, error, endedAt > 0n], [JobStatus.JS_FAILED, "out of paper", true]);
  assert.ok(dispatcher.delete("room_name", id)!.state!.deletedAt > 0n);
  assert.deepEqual(dispatcher.list("room_name", id), []);
  assert.equal(dispatcher.list("room_name", "")!.length, 1);
});
