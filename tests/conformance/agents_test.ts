/** LiveKit's tests of agent workers and their jobs. */
import assert from "node:assert/strict";
import { JobType, RoomAgentDispatch, UpdateWorkerStatus, WorkerStatus } from "@livekit/protocol";
import { AccessToken, AgentDispatchClient, TokenVerifier } from "livekit-server-sdk";
import { idForRequest } from "../../lib/signalling/request_id.ts";
import { SocketWorker } from "../support/sdk/agent_socket.ts";
import { AgentWorld } from "../support/virtual/agent_worker.ts";
import { TEST_KEY, TEST_SECRET } from "../support/process/roomwire_process.ts";
import { until } from "../support/wire/until.ts";
import { settle, VirtualPlatform } from "../support/virtual/virtual_platform.ts";
import { clusterScenario, ROOM, scenario, type TestServer, unitScenario } from "./support.ts";

const { JT_ROOM, JT_PUBLISHER, JT_PARTICIPANT } = JobType;

const dispatches = (test: TestServer) =>
  new AgentDispatchClient(test.httpUrl, TEST_KEY, TEST_SECRET);

scenario("TestAgents", async (test) => {
  const types = [JT_ROOM, JT_ROOM, JT_PUBLISHER, JT_PUBLISHER, JT_PARTICIPANT, JT_PARTICIPANT];
  const workers = await Promise.all(
    types.map((type) => SocketWorker.register(test.url, { type, namespace: "default" })),
  );
  const counts = () =>
    [JT_ROOM, JT_PUBLISHER, JT_PARTICIPANT].map((type) =>
      workers.flatMap((worker) => worker.jobs(type)).length
    );
  const [one, two] = await test.joinAll(["one", "two"]);
  await one!.publish("audio");
  await one!.publish("video");
  await until("the first publisher's jobs", () => `${counts()}` === "1,1,2", counts);
  await two!.publish("audio");
  await two!.publish("video");
  await until("the second publisher's job", () => `${counts()}` === "1,2,2", counts);
  for (const worker of workers) await worker.close();
  assert.deepEqual(counts(), [1, 2, 2]);
});

scenario("TestAgentNamespaces", async (test) => {
  const one = await SocketWorker.register(test.url, { type: JT_ROOM, namespace: "namespace1" });
  const two = await SocketWorker.register(test.url, { type: JT_ROOM, namespace: "namespace2" });
  await test.api.createRoom({
    name: ROOM,
    agents: [new RoomAgentDispatch(), new RoomAgentDispatch({ agentName: "ag" })],
  });
  await test.join("alice");
  const jobs = () => [...one.jobs(JT_ROOM), ...two.jobs(JT_ROOM)];
  await until("a job in each namespace", () => jobs().length === 2);
  assert.deepEqual(jobs().map(({ namespace }) => namespace), ["namespace1", "namespace2"]);
  assert.notEqual(jobs()[0]!.id, jobs()[1]!.id);
  for (const worker of [one, two]) await worker.close();
});

