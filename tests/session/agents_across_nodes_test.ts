/** Agent workers of one node, and rooms of others. */
import assert from "node:assert/strict";
import {
  AgentDispatch,
  CreateRoomRequest,
  DeleteAgentDispatchRequest,
  type Job,
  JobRestartPolicy,
  JobStatus,
  JobType,
  LeaveRequest,
  ListAgentDispatchRequest,
  ParticipantInfo_Kind as Kind,
  RegisterWorkerRequest,
  RoomAgentDispatch,
  UpdateJobStatus,
  UpdateWorkerStatus,
  WorkerStatus,
} from "@livekit/protocol";

import type { PartialMessage } from "@bufbuild/protobuf";
import { failed, succeeded } from "../support/virtual/admin_world.ts";
import { describeJobs, FakeWorker } from "../support/virtual/agent_worker.ts";
import { ClusterWorld, LEASE_MS } from "../support/virtual/cluster_world.ts";
import { FULL_GRANT } from "../support/virtual/scripted_client.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";

const { JT_ROOM, JT_PARTICIPANT, JT_PUBLISHER } = JobType;
/** A node is known to be dead, and its jobs are done by others, ms. */
const RECOVERED_MS = LEASE_MS + 12_000;
/** Somebody else does the job of an agent whose node is dead within this time, ms. */
const AGAIN_WITHIN_MS = LEASE_MS + 1_500;

/** Registers a worker on a node; the others know of it a moment later. */
function register(
  cluster: ClusterWorld,
  node: string,
  registration: PartialMessage<RegisterWorkerRequest> = {},
): FakeWorker {
  const worker = new FakeWorker({ service: cluster.node(node).agents });
  worker.send({ case: "register", value: new RegisterWorkerRequest(registration) });
  return worker;
}

/** Jobs that a worker has and has not been told to end. */
function current(worker: FakeWorker): Job[] {
  const ended = new Set(worker.terminated);
  return worker.assigned.filter(({ id }) => !ended.has(id));
}

async function dispatch(
  cluster: ClusterWorld,
  node: string,
  fields: PartialMessage<AgentDispatch>,
): Promise<AgentDispatch> {
  const { dispatches } = cluster.node(node);
  const wanted = new AgentDispatch({ id: "AD_test", room: "lobby", ...fields });
  return succeeded(await cluster.during(dispatches.create(wanted))) as AgentDispatch;
}

async function listed(cluster: ClusterWorld, node: string): Promise<AgentDispatch[]> {
  const request = new ListAgentDispatchRequest({ room: "lobby" });
  const answer = await cluster.during(cluster.node(node).dispatches.list(request));
  return succeeded(answer).agentDispatches;
}

Deno.test("a worker of one node gets each job of a room of others once", async () => {
  const cluster = new ClusterWorld(["a", "b", "c"]);
  const workers = [JT_ROOM, JT_PARTICIPANT, JT_PUBLISHER].map((type) =>
    register(cluster, "a", { type })
  );
  await cluster.pass(3_000);
  const ann = await cluster.join("b", "ann");
  const bob = await cluster.join("c", "bob");
  await ann.publishCamera();
  await bob.publishCamera();
  await cluster.pass(1_000);
  assert.deepEqual(describeJobs(workers.flatMap(current)), [
    "JT_PARTICIPANT ann",
    "JT_PARTICIPANT bob",
    "JT_PUBLISHER ann",
    "JT_PUBLISHER bob",
    "JT_ROOM lobby",
  ]);
  // Known wherever it is asked, with jobs of all keepers.
  for (const node of ["a", "b", "c"]) {
    const [only, ...others] = await listed(cluster, node);
    assert.equal(others.length, 0);
    assert.equal(only!.state!.jobs.length, 5, node);
    assert.ok(only!.state!.jobs.every(({ state }) => state?.status === JobStatus.JS_RUNNING));
  }
  assert.equal(cluster.node("a").world.rooms.get("lobby"), undefined);
});

