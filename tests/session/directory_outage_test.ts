/** Nodes of a cluster whose directory is away, loses what it knew, and comes back. */
import assert from "node:assert/strict";
import { DisconnectReason, LeaveRequest_Action } from "@livekit/protocol";
import { ClusterWorld } from "../support/virtual/cluster_world.ts";
import { FULL_GRANT } from "../support/virtual/scripted_client.ts";

function setReach(cluster: ClusterWorld, reach: "here" | "away" | "deaf", nodes = ["a", "b"]) {
  for (const node of nodes) cluster.node(node).directory.reach = reach;
}

/** Who the directory says is in the room, and where. */
async function claimed(cluster: ClusterWorld): Promise<string[]> {
  const claims = await cluster.memory.claims("lobby");
  return claims.map(({ identity, node, sid }) => `${identity} ${node} ${sid}`);
}

/** Who is: the model. */
function living(cluster: ClusterWorld): string[] {
  return cluster.nodes.flatMap(({ id, world }) => {
    const sessions = [...world.rooms.get("lobby")?.sessions() ?? []];
    return sessions.map(({ identity, sid }) => `${identity} ${id} ${sid}`);
  }).toSorted();
}

/** Both nodes see whom both serve, the directory says the same, and nothing was told twice. */
async function checkAgreed(cluster: ClusterWorld, identities: readonly string[]): Promise<void> {
  for (const { id } of cluster.nodes) assert.deepEqual(cluster.seen(id.slice(3)), identities, id);
  assert.deepEqual(await claimed(cluster), living(cluster));
  for (const [event, count] of cluster.told) assert.equal(count, 1, event);
}

for (const ms of [1_000, 4_000, 12_000, 120_000]) {
  for (const reach of ["away", "deaf"] as const) {
    Deno.test(`people come and go while the directory is ${reach} for ${ms} ms; it is put right`, async () => {
      const cluster = new ClusterWorld(["a", "b"]);
      const ann = await cluster.join("a", "ann");
      await cluster.join("b", "bob");
      await cluster.pass(2_000, 50);
      setReach(cluster, reach);
      await cluster.pass(ms / 2, 50);
      await cluster.join("a", "cid");
      const dan = await cluster.join("b", "dan");
      const track = await dan.publishMicrophone();
      const { participant } = ann;
      participant.close(DisconnectReason.CLIENT_INITIATED, "none");
      await cluster.pass(ms / 2, 50);
      assert.deepEqual(cluster.seen("a"), ["bob", "cid", "dan"]);
      setReach(cluster, "here");
      await cluster.pass(9_000, 50);
      await checkAgreed(cluster, ["bob", "cid", "dan"]);
      assert.equal(cluster.room("a").byIdentity("dan")!.tracks[0]!.sid, track);
      assert.equal(cluster.told.get(`left ${participant.sid}`), 1);
      assert.equal(cluster.events.filter((event) => event.startsWith("finished")).length, 0);
    });
  }
}

Deno.test("a room whose making was not answered is left when the directory is back", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  await cluster.pass(2_000, 50);
  const { world, directory } = cluster.node("a");
  const placing = world.service.place(world.parameters("ann"));
  while (cluster.memory.find("lobby") === undefined) await Promise.resolve();
  directory.reach = "deaf";
  const placed = await cluster.during(placing);
  assert.deepEqual([placed.ok, !placed.ok && placed.status], [false, 503]);
  assert.deepEqual(cluster.memory.find("lobby")?.nodes, ["ND_a"], "its answer was lost");
  await cluster.pass(2_000, 50);
  directory.reach = "here";
  await cluster.pass(60_000, 100);
  assert.deepEqual(await cluster.memory.list(undefined), []);
});

Deno.test("a directory that lost everything is told of the same room again, by all who serve it", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  await cluster.join("a", "ann");
  await cluster.join("b", "bob");
  await cluster.pass(2_000, 50);
  const { sid } = cluster.room("a");
  await cluster.during(cluster.room("b").setMetadata("kept"));
  cluster.memory.clear();
  await cluster.pass(6_000, 50);
  const found = await cluster.memory.find("lobby");
  assert.equal(found?.record.sid, sid);
  assert.equal(found?.record.version, 2);
  assert.deepEqual(found?.nodes, ["ND_a", "ND_b"]);
  await checkAgreed(cluster, ["ann", "bob"]);
  assert.equal(cluster.events.filter((event) => event.startsWith("started")).length, 1);
});

Deno.test("a room that emptied while the directory was away ends once when it is back", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  const ann = await cluster.join("a", "ann");
  const bob = await cluster.join("b", "bob");
  await cluster.pass(2_000, 50);
  setReach(cluster, "away");
  for (const { participant } of [ann, bob]) {
    participant.close(DisconnectReason.CLIENT_INITIATED, "none");
  }
  await cluster.pass(60_000, 100);
  setReach(cluster, "here");
  await cluster.pass(60_000, 100);
  assert.deepEqual(await cluster.memory.list(undefined), []);
  for (const { world } of cluster.nodes) assert.equal(world.rooms.get("lobby"), undefined);
  assert.equal(cluster.events.filter((event) => event.startsWith("finished")).length, 1);
});

