/** Clients whose signalling another node carries, as they and the nodes see it. */
import assert from "node:assert/strict";
import {
  CreateRoomRequest,
  DisconnectReason,
  LeaveRequest_Action,
  Ping,
  SignalRequest,
  UpdateParticipantMetadata,
} from "@livekit/protocol";
import { CarriedWorld } from "../support/virtual/carried_world.ts";

const PING = new SignalRequest({
  message: { case: "pingReq", value: new Ping({ timestamp: 5n }) },
});

/** Who is served by a node. */
function served(world: CarriedWorld, name: string, room = "lobby"): string[] {
  return [...world.cluster.node(name).world.rooms.get(room)?.sessions() ?? []]
    .map(({ identity }) => identity);
}

Deno.test("a full node's newcomer is served by another, over the full one's socket", async () => {
  const world = await CarriedWorld.of(["a", "b"]);
  world.door("a").isFull = true;
  for (const [path, query] of [["/rtc", {}], ["/rtc/v1", { join_request: "EgIKAA==" }]] as const) {
    const identity = `ann${path}`;
    const client = await world.join("a", path, identity, {
      query,
      headers: { "User-Agent": "Agent/1" },
    });
    const [join] = client.received;
    assert.equal(join?.case, "join");
    assert.equal(join.case === "join" && join.value.serverInfo?.nodeId, "ND_b");
    client.request(PING);
    await world.cluster.pass(100);
    assert.ok(client.cases.includes("pongResp"), "requests are answered");
    assert.deepEqual(world.door("b").carried.at(-1), `${path} from 192.0.2.7`);
  }
  assert.deepEqual(served(world, "a"), []);
  assert.deepEqual(served(world, "b"), ["ann/rtc", "ann/rtc/v1"]);
  assert.equal(world.door("a").clients.size, 2);
});

Deno.test("messages of a carried client keep their encoding and their order", async () => {
  const world = await CarriedWorld.of(["a", "b"], {}, { jitterMs: 20 });
  world.door("a").isFull = true;
  const client = await world.join("a", "/rtc", "ann");
  client.request(PING, "json");
  await world.cluster.pass(100);
  assert.equal(typeof client.frames.at(-1), "string");
  for (let i = 0; i < 20; i++) {
    const value = new UpdateParticipantMetadata({ name: `n${i}`, requestId: i });
    client.request(new SignalRequest({ message: { case: "updateMetadata", value } }));
  }
  await world.cluster.pass(500);
  const answers = client.received.flatMap((message) =>
    message.case === "requestResponse" ? [message.value.requestId] : []
  );
  const wanted = Array.from({ length: 20 }, (_, i) => i);
  // Without the permission each is refused, in words; the order is what counts.
  assert.deepEqual(answers, wanted);
});

Deno.test("a draining node carries newcomers, /validate answers as the taker would", async () => {
  const world = await CarriedWorld.of(["a", "b"]);
  world.door("a").state.drain();
  const validated = await world.ask("a", "/rtc/validate", "ann");
  assert.deepEqual([validated.status, validated.body], [200, "success"]);
  assert.deepEqual(world.door("b").carried, ["/rtc/validate from 192.0.2.7"]);
  await world.join("a", "/rtc", "ann");
  assert.deepEqual(served(world, "b"), ["ann"]);
  const refused = await world.ask("a", "/rtc/validate", "ann", { grant: { room: "" } });
  assert.deepEqual([refused.status, refused.body], [400, "no room name"]);
});

Deno.test("when nobody takes a newcomer the refusal is the one of the node it came to", async () => {
  const world = await CarriedWorld.of(["a", "b", "c"]);
  for (const name of ["a", "b", "c"]) world.door(name).isFull = true;
  const { status, body, headers } = await world.ask("a", "/rtc", "ann");
  assert.deepEqual([status, body], [503, "node has exceeded its configured limit"]);
  assert.equal(headers.get("roomwire-elsewhere"), null);
  const asked = ["b", "c"].map((name) => world.door(name).carried.length);
  assert.deepEqual(asked, [1, 1], "each was asked once, and none carried it on");
  assert.deepEqual(world.door("a").carried, []);
});

Deno.test("a node that is gone or does not answer is passed over for another", async () => {
  const world = await CarriedWorld.of(["a", "b", "c"], {}, {}, 3);
  world.door("a").isFull = true;
  world.cluster.links.network.partition("ND_a", "ND_b");
  for (const identity of ["ann", "bob", "cid", "dan"]) {
    const client = await world.join("a", "/rtc", identity);
    assert.equal(client.cases[0], "join");
  }
  assert.equal(served(world, "c").length, 4);
});

Deno.test("a client that resumes elsewhere is carried to the node that has its session", async () => {
  const world = await CarriedWorld.of(["a", "b"]);
  const first = await world.join("b", "/rtc", "ann");
  const { subscriber: { id: connection } } = world.cluster.node("b").world.rooms.get("lobby")!
    .session("ann")!;
  world.cluster.node("b").world.engine.emit({
    type: "connection_connected",
    connection,
    protocol: "udp",
  });
  await world.cluster.pass(50);
  first.onClose();
  await world.cluster.pass(50);
  const again = await world.join("a", "/rtc", "ann", { query: { reconnect: "1" } });
  assert.equal(again.cases[0], "reconnect");
  assert.deepEqual(served(world, "b"), ["ann"]);
  assert.deepEqual(served(world, "a"), []);
});