Deno.test("an agent is dispatched, and its dispatch deleted, on nodes that do not serve the room", async () => {
  const cluster = new ClusterWorld(["a", "b", "c"]);
  const room = register(cluster, "a", { agentName: "scribe", type: JT_ROOM });
  const each = register(cluster, "a", { agentName: "scribe", type: JT_PARTICIPANT });
  await cluster.join("b", "ann");
  await cluster.join("c", "bob");
  await cluster.pass(3_000);
  const made = await dispatch(cluster, "a", { agentName: "scribe", metadata: "notes" });
  assert.equal(made.metadata, "notes");
  assert.equal((await dispatch(cluster, "c", { agentName: "scribe" })).id, made.id, "once by id");
  await cluster.pass(1_000);
  assert.deepEqual(describeJobs(current(room)), ["JT_ROOM lobby"]);
  assert.deepEqual(describeJobs(current(each)), ["JT_PARTICIPANT ann", "JT_PARTICIPANT bob"]);
  const request = new DeleteAgentDispatchRequest({ room: "lobby", dispatchId: made.id });
  const deleted = await cluster.during(cluster.node("a").dispatches.delete(request));
  assert.ok((succeeded(deleted) as AgentDispatch).state!.deletedAt > 0n);
  await cluster.pass(1_000);
  assert.deepEqual([current(room), current(each)], [[], []]);
  const again = await cluster.during(cluster.node("a").dispatches.delete(request));
  assert.equal(failed(again)[0], "not_found");
  assert.deepEqual((await listed(cluster, "c")).map(({ agentName }) => agentName), [""]);
});

Deno.test("each namespace gets a job of its own, wherever its workers are", async () => {
  const cluster = new ClusterWorld(["a", "b", "c"]);
  const one = register(cluster, "a", { namespace: "one" });
  const two = register(cluster, "b", { namespace: "two" });
  await cluster.pass(3_000);
  const agents = [new RoomAgentDispatch(), new RoomAgentDispatch({ agentName: "nobody" })];
  const request = new CreateRoomRequest({ name: "lobby", agents });
  succeeded(await cluster.during(cluster.node("c").admin.createRoom(request)));
  await cluster.pass(1_000);
  assert.deepEqual(current(one).map(({ namespace }) => namespace), ["one"]);
  assert.deepEqual(current(two).map(({ namespace }) => namespace), ["two"]);
  assert.notEqual(current(one)[0]!.id, current(two)[0]!.id);
});

Deno.test("jobs end with their room, also where it was not served", async () => {
  const cluster = new ClusterWorld(["a", "b", "c"]);
  const worker = register(cluster, "a");
  await cluster.pass(3_000);
  await cluster.join("b", "ann");
  await cluster.pass(500);
  assert.equal(current(worker).length, 1);
  assert.equal(await cluster.during(cluster.node("c").admin.deleteRoom("lobby")), undefined);
  await cluster.pass(5_000);
  assert.deepEqual(current(worker), []);
});

Deno.test("a room job outlives the node that launched it, and is kept by the next", async () => {
  const cluster = new ClusterWorld(["a", "b", "c"]);
  const worker = register(cluster, "a");
  await cluster.pass(3_000);
  const ann = await cluster.join("b", "ann");
  await cluster.join("c", "bob");
  await cluster.pass(500);
  const [job] = current(worker);
  ann.socket.onClose();
  cluster.kill("b");
  await cluster.pass(RECOVERED_MS);
  assert.deepEqual(current(worker).map(({ id }) => id), [job!.id], "the same job");
  const [kept] = await listed(cluster, "a");
  assert.deepEqual(kept!.state!.jobs.map(({ id }) => id), [job!.id]);
  const value = new UpdateJobStatus({ jobId: job!.id, status: JobStatus.JS_SUCCESS });
  worker.send({ case: "updateJob", value });
  await cluster.pass(3_000);
  const [done] = await listed(cluster, "c");
  assert.equal(done!.state!.jobs[0]!.state!.status, JobStatus.JS_SUCCESS, "told to the new keeper");
});

Deno.test("a room job is launched again soon after the node is dead that kept and held it", async () => {
  const cluster = new ClusterWorld(["a", "b", "c"]);
  const gone = register(cluster, "a");
  await cluster.pass(3_000);
  await cluster.join("a", "ann");
  await cluster.join("c", "bob");
  await cluster.pass(500);
  assert.equal(current(gone).length, 1);
  const next = register(cluster, "b");
  await cluster.pass(2_000);
  cluster.kill("a");
  await cluster.pass(LEASE_MS - 1_500);
  assert.deepEqual(current(next), []);
  await cluster.pass(4_500);
  assert.deepEqual(describeJobs(current(next)), ["JT_ROOM lobby"]);
});

