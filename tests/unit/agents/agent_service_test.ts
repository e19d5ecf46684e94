import assert from "node:assert/strict";
import {
  AgentDispatch,
  CreateAgentDispatchRequest,
  JobStatus,
  JobType,
  ParticipantInfo_Kind as Kind,
  RoomAgentDispatch,
  UpdateWorkerStatus,
  WorkerPing,
  WorkerStatus,
} from "@livekit/protocol";
import { signAccessToken, verifyAccessToken } from "../../../lib/signalling/access_token.ts";
import { AdminFailure } from "../../../lib/admin/admin_failure.ts";
import { ALONE } from "../../../lib/room/context/node_ports.ts";
import type { Room } from "../../../lib/room/room.ts";
import { MAX_LISTED_JOBS } from "../../../lib/agents/room_jobs.ts";
import { AgentWorld, describeJobs, WORKER_KEY } from "../../support/virtual/agent_worker.ts";
import { settle } from "../../support/virtual/virtual_platform.ts";

Deno.test("AgentWorkerSession answers a registration with an id and the server's info", async () => {
  const world = new AgentWorld();
  const worker = await world.worker();
  const [message] = worker.received();
  assert.ok(message?.case === "register");
  assert.match(message.value.workerId, /^AW_\w{12}$/);
  assert.equal(message.value.serverInfo?.version, "1.2.3");
  assert.equal(world.service.workers, 1);
});

Deno.test("AgentWorkerSession closes a worker that does not register in time", () => {
  const world = new AgentWorld();
  const socket = new (class {
    closed = false;
    bufferedAmount = 0;
    onMessage = () => {};
    onClose = () => {};
    send() {}
    close() {
      this.closed = true;
    }
  })();
  world.service.openWorker(WORKER_KEY, socket);
  world.platform.advance(9_999);
  assert.equal(socket.closed, false);
  world.platform.advance(1);
  assert.equal(socket.closed, true);
  assert.equal(world.platform.pendingTimers, 0);
});

Deno.test("AgentWorkerSession closes on what it cannot read, or what has no place here", async () => {
  const world = new AgentWorld();
  for (const frame of [Uint8Array.of(0xff, 0xff, 0xff), "{", new Uint8Array(0)]) {
    const worker = await world.worker();
    worker.socket.onMessage(frame);
    assert.notEqual(worker.socket.closed, undefined);
  }
  assert.equal(world.service.workers, 0);
});

Deno.test("AgentWorkerSession refuses deployments that would break topics", async () => {
  for (const deployment of ["a_b", "a b", "x".repeat(65)]) {
    const worker = await new AgentWorld().worker({ deployment });
    assert.notEqual(worker.socket.closed, undefined, deployment);
  }
});

Deno.test("AgentWorkerSession answers pings, in the encoding the worker speaks", async () => {
  const world = new AgentWorld();
  const worker = await world.worker();
  worker.send({ case: "ping", value: new WorkerPing({ timestamp: 42n }) }, true);
  const pong = worker.received().at(-1);
  assert.ok(pong?.case === "pong");
  assert.equal(pong.value.lastTimestamp, 42n);
  assert.equal(typeof worker.socket.frames.at(-1), "string");
});

Deno.test("AgentService gives one room job, and one job for each participant and publisher", async () => {
  const world = new AgentWorld();
  const types = [JobType.JT_ROOM, JobType.JT_PUBLISHER, JobType.JT_PARTICIPANT];
  const workers = await Promise.all(
    [...types, ...types].map((type) => world.worker({ type })),
  );
  const room = world.openRoom("den");
  const ann = world.join(room, "ann");
  const bob = world.join(room, "bob");
  world.publish(room, ann);
  world.publish(room, ann); // a second track is no second job
  world.publish(room, bob);
  await settle();
  assert.deepEqual(describeJobs(workers.flatMap((worker) => worker.assigned)), [
    "JT_PARTICIPANT ann",
    "JT_PARTICIPANT bob",
    "JT_PUBLISHER ann",
    "JT_PUBLISHER bob",
    "JT_ROOM den",
  ]);
});

Deno.test("AgentService causes no jobs for agents and recorders", async () => {
  const world = new AgentWorld();
  const worker = await world.worker({ type: JobType.JT_PARTICIPANT });
  const room = world.openRoom("den");
  world.join(room, "helper", Kind.AGENT);
  world.join(room, "recorder", Kind.EGRESS);
  await settle();
  assert.deepEqual(worker.offered, []);
});