clusterScenario("TestAgentMultiNode", async (test) => {
  const [one, two] = test.nodes;
  const register = (type: JobType) =>
    SocketWorker.register(one!.url, { type, namespace: "default" });
  const [room, publisher] = [await register(JT_ROOM), await register(JT_PUBLISHER)];
  // The other node hears of workers with its next heartbeat, and of a job for both then.
  const api = new AgentDispatchClient(two!.httpUrl, TEST_KEY, TEST_SECRET);
  const first = await test.join(1, "first", { token: { room: "known" } });
  await first.publish("audio");
  await until("the node to know of the workers", async () => {
    if (room.jobs(JT_ROOM).length > 0 && publisher.jobs(JT_PUBLISHER).length > 0) return true;
    for (const { id } of await api.listDispatch("known")) await api.deleteDispatch(id, "known");
    await api.createDispatch("known", "");
    await new Promise((resolve) => setTimeout(resolve, 500));
    return false;
  });
  const alice = await test.join(1, "alice");
  await alice.publish("audio");
  await alice.publish("video");
  const jobs = (worker: SocketWorker, type: JobType) =>
    worker.jobs(type).filter((job) => job.room?.name === test.room);
  const counts = () => [jobs(room, JT_ROOM).length, jobs(publisher, JT_PUBLISHER).length];
  await until("a job of each type", () => `${counts()}` === "1,1", counts);
  assert.equal(jobs(publisher, JT_PUBLISHER)[0]!.participant!.identity, "alice");
  // Asked of the node that does not serve the room.
  const elsewhere = new AgentDispatchClient(one!.httpUrl, TEST_KEY, TEST_SECRET);
  const [dispatch] = await elsewhere.listDispatch(test.room);
  assert.equal(dispatch!.state!.jobs.length, 2);
  const { token } = room.assignments.find(({ job }) => job!.room!.name === test.room)!;
  const claims = await new TokenVerifier(TEST_KEY, TEST_SECRET).verify(token);
  assert.deepEqual([claims.video!.room, claims.kind], [test.room, "agent"]);
  await elsewhere.deleteDispatch(dispatch!.id, test.room);
  await until("the jobs to be ended", () => room.terminated.length > 0);
  for (const worker of [room, publisher]) await worker.close();
}, { isAlone: true });

scenario("TestAgent", async (test) => {
  const agentName = "test_agent";
  const worker = await SocketWorker.register(test.url, { type: JT_ROOM, agentName });
  await test.api.createRoom({ name: ROOM });
  const dispatch = await dispatches(test).createDispatch(ROOM, agentName);
  await until("the assignment", () => worker.assignments.length === 1);
  const [{ job, token }] = worker.assignments as [typeof worker.assignments[number]];
  assert.deepEqual([job!.dispatchId, job!.agentName, job!.room!.name], [
    dispatch.id,
    agentName,
    ROOM,
  ]);
  const claims = await new TokenVerifier(TEST_KEY, TEST_SECRET).verify(token);
  assert.equal(claims.attributes!["lk.agent_name"], agentName);
  // LiveKit's has `video.agent`, too, which would make a worker of the agent; its kind makes it
  // one.
  assert.deepEqual([claims.video!.room, claims.kind, claims.video!.agent], [
    ROOM,
    "agent",
    undefined,
  ]);
  await worker.close();
});

unitScenario("TestAgentLoadBalancing", async (t) => {
  const counts = async (loads: readonly number[], jobs: number) => {
    const world = new AgentWorld();
    const workers = await Promise.all(loads.map(() => world.worker()));
    for (const [i, worker] of workers.entries()) {
      const value = new UpdateWorkerStatus({ load: loads[i]!, status: WorkerStatus.WS_AVAILABLE });
      worker.send({ case: "updateWorker", value });
    }
    for (let i = 0; i < jobs; i++) world.openRoom(`room${i}`);
    await settle();
    return workers.map(({ assigned }) => assigned.length);
  };
  await t.step("jobs are spread evenly over workers of the same load", async () => {
    const found = await counts([0.01, 0.01, 0.01, 0.01, 0.01], 100);
    assert.equal(found.reduce((sum, count) => sum + count), 100);
    // Three standard deviations from the mean of 20.
    assert.ok(found.every((count) => count < 35 && count > 8), `${found}`);
  });
  await t.step("overloaded workers get none", async () => {
    const found = await counts([0, 0.9, 0, 0.9], 15);
    assert.deepEqual([found[1], found[3]], [0, 0]);
    assert.ok(found[0]! >= 2 && found[2]! >= 2, `${found}`);
    assert.equal(found[0]! + found[2]!, 15);
  });
});

scenario("TestConnectionClosedOnDispatchError", async (test) => {
  const worker = await SocketWorker.register(test.url, { type: JT_ROOM, agentName: "test_agent" });
  worker.send({ case: undefined });
  await until("the server to end the connection", () => worker.ended);
});

