/** What a hostile or broken node may say of agents: nothing of it throws, or harms other jobs. */
import assert from "node:assert/strict";
import { Job, JobState, JobStatus, JobType, RegisterWorkerRequest, Room } from "@livekit/protocol";
import type { AgentAnswers } from "../../lib/agents/agent_peers.ts";
import type { NodeId } from "../../lib/base/ids.ts";
import { AgentCalls } from "../../lib/cluster/agent_calls.ts";
import type { RpcMethod } from "../../lib/cluster/link/link_ports.ts";
import { type PackedValue, packMessage, unpackMessage } from "../../lib/wire/message_pack.ts";
import { mutate } from "../support/hostile/mutate.ts";
import { FakeWorker } from "../support/virtual/agent_worker.ts";
import { ClusterWorld } from "../support/virtual/cluster_world.ts";
import { nodeRecord } from "../support/virtual/directory_table.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";

const STRANGER = "ND_x" as NodeId;
const METHODS = ["offer", "end", "report", "adopt", "list", "tell"].map((name) => `agents.${name}`);

/** Calls of a node whose peers answer as `answer` says. */
function calls(answer: () => PackedValue, methods = new Map<string, RpcMethod>()): AgentCalls {
  return new AgentCalls({
    self: "ND_self" as NodeId,
    links: {
      serve: (method, served) => void methods.set(method, served),
      call: () => Promise.resolve(answer()),
    },
    directory: { find: () => Promise.resolve(undefined) },
    others: () => [nodeRecord(STRANGER)],
    isDraining: () => false,
    sharing: () => [STRANGER],
    dispatches: () => [],
  });
}

function seeds(room: Room, jobId: string): PackedValue[] {
  const state = new JobState({ status: JobStatus.JS_RUNNING, participantIdentity: "agent" });
  const job = new Job({ id: "AJ_hostile", type: JobType.JT_ROOM, room, state }).toBinary();
  return [
    job,
    state.toBinary(),
    jobId,
    [[room.name, jobId, JobStatus.JS_RUNNING, "", false], [room.name, "AJ_other", 3, "no", true]],
    [room.name, room.sid],
    ["left", room.name, room.sid, "agent", ""],
    ["done", room.name, room.sid, "AD_other", ""],
    [job, job],
    ["AJ_a", "AJ_b"],
    "kept",
    null,
  ];
}

Deno.test("AgentCalls answers damaged calls, and keeps the jobs that others have", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  const { agents, answers } = cluster.node("a");
  const worker = new FakeWorker({ service: agents });
  worker.send({ case: "register", value: new RegisterWorkerRequest() });
  await cluster.join("a", "ann");
  await cluster.pass(500);
  const [job] = worker.assigned;
  assert.ok(job);
  const methods = new Map<string, RpcMethod>();
  calls(() => null, methods).serve(answers as AgentAnswers);
  assert.deepEqual([...methods.keys()], METHODS);
  const random = new SeededRandom(11);
  const packed = seeds(cluster.room("a").info(), job.id).map(packMessage);
  for (let turn = 0; turn < 4_000; turn++) {
    const bytes = packed[random.below(packed.length)]!;
    const value = unpackMessage(random.chance(0.2) ? bytes : mutate(random, bytes), 10_000);
    if (value === undefined) continue;
    await methods.get(METHODS[turn % METHODS.length]!)!(STRANGER, value, 1_000);
  }
  await cluster.pass(3_000);
  assert.deepEqual(worker.terminated.filter((id) => id === job.id), []);
  const running = agents.dispatcher.get("lobby")!.running.get(job.id);
  assert.equal(running?.job.state?.status, JobStatus.JS_RUNNING);
});

Deno.test("AgentCalls gives an answer that is one, or says that there is none", async () => {
  const random = new SeededRandom(12);
  const room = new Room({ name: "lobby", sid: "RM_1" });
  const packed = seeds(room, "AJ_1").map(packMessage);
  let answer: PackedValue = null;
  const peer = calls(() => answer);
  const job = new Job({ id: "AJ_1", room });
  let unreadable = 0;
  const reject = () => void unreadable++;
  for (let turn = 0; turn < 3_000; turn++) {
    const bytes = mutate(random, packed[random.below(packed.length)]!);
    const value = unpackMessage(bytes, 10_000);
    if (value === undefined) continue;
    answer = value;
    const offer = await peer.offer(STRANGER, job).catch(reject);
    if (offer !== undefined) assert.ok(["taken", "declined", "timeout"].includes(offer.outcome));
    const unknown = await peer.report(STRANGER, []).catch(reject);
    assert.ok((unknown ?? []).every((id) => typeof id === "string"));
    assert.ok(["kept", "refused", "away"].includes(await peer.adopt(STRANGER, job)));
    assert.ok((await peer.list(STRANGER, "lobby", "RM_1")).every((one) => one instanceof Job));
  }
  assert.ok(unreadable > 0);
});