Deno.test("AgentService gives each namespace a job of its own", async () => {
  const world = new AgentWorld();
  const one = await world.worker({ namespace: "one" });
  const two = await world.worker({ namespace: "two" });
  world.configured.set("den", [
    new RoomAgentDispatch({}),
    new RoomAgentDispatch({ agentName: "nobody" }),
  ]);
  world.openRoom("den");
  await settle();
  assert.deepEqual(one.assigned.map(({ namespace }) => namespace), ["one"]);
  assert.deepEqual(two.assigned.map(({ namespace }) => namespace), ["two"]);
  assert.notEqual(one.assigned[0]!.id, two.assigned[0]!.id);
});

Deno.test("AgentService sends a named agent only where it was dispatched", async () => {
  const world = new AgentWorld();
  const worker = await world.worker({ agentName: "scribe" });
  world.openRoom("plain");
  await settle();
  assert.deepEqual(worker.offered, []);
  const dispatch = world.dispatch(
    new CreateAgentDispatchRequest({ agentName: "scribe", room: "plain", metadata: "notes" }),
    "",
  );
  await settle();
  assert.equal(worker.assigned[0]?.metadata, "notes");
  assert.equal(worker.assigned[0]?.dispatchId, dispatch?.id);
  const [listed] = world.service.dispatcher.list("plain", dispatch!.id)!;
  assert.equal(listed?.state?.jobs[0]?.state?.status, JobStatus.JS_RUNNING);
});

Deno.test("AgentService launches a new dispatch for those who are there already", async () => {
  const world = new AgentWorld();
  const worker = await world.worker({ agentName: "scribe", type: JobType.JT_PUBLISHER });
  const room = world.openRoom("den");
  world.publish(room, world.join(room, "ann"));
  world.join(room, "bob");
  world.dispatch(
    new CreateAgentDispatchRequest({ agentName: "scribe", room: "den" }),
    "",
  );
  await settle();
  assert.deepEqual(describeJobs(worker.assigned), ["JT_PUBLISHER ann"]);
});

Deno.test("AgentService gives a repeated request the same dispatch", () => {
  const world = new AgentWorld();
  world.openRoom("den");
  const request = new CreateAgentDispatchRequest({ agentName: "scribe", room: "den" });
  const first = world.dispatch(request, "call-1");
  assert.equal(world.dispatch(request, "call-1")?.id, first?.id);
  assert.notEqual(world.dispatch(request, "call-2")?.id, first?.id);
  assert.equal(world.service.dispatcher.list("den", "")!.length, 3); // with the room's own
});

Deno.test("AgentPool asks the next worker when one declines", async () => {
  const world = new AgentWorld();
  const workers = [await world.worker(), await world.worker(), await world.worker()];
  for (const worker of workers.slice(0, 2)) worker.answer = () => ({ available: false });
  world.openRoom("den");
  await settle();
  assert.deepEqual(workers.map(({ assigned }) => assigned.length), [0, 0, 1]);
  assert.ok(workers.every(({ offered }) => offered.length <= 1));
});

Deno.test("AgentPool does not offer a job twice when a worker is silent", async () => {
  const world = new AgentWorld();
  const workers = [await world.worker(), await world.worker()];
  for (const worker of workers) worker.answer = undefined;
  world.openRoom("den");
  await settle();
  await world.platform.advanceAsync(20_000, 1_000);
  assert.equal(workers.flatMap(({ offered }) => offered).length, 1);
});

Deno.test("AgentPool spreads jobs and leaves workers above the target load alone", async () => {
  const world = new AgentWorld(7);
  const workers = [await world.worker(), await world.worker(), await world.worker()];
  const busy = await world.worker();
  busy.send({
    case: "updateWorker",
    value: new UpdateWorkerStatus({ load: 0.9, status: WorkerStatus.WS_AVAILABLE }),
  });
  const full = await world.worker();
  full.send({
    case: "updateWorker",
    value: new UpdateWorkerStatus({ load: 0, status: WorkerStatus.WS_FULL }),
  });
  for (let n = 0; n < 300; n++) world.openRoom(`room-${n}`);
  await settle();
  assert.deepEqual([busy.offered.length, full.offered.length], [0, 0]);
  for (const worker of workers) {
    const share = worker.assigned.length;
    assert.ok(share > 70 && share < 130, `a third of 300 within reason, got ${share}`);
  }
});