unitScenario("TestDrainConnectionsDoesNotDeadlock", async () => {
  const world = new AgentWorld();
  const workers = await Promise.all([1, 2, 3].map(() => world.worker({ agentName: "drain" })));
  const [busy] = workers;
  busy!.answer = undefined;
  world.openRoom("den");
  world.service.close();
  await settle();
  assert.ok(workers.every(({ socket }) => socket.closed !== undefined));
  assert.equal(world.service.workers, 0);
  assert.equal(world.platform.pendingTimers, 0);
});

scenario("TestAgentDispatchMetadataLimits", async (test) => {
  const token = new AccessToken(TEST_KEY, TEST_SECRET, { identity: "api" });
  token.addGrant({ roomAdmin: true, room: ROOM, roomCreate: true });
  const headers = {
    "Authorization": `Bearer ${await token.toJwt()}`,
    "Content-Type": "application/json",
  };
  const call = async (method: string, request: unknown) => {
    const url = `${test.httpUrl}/twirp/livekit.${method}`;
    const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(request) });
    return await response.json();
  };
  const tooLong = { metadata: "abcdefg" };
  const tooMany = { attributes: { key: "abcdefg" } };
  for (
    const [limits, message] of [
      [tooLong, "metadata size exceeds limits"],
      [tooMany, "attribute size exceeds limits"],
    ] as const
  ) {
    const explicit = { room: ROOM, agentName: "agent", ...limits };
    const embedded = { name: ROOM, agents: [{ agentName: "agent", ...limits }] };
    for (
      const { code, msg } of [
        await call("AgentDispatchService/CreateDispatch", explicit),
        await call("RoomService/CreateRoom", embedded),
      ]
    ) {
      assert.equal(code, "invalid_argument");
      assert.ok(msg.startsWith(message), msg);
    }
  }
  assert.equal(test.server.rooms.get(ROOM), undefined, "nothing was made");
  const fits = { room: ROOM, agentName: "agent", metadata: "abcde", attributes: { k: "abcd" } };
  assert.match((await call("AgentDispatchService/CreateDispatch", fits)).id, /^AD_/);
}, { config: { limit: { max_metadata_size: 5, max_attributes_size: 5 } } });

unitScenario("TestDeterministicID", () => {
  const { random } = new VirtualPlatform(1);
  const id = idForRequest("EG_", "req_123", random);
  assert.match(id, /^EG_\w{12}$/);
  assert.equal(idForRequest("EG_", "req_123", random), id);
  assert.notEqual(idForRequest("EG_", "req_456", random), id);
  assert.notEqual(idForRequest("IN_", "req_123", random).slice(3), id.slice(3));
  const drawn = idForRequest("EG_", "", random);
  assert.match(drawn, /^EG_\w{12}$/);
  assert.notEqual(idForRequest("EG_", "", random), drawn);
});

scenario("TestRequestID", async (test) => {
  const token = new AccessToken(TEST_KEY, TEST_SECRET, { identity: "api" });
  token.addGrant({ roomAdmin: true, room: ROOM });
  const jwt = await token.toJwt();
  await test.api.createRoom({ name: ROOM });
  const create = async (requestId: string | undefined) => {
    const url = `${test.httpUrl}/twirp/livekit.AgentDispatchService/CreateDispatch`;
    const headers = {
      "Authorization": `Bearer ${jwt}`,
      "Content-Type": "application/json",
      ...(requestId === undefined ? {} : { "X-Livekit-Request-Id": requestId }),
    };
    const body = JSON.stringify({ room: ROOM, agentName: "agent" });
    return (await (await fetch(url, { method: "POST", headers, body })).json()).id;
  };
  const first = await create("req_abc");
  assert.equal(await create("req_abc"), first, "a request that is made again");
  const others = [await create("req_def"), await create(undefined), await create(undefined)];
  others.push(await create(""), await create(""));
  assert.equal(new Set([first, ...others]).size, 6);
});