Deno.test("a client whose session is nowhere is told to join anew, also by a draining node", async () => {
  const world = await CarriedWorld.of(["a", "b"]);
  for (const drains of [false, true]) {
    if (drains) world.door("a").state.drain();
    const client = await world.join("a", "/rtc", "eve", { query: { reconnect: "1" } });
    const [leave] = client.received;
    assert.ok(leave?.case === "leave");
    assert.equal(leave.value.action, LeaveRequest_Action.RECONNECT);
    assert.equal(leave.value.reason, DisconnectReason.STATE_MISMATCH);
    assert.equal(client.closed?.code, 1000);
  }
});

Deno.test("a room that is pinned to a node has its newcomers carried there", async () => {
  const world = await CarriedWorld.of(["a", "b", "c"]);
  const { admin } = world.cluster.node("c");
  const request = new CreateRoomRequest({ name: "lobby", nodeId: "ND_b" });
  await world.cluster.during(admin.createRoom(request));
  for (const name of ["a", "b", "c"]) {
    const validated = await world.ask(name, "/rtc/validate", name);
    assert.equal(validated.body, "success");
    const client = await world.join(name, "/rtc", name);
    assert.equal(client.cases[0], "join");
  }
  assert.deepEqual(served(world, "b").toSorted(), ["a", "b", "c"]);
  assert.equal(world.door("b").carried.filter((line) => line.includes("validate")).length, 2);
});

Deno.test("closing codes pass both ways", async () => {
  const world = await CarriedWorld.of(["a", "b"]);
  world.door("a").isFull = true;
  const ann = await world.join("a", "/rtc", "ann");
  ann.onMessage(Uint8Array.of(0xff, 0xff));
  await world.cluster.pass(100);
  assert.deepEqual(ann.closed, { code: 1007, reason: "cannot decode message" });
  assert.equal(world.door("a").clients.size, 0);
  const bob = await world.join("a", "/rtc", "bob");
  bob.onClose(1000);
  await world.cluster.pass(1000);
  assert.equal(world.door("a").clients.size, 0);
  assert.ok(!served(world, "b").includes("bob"), "without a connection it has left");
  assert.deepEqual(world.cluster.links.network.connections, 0);
});

Deno.test("a carried client is kept to the limits of any other", async () => {
  const world = await CarriedWorld.of(["a", "b"], { maxFrameBytes: 1000, maxBufferedBytes: 5000 });
  world.door("a").isFull = true;
  const ann = await world.join("a", "/rtc", "ann");
  ann.onMessage(new Uint8Array(1001));
  assert.deepEqual(ann.closed, { code: 1009, reason: "message too large" });
  const bob = await world.join("a", "/rtc", "bob");
  bob.bufferedAmount = 5000;
  bob.request(PING);
  await world.cluster.pass(100);
  assert.deepEqual(bob.closed, { code: 1008, reason: "too slow" }, "it does not read");
  const cid = await world.join("a", "/rtc", "cid");
  world.cluster.links.network.weather = { delayMs: 5, jitterMs: 0, bytesPerMs: 0.01 };
  for (let i = 0; i < 20; i++) cid.onMessage(new Uint8Array(900));
  assert.deepEqual(cid.closed, { code: 1008, reason: "too slow" }, "its node does not read");
  const { counters } = world.door("a").node.world;
  assert.equal(counters.get("signal_carry_too_slow"), 1);
  assert.equal(counters.get("signal_slow_reader"), 1);
});

Deno.test("a node that goes away leads carried clients on to their sessions", async () => {
  const world = await CarriedWorld.of(["a", "b"]);
  world.door("a").isFull = true;
  const ann = await world.join("a", "/rtc", "ann");
  const old = await world.join("a", "/rtc", "bob", { query: { protocol: "12" } });
  world.door("a").clients.leadAway();
  const leave = ann.received.at(-1);
  assert.ok(leave?.case === "leave");
  assert.equal(leave.value.action, LeaveRequest_Action.RESUME);
  assert.ok(leave.value.regions);
  assert.notEqual(old.received.at(-1)?.case, "leave", "it resumes when its socket ends");
  for (const { closed } of [ann, old]) assert.equal(closed?.code, 1000);
  assert.equal(world.door("a").clients.size, 0);
});

Deno.test("when the serving node dies its carried clients hear at once that it is over", async () => {
  const world = await CarriedWorld.of(["a", "b"]);
  world.door("a").isFull = true;
  const ann = await world.join("a", "/rtc", "ann");
  world.cluster.kill("b");
  await world.cluster.pass(50);
  assert.equal(ann.closed?.code, 1001);
  const bob = world.ask("a", "/rtc", "bob");
  assert.equal((await bob).status, 503, "there is nobody else");
});

Deno.test("rooms are kept together where that is wanted, as long as there is room", async () => {
  const world = await CarriedWorld.of(["a", "b"], { gathersRooms: true });
  await world.join("b", "/rtc", "ann");
  await world.join("a", "/rtc", "bob");
  await world.join("a", "/rtc", "cid", { grant: { room: "den" } });
  assert.deepEqual(served(world, "b"), ["ann", "bob"]);
  assert.deepEqual(served(world, "a", "den"), ["cid"], "nobody has that room");
  world.door("b").isFull = true;
  await world.join("a", "/rtc", "dan");
  assert.deepEqual(served(world, "a"), ["dan"], "its node cannot take it");
});

Deno.test("a node believes nobody who does not know the cluster's secret", async () => {
  const world = await CarriedWorld.of(["a", "b"]);
  const link = world.cluster.node("a").link.links;
  assert.ok(link);
  for (const token of ["", "AAAA", "x".repeat(5000)]) {
    const accepted = world.door("b").routing.accept(token);
    assert.deepEqual(accepted.ok ? 0 : accepted.refusal.status, 401);
  }
});