for (const restartPolicy of [JobRestartPolicy.JRP_ON_FAILURE, JobRestartPolicy.JRP_NEVER]) {
  const policy = JobRestartPolicy[restartPolicy];
  Deno.test(`jobs of a worker whose node dies are done by another: ${policy}`, async () => {
    const cluster = new ClusterWorld(["a", "b", "c"]);
    const gone = register(cluster, "a", { agentName: "scribe" });
    await cluster.pass(3_000);
    await cluster.join("c", "ann");
    await dispatch(cluster, "c", { agentName: "scribe", restartPolicy });
    await cluster.pass(500);
    assert.equal(current(gone).length, 1);
    const next = register(cluster, "b", { agentName: "scribe" });
    await cluster.pass(2_000);
    cluster.kill("a");
    await cluster.pass(AGAIN_WITHIN_MS);
    const expected = restartPolicy === JobRestartPolicy.JRP_NEVER ? [] : ["JT_ROOM lobby"];
    assert.deepEqual(describeJobs(current(next)), expected);
  });
}

Deno.test("a job is not done again while its agent is in the room", async () => {
  const cluster = new ClusterWorld(["a", "b", "c"]);
  const gone = register(cluster, "a");
  await cluster.pass(3_000);
  await cluster.join("c", "ann");
  await cluster.pass(500);
  const identity = `agent-${current(gone)[0]!.id}`;
  const agent = await cluster.join("b", identity, {
    kind: Kind.AGENT,
    grant: { ...FULL_GRANT, agent: true },
  });
  const next = register(cluster, "b");
  await cluster.pass(2_000);
  cluster.kill("a");
  await cluster.pass(RECOVERED_MS);
  assert.deepEqual(current(next), []);
  await agent.request({ case: "leave", value: new LeaveRequest() });
  await cluster.pass(5_000);
  assert.deepEqual(current(next), [], "it left by itself, which ends its job");
  const [only] = await listed(cluster, "c");
  assert.equal(only!.state!.jobs[0]!.state!.error, "agent worker left the room");
});

Deno.test("a job goes on elsewhere when a node leaves the room to others", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  const worker = register(cluster, "a");
  await cluster.pass(3_000);
  const ann = await cluster.join("a", "ann");
  await cluster.join("b", "bob");
  await cluster.pass(500);
  const [job] = current(worker);
  await ann.request({ case: "leave", value: new LeaveRequest() });
  await cluster.pass(30_000);
  assert.equal(cluster.node("a").world.rooms.get("lobby"), undefined, "a serves nobody in it");
  assert.deepEqual(current(worker).map(({ id }) => id), [job!.id]);
  assert.deepEqual((await listed(cluster, "b"))[0]!.state!.jobs.map(({ id }) => id), [job!.id]);
});

Deno.test("workers that are full, and nodes that drain, get no jobs", async () => {
  const cluster = new ClusterWorld(["a", "b", "c"]);
  const draining = register(cluster, "a");
  const busy = register(cluster, "b");
  const value = new UpdateWorkerStatus({ load: 0.9, status: WorkerStatus.WS_AVAILABLE });
  busy.send({ case: "updateWorker", value });
  cluster.node("a").isDraining = true;
  const free = register(cluster, "c");
  await cluster.pass(3_000);
  for (let n = 0; n < 10; n++) {
    const request = new CreateRoomRequest({ name: `room-${n}` });
    succeeded(await cluster.during(cluster.node("abc"[n % 3]!).admin.createRoom(request)));
  }
  await cluster.pass(1_000);
  assert.deepEqual([draining, busy, free].map(({ offered }) => offered.length), [0, 0, 10]);
});

Deno.test("jobs are spread over the nodes that have workers", async () => {
  const cluster = new ClusterWorld(["a", "b", "c", "d"], 5);
  const workers = ["a", "b", "c"].map((node) => register(cluster, node));
  await cluster.pass(3_000);
  for (let n = 0; n < 60; n++) {
    const request = new CreateRoomRequest({ name: `room-${n}` });
    succeeded(await cluster.during(cluster.node("d").admin.createRoom(request)));
  }
  await cluster.pass(1_000);
  const counts = workers.map(({ assigned }) => assigned.length);
  assert.equal(counts[0]! + counts[1]! + counts[2]!, 60);
  assert.ok(counts.every((count) => count >= 10), `${counts}`);
});