Deno.test("AgentWorkerSession assigns a token that makes the worker's agent", async () => {
  const world = new AgentWorld();
  const worker = await world.worker({ agentName: "" });
  const secret = "a-secret-for-tests-of-agents-0123456789";
  const signed = Promise.withResolvers<void>();
  world.signToken = async (apiKey, claims, nowMs, validForMs) => {
    const token = await signAccessToken({ apiKey, secret }, claims, nowMs, validForMs);
    queueMicrotask(signed.resolve);
    return token;
  };
  worker.answer = () => ({
    available: true,
    participantIdentity: "agent-1",
    participantName: "Agent",
    participantAttributes: { mood: "calm" },
  });
  world.openRoom("den");
  await signed.promise;
  await settle();
  const assignment = worker.received().find(({ case: kind }) => kind === "assignment");
  assert.ok(assignment?.case === "assignment");
  const verified = await verifyAccessToken(
    assignment.value.token,
    new Map([[WORKER_KEY, secret]]),
    world.platform.clock.wallMs(),
  );
  assert.ok(verified.ok);
  const { token } = verified;
  assert.equal(token.identity, "agent-1");
  assert.equal(token.kind, Kind.AGENT);
  assert.deepEqual(token.attributes, { mood: "calm", "lk.agent_name": "" });
  assert.equal(token.video?.room, "den");
  // An agent by kind: the grant would let it register as a worker itself, and go to any room.
  assert.equal(token.video?.agent, false);
  assert.equal(token.video?.canUpdateOwnMetadata, true);
});

Deno.test("AgentDispatcher ends the jobs of a deleted dispatch and removes who stays", async () => {
  const world = new AgentWorld();
  const worker = await world.worker();
  world.openRoom("den");
  await settle();
  const [job] = worker.assigned;
  const deleted = world.service.dispatcher.delete("den", job!.dispatchId);
  assert.ok(deleted!.state!.deletedAt > 0n);
  assert.deepEqual(worker.terminated, [job!.id]);
  assert.equal(world.service.dispatcher.delete("den", job!.dispatchId), undefined);
  world.platform.advance(3_000);
  assert.deepEqual(world.removed, [`den/agent-${job!.id}`]);
});

Deno.test("AgentDispatcher fails the job of an agent that left", async () => {
  const world = new AgentWorld();
  const worker = await world.worker();
  const room = world.openRoom("den");
  await settle();
  const [job] = worker.assigned;
  const agent = world.join(room, `agent-${job!.id}`, Kind.AGENT);
  world.service.dispatcher.participantLeft(room, agent);
  assert.deepEqual(worker.terminated, [job!.id]);
  const [dispatch] = world.service.dispatcher.list("den", job!.dispatchId)!;
  const state = dispatch!.state!.jobs[0]!.state!;
  assert.equal(state.status, JobStatus.JS_FAILED);
  assert.equal(state.error, "agent worker left the room");
});

Deno.test("AgentDispatcher forgets the jobs that ended first when a dispatch has had very many", async () => {
  const world = new AgentWorld();
  const worker = await world.worker({ type: JobType.JT_PARTICIPANT });
  const room = world.openRoom("den");
  const { dispatcher } = world.service;
  const extra = 5;
  for (let n = 0; n < MAX_LISTED_JOBS + extra; n++) {
    world.join(room, `guest-${n}`);
    await settle();
    const { id } = worker.assigned.at(-1)!;
    // The first goes on for as long as the room.
    if (n > 0) dispatcher.participantLeft(room, world.join(room, `agent-${id}`, Kind.AGENT));
  }
  const ids = dispatcher.list("den", "")![0]!.state!.jobs.map(({ id }) => id);
  const assigned = worker.assigned.map(({ id }) => id);
  assert.deepEqual(ids, [assigned[0], ...assigned.slice(1 + extra)]);
});

Deno.test("AgentDispatcher ends every job with its room", async () => {
  const world = new AgentWorld();
  const worker = await world.worker();
  const room = world.openRoom("den");
  await settle();
  world.service.dispatcher.roomFinished(room);
  assert.deepEqual(worker.terminated, worker.assigned.map(({ id }) => id));
  assert.equal(world.service.dispatcher.list("den", ""), undefined);
});

Deno.test("DispatchCalls.create() adds to a room of one node only so many", async () => {
  const world = new AgentWorld();
  world.openRoom("den");
  const calls = world.service.dispatchCalls({
    rooms: {
      find: () => Promise.resolve({ name: "den" } as Room),
      enter: () => Promise.reject(new Error("it is there")),
      others: ALONE.remoteMembers,
    },
    autoCreateRooms: true,
  });
  const create = (id: string) => calls.create(new AgentDispatch({ id, room: "den" }));
  for (let i = 1; i < 100; i++) assert.ok(await create(`AD_${i}`) instanceof AgentDispatch);
  const one = await create("AD_100");
  assert.ok(one instanceof AdminFailure && one.code === "resource_exhausted");
  assert.ok(await create("AD_99") instanceof AgentDispatch, "asked for once more");
});