for (let emptyMs = 0; emptyMs <= 24_000; emptyMs += 800) {
  Deno.test(`a directory loses everything ${emptyMs} ms after a room was left: its end is told once`, async () => {
    const cluster = new ClusterWorld(["a", "b"]);
    const ann = await cluster.join("a", "ann");
    const bob = await cluster.join("b", "bob");
    await cluster.pass(2_000, 50);
    for (const { participant } of [ann, bob]) {
      participant.close(DisconnectReason.CLIENT_INITIATED, "none");
    }
    await cluster.pass(emptyMs, 50);
    cluster.memory.clear();
    await cluster.pass(60_000, 50);
    assert.deepEqual(cluster.memory.list(), []);
    for (const { world } of cluster.nodes) assert.equal(world.rooms.get("lobby"), undefined);
    const told = cluster.events.filter((event) => /^(started|finished)/.test(event));
    assert.deepEqual(told, ["started lobby", "finished lobby ROOM_CLOSED"]);
  });
}

Deno.test("a directory loses a room that is kept for a dead node: its end is told once", async () => {
  const cluster = new ClusterWorld(["a", "b", "c"]);
  await cluster.join("a", "ann");
  await cluster.pass(2_000, 50);
  cluster.kill("a");
  await cluster.pass(9_000, 50);
  assert.equal(cluster.memory.find("lobby")?.nodes.length, 0, "somebody keeps it");
  cluster.memory.clear();
  await cluster.pass(60_000, 50);
  const told = cluster.events.filter((event) => /^(started|left|finished)/.test(event));
  assert.deepEqual(told, ["started lobby", "left lobby ann", "finished lobby ROOM_CLOSED"]);
  assert.deepEqual(cluster.memory.list(), []);
});

Deno.test("who comes to a room that the directory has just lost comes to that room", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  await cluster.join("a", "ann");
  await cluster.pass(2_000, 50);
  const { sid } = cluster.room("a");
  setReach(cluster, "away");
  await cluster.pass(500, 50);
  cluster.memory.clear();
  setReach(cluster, "here");
  await cluster.join("b", "bob");
  assert.equal(cluster.room("b").sid, sid);
  await cluster.pass(9_000, 50);
  await checkAgreed(cluster, ["ann", "bob"]);
});

Deno.test("a room that was made anew meanwhile leads its clients there, and its end is told once", async () => {
  const cluster = new ClusterWorld(["a", "b", "c"]);
  const ann = await cluster.join("a", "ann");
  await cluster.join("b", "bob");
  await cluster.pass(2_000, 50);
  const { sid } = cluster.room("a");
  setReach(cluster, "away");
  await cluster.pass(500, 50);
  cluster.memory.clear();
  // A node that has just come knows of nothing.
  cluster.add("d");
  await cluster.pass(50);
  await cluster.join("d", "dan");
  assert.notEqual(cluster.room("d").sid, sid);
  setReach(cluster, "here");
  await cluster.pass(9_000, 50);
  for (const { world } of cluster.nodes) assert.notEqual(world.rooms.get("lobby")?.sid, sid);
  assert.equal(ann.last("leave").action, LeaveRequest_Action.RECONNECT);
  const told = cluster.events.filter((event) => /^(started|finished)/.test(event));
  assert.deepEqual(told, ["started lobby", "started lobby", "finished lobby STATE_MISMATCH"]);
  await cluster.join("a", "ann");
  await cluster.pass(1_000, 50);
  for (const node of ["a", "d"]) assert.deepEqual(cluster.seen(node), ["ann", "dan"]);
  assert.deepEqual(await claimed(cluster), living(cluster));
});

Deno.test("a room that was deleted while one of its nodes was out of reach is not there again", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  await cluster.join("a", "ann");
  await cluster.join("b", "bob");
  await cluster.pass(2_000, 50);
  cluster.links.network.partition("ND_a", "ND_b");
  await cluster.pass(3_000, 50);
  assert.equal(await cluster.during(cluster.node("a").world.rooms.delete("lobby")), true);
  await cluster.pass(2_000, 50);
  cluster.links.network.healAll();
  await cluster.pass(20_000, 50);
  for (const { world } of cluster.nodes) assert.ok(!world.rooms.get("lobby"));
  assert.deepEqual(cluster.memory.list(), []);
  const told = cluster.events.filter((event) => /^(started|finished)/.test(event));
  assert.deepEqual(told, ["started lobby", "finished lobby ROOM_DELETED"]);
});

Deno.test("an identity that came on both sides of a partition without a directory is one afterwards", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  await cluster.join("a", "ann");
  await cluster.join("b", "bob");
  await cluster.pass(2_000, 50);
  cluster.links.network.partition("ND_a", "ND_b");
  setReach(cluster, "away");
  await cluster.pass(3_000, 50);
  await cluster.join("a", "cid");
  await cluster.join("b", "cid");
  await cluster.pass(10_000, 50);
  assert.equal(living(cluster).length, 4, "both sides go on with theirs");
  cluster.links.network.healAll();
  setReach(cluster, "here");
  await cluster.pass(15_000, 50);
  assert.equal(living(cluster).length, 3);
  await checkAgreed(cluster, ["ann", "bob", "cid"]);
});