Deno.test("a worker that does not take a job is followed by one of another node", async () => {
  const cluster = new ClusterWorld(["a", "b", "c"]);
  const [no, yes] = [register(cluster, "a"), register(cluster, "b")];
  no.answer = () => ({ available: false });
  await cluster.pass(3_000);
  for (let n = 0; n < 6; n++) {
    const request = new CreateRoomRequest({ name: `room-${n}` });
    succeeded(await cluster.during(cluster.node("c").admin.createRoom(request)));
  }
  await cluster.pass(1_000);
  assert.equal(yes.assigned.length, 6);
  assert.ok(no.offered.length > 0);
});

Deno.test("a node that was taken for dead gives up the room job that another does by now", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  const [one, two] = [register(cluster, "a"), register(cluster, "b")];
  await cluster.pass(3_000);
  await cluster.join("a", "ann");
  await cluster.join("b", "bob");
  await cluster.pass(500);
  assert.deepEqual([current(one).length, current(two).length], [1, 0]);
  cluster.links.network.partition("ND_a", "ND_b");
  cluster.node("a").directory.reach = "away";
  await cluster.pass(RECOVERED_MS);
  assert.deepEqual([current(one).length, current(two).length], [1, 1], "each side has its own");
  cluster.links.network.heal("ND_a", "ND_b");
  cluster.node("a").directory.reach = "here";
  await cluster.pass(30_000);
  assert.equal(current(one).length + current(two).length, 1);
});

/** What a schedule of kills and partitions left: current room jobs of each room. */
async function afterStorm(seed: number): Promise<{ jobs: Map<string, number>; rooms: string[] }> {
  const random = new SeededRandom(seed);
  const names = ["a", "b", "c", "d"];
  const cluster = new ClusterWorld(names, seed, { delayMs: 10, jitterMs: 20 });
  // The last node, with a worker of its own, outlives everything.
  const workers = names.map((node) => ({ node, worker: register(cluster, node) }));
  await cluster.pass(3_000);
  const rooms = ["r0", "r1", "r2"];
  for (const [n, roomName] of rooms.entries()) {
    // Whoever is first makes the room, and has its job or keeps it.
    for (const node of names) {
      if (node !== "d" && random.chance(0.4)) continue;
      await cluster.join(node, `${node}-${n}`, { roomName });
    }
  }
  const doomed = names.slice(0, 3);
  for (let turn = 0; turn < 2; turn++) {
    await cluster.pass(random.below(4_000));
    const [node] = doomed.splice(random.below(doomed.length), 1);
    cluster.kill(node!, random.chance(0.5));
  }
  await cluster.pass(2 * RECOVERED_MS);
  const alive = new Set(cluster.nodes.map(({ id }) => id.slice(3)));
  const jobs = new Map<string, number>();
  for (const { node, worker } of workers) {
    if (!alive.has(node)) continue;
    for (const { room } of current(worker)) jobs.set(room!.name, (jobs.get(room!.name) ?? 0) + 1);
  }
  return { jobs, rooms };
}

for (const seed of [1, 2, 3, 4, 5, 6]) {
  Deno.test(`every room has one job after two of four nodes died, seed ${seed}`, async () => {
    const { jobs, rooms } = await afterStorm(seed);
    assert.deepEqual(Object.fromEntries(jobs), Object.fromEntries(rooms.map((room) => [room, 1])));
  });
}

Deno.test("a room has a bounded number of dispatches, by whatever way, and an end makes place for another", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  await cluster.join("a", "ann");
  await cluster.join("b", "bob");
  // One is there for unnamed agents.
  for (let i = 1; i < 100; i++) await dispatch(cluster, "ab"[i % 2]!, { id: `AD_${i}` });
  const { dispatches } = cluster.node("b");
  const create = (fields: PartialMessage<AgentDispatch>) =>
    cluster.during(dispatches.create(new AgentDispatch({ room: "lobby", ...fields })));
  assert.deepEqual(failed(await create({ id: "AD_100" })), [
    "resource_exhausted",
    "a room has no more agent dispatches than 100",
  ]);
  assert.equal(succeeded(await create({ id: "AD_99" })).id, "AD_99", "asked for once more");
  const request = new DeleteAgentDispatchRequest({ room: "lobby", dispatchId: "AD_7" });
  succeeded(await cluster.during(dispatches.delete(request)));
  const [heavy] = failed(await create({ id: "AD_100", metadata: "x".repeat(2 * 1024 * 1024 + 1) }));
  assert.equal(heavy, "resource_exhausted");
  assert.equal(succeeded(await create({ id: "AD_100" })).id, "AD_100");
});
