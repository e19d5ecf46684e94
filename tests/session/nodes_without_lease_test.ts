/** Nodes whose leases are over: those that live all the same, and those that are dead. */
import assert from "node:assert/strict";
import { DisconnectReason } from "@livekit/protocol";
import { ClusterWorld, LEASE_MS } from "../support/virtual/cluster_world.ts";
import type { ScriptedClient } from "../support/virtual/scripted_client.ts";

function leftOf(cluster: ClusterWorld): string[] {
  return cluster.events.filter((event) => event.startsWith("left"));
}

Deno.test("a node that cannot reach the directory alone is not dead for those who have a link to it", async () => {
  const cluster = new ClusterWorld(["a", "b", "c"]);
  const ann = await cluster.join("a", "ann");
  const track = await ann.publishMicrophone();
  await cluster.join("b", "bob");
  await cluster.pass(2 * LEASE_MS, 50);
  cluster.node("a").directory.reach = "away";
  await cluster.pass(6 * LEASE_MS, 50);
  assert.deepEqual(cluster.seen("b"), ["ann", "bob"]);
  assert.equal(cluster.room("b").byIdentity("ann")!.tracks[0]?.sid, track);
  assert.deepEqual(leftOf(cluster), [], "nobody has left");
  const claim = await cluster.memory.claim("lobby", "ann");
  assert.equal(claim?.sid, ann.participant.sid, "its claim is not freed");
  ann.participant.close(DisconnectReason.CLIENT_INITIATED, "none");
  await cluster.pass(1_000, 50);
  assert.deepEqual(cluster.seen("b"), ["bob"]);
  cluster.node("a").directory.reach = "here";
  await cluster.pass(4 * LEASE_MS, 50);
  assert.deepEqual(leftOf(cluster), ["left lobby ann"]);
  assert.equal(await cluster.memory.claim("lobby", "ann"), undefined);
});

Deno.test("a node that serves a room of its own and cannot reach the directory is not buried", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  const ann = await cluster.join("a", "ann");
  await cluster.pass(2 * LEASE_MS, 50);
  cluster.node("a").directory.reach = "away";
  await cluster.pass(6 * LEASE_MS, 50);
  assert.deepEqual(cluster.events, ["started lobby", "joined lobby ann"]);
  cluster.node("a").directory.reach = "here";
  await cluster.pass(2 * LEASE_MS, 50);
  ann.participant.close(DisconnectReason.CLIENT_INITIATED, "none");
  await cluster.pass(60_000, 100);
  assert.deepEqual(cluster.events.slice(2), ["left lobby ann", "finished lobby ROOM_CLOSED"]);
});

Deno.test("a node without a lease whose link is lost is gone one lease later", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  await cluster.join("a", "ann");
  await cluster.join("b", "bob");
  await cluster.pass(2 * LEASE_MS, 50);
  cluster.node("a").directory.reach = "away";
  await cluster.pass(3 * LEASE_MS, 50);
  cluster.kill("a", false);
  await cluster.pass(LEASE_MS - 1_000, 50);
  assert.deepEqual(cluster.seen("b"), ["ann", "bob"]);
  await cluster.pass(6_000, 50);
  assert.deepEqual(cluster.seen("b"), ["bob"]);
  assert.deepEqual(leftOf(cluster), ["left lobby ann"]);
});

for (const isTold of [true, false]) {
  Deno.test(`a node dies, its links ${isTold ? "end" : "fall silent"}: its members are gone after one lease, told once`, async () => {
    const cluster = new ClusterWorld(["a", "b", "c"]);
    const ann = await cluster.join("a", "ann");
    await ann.publishMicrophone();
    await cluster.join("b", "bob");
    await cluster.join("c", "cid");
    await cluster.pass(2 * LEASE_MS, 50);
    cluster.kill("a", isTold);
    await cluster.pass(LEASE_MS - 1_500, 50);
    assert.deepEqual(cluster.seen("b"), ["ann", "bob", "cid"], "it may still come back");
    await cluster.pass(3_500, 50);
    for (const node of ["b", "c"]) assert.deepEqual(cluster.seen(node), ["bob", "cid"], node);
    await cluster.pass(3_000, 50);
    assert.deepEqual(leftOf(cluster), ["left lobby ann"]);
    assert.equal(await cluster.memory.claim("lobby", "ann"), undefined);
    assert.equal(cluster.told.get(`left ${ann.participant.sid}`), 1);
  });
}

Deno.test("a client of a dead node that is back elsewhere at once has left once and joined twice", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  const ann = await cluster.join("a", "ann");
  await cluster.join("b", "bob");
  await cluster.pass(2 * LEASE_MS, 50);
  cluster.kill("a");
  await cluster.pass(500, 50);
  const again = await cluster.join("b", "ann");
  assert.deepEqual(cluster.seen("b"), ["ann", "bob"]);
  assert.equal(cluster.room("b").byIdentity("ann")!.sid, again.participant.sid);
  await cluster.pass(3 * LEASE_MS, 50);
  assert.equal(cluster.told.get(`left ${ann.participant.sid}`), 1, "the former session has left");
  assert.equal(cluster.told.get(`left ${again.participant.sid}`), undefined);
  assert.deepEqual(cluster.seen("b"), ["ann", "bob"]);
});

for (const [one, other] of [["a", "b"], ["a", "c"], ["b", "c"]] as const) {
  for (const ms of [1_000, 4_000, 45_000]) {
    Deno.test(`${one} and ${other} are out of each other's reach for ${ms} ms, and agree again after`, async () => {
      const cluster = new ClusterWorld(["a", "b", "c"]);
      const clients = new Map<string, ScriptedClient>();
      for (const node of ["a", "b", "c"]) clients.set(node, await cluster.join(node, `at ${node}`));
      const track = await clients.get(one)!.publishMicrophone();
      await cluster.pass(2 * LEASE_MS, 50);
      const seen = ["at a", "at b", "at c"];
      cluster.links.network.partition(`ND_${one}`, `ND_${other}`);
      await cluster.pass(ms / 2, 50);
      // Both sides go on, and somebody who comes is seen where there is a way.
      await cluster.join(one, "new");
      await cluster.pass(ms / 2, 50);
      const third = ["a", "b", "c"].find((node) => node !== one && node !== other)!;
      assert.deepEqual(cluster.seen(third), [...seen, "new"]);
      assert.deepEqual(leftOf(cluster), [], "nobody has left for the world");
      cluster.links.network.healAll();
      await cluster.pass(9_000, 50);
      for (const node of ["a", "b", "c"]) {
        assert.deepEqual(cluster.seen(node), [...seen, "new"], node);
        const published = cluster.room(node).byIdentity(`at ${one}`)!.tracks;
        assert.deepEqual(published.map(({ sid }) => sid as string), [track], node);
      }
      for (const [node, { participant }] of clients) {
        assert.equal(cluster.room(third).byIdentity(`at ${node}`)!.sid, participant.sid);
      }
      for (const [event, count] of cluster.told) assert.equal(count, 1, event);
    });
  }
}