Deno.test("newcomers are told at once to come back later while the directory is slow, and nobody else notices", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  await cluster.join("a", "ann");
  const bob = await cluster.join("b", "bob");
  const { world, directory, admin } = cluster.node("a");
  directory.slow = true;
  for (const room of ["lobby", "other"]) {
    const parameters = world.parameters("eve", {
      roomName: room,
      grant: { ...FULL_GRANT, room },
    });
    let placed: Awaited<ReturnType<typeof world.service.place>> | undefined;
    world.service.place(parameters).then((answer) => placed = answer);
    await cluster.settle();
    assert.ok(placed !== undefined && !placed.ok, room);
    assert.deepEqual([placed.status, placed.retryAfterS], [503, 1]);
  }
  const claims = await claimed(cluster);
  assert.equal(claims.length, 2, "nothing was asked for her");
  bob.participant.close(DisconnectReason.CLIENT_INITIATED, "none");
  await cluster.pass(2_000, 50);
  assert.deepEqual(cluster.seen("a"), ["ann"]);
  assert.deepEqual(await claimed(cluster), living(cluster), "who leaves is released");
  assert.equal((await cluster.during(admin.listRooms([]))).length, 1);
  await cluster.join("b", "cid");
  directory.slow = false;
  await cluster.join("a", "eve");
  await cluster.pass(1_000, 50);
  await checkAgreed(cluster, ["ann", "cid", "eve"]);
});

Deno.test("who comes to a room that its node serves meets everybody, though the directory does not name their nodes", async () => {
  const cluster = new ClusterWorld(["a", "b", "c"]);
  await cluster.join("a", "ann");
  await cluster.join("b", "bob");
  const cid = await cluster.open("a", "cid");
  const known = cid.last("join").otherParticipants.map(({ identity }) => identity);
  assert.deepEqual(known.toSorted(), ["ann", "bob"]);
  await cid.connect();
  // Two at once to a node that is new to the room: both wait for who is there.
  const [dan, eve] = await Promise.all([cluster.open("c", "dan"), cluster.open("c", "eve")]);
  for (const client of [dan, eve]) {
    const others = client.last("join").otherParticipants.map(({ identity }) => identity);
    for (const identity of ["ann", "bob", "cid"]) assert.ok(others.includes(identity), identity);
  }
});

Deno.test("a change of settings that a failover lost gives way to the next one, on all nodes", async () => {
  const cluster = new ClusterWorld(["a", "b", "c"]);
  const clients = [];
  for (const node of ["a", "b", "c"]) clients.push(await cluster.join(node, `of-${node}`));
  await cluster.during(cluster.room("b").setMetadata("before"));
  await cluster.pass(1_000);
  const before = { ...cluster.memory.recordOf("lobby")! };
  await cluster.during(cluster.room("a").setMetadata("lost"));
  await cluster.pass(1_000);
  cluster.memory.goBack("lobby", before);
  await cluster.during(cluster.room("b").setMetadata("next"));
  await cluster.pass(5_000);
  for (const node of ["a", "b", "c"]) {
    assert.equal(cluster.room(node).info().metadata, "next", node);
  }
  for (const client of clients) assert.equal(client.last("roomUpdate").room!.metadata, "next");
  await cluster.during(cluster.room("c").setMetadata("last"));
  await cluster.pass(1_000);
  for (const node of ["a", "b", "c"]) {
    assert.equal(cluster.room(node).info().metadata, "last", node);
  }
});

Deno.test("many rooms that are doubted at once are asked for a few at a time, each once", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  const { directory } = cluster.node("a");
  const find = directory.find.bind(directory);
  let asking = 0;
  let most = 0;
  const asked = new Map<string, number>();
  directory.find = async (room) => {
    asked.set(room, (asked.get(room) ?? 0) + 1);
    most = Math.max(most, ++asking);
    await new Promise<void>((resolve) => void cluster.platform.timers.after(20, resolve));
    asking--;
    return await find(room);
  };
  const rooms = Array.from({ length: 60 }, (_, i) => `room-${i}`);
  for (const [i, room] of rooms.entries()) {
    await cluster.join("a", `ann-${i}`, { roomName: room, grant: { ...FULL_GRANT, room } });
    await cluster.join("b", `bob-${i}`, { roomName: room, grant: { ...FULL_GRANT, room } });
  }
  asked.clear();
  for (const room of rooms) cluster.room("b", room).close(DisconnectReason.ROOM_DELETED);
  await cluster.pass(2_000);
  assert.equal(asked.size, rooms.length);
  assert.ok(most <= 16, `${most} at once`);
  for (const [room, count] of asked) assert.equal(count, 1, room);
});
