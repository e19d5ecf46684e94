/** What the world is told of people whose node dies, on whichever step of their way they were. */
import assert from "node:assert/strict";
import { ClusterWorld } from "../support/virtual/cluster_world.ts";

/** Longer than it takes until a dead node is buried, ms. */
const BURIED_MS = 12_000;

Deno.test("who was about to join when its node died is told of as never connected, and not as having left", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  await cluster.join("b", "bob");
  await cluster.join("a", "ann");
  await cluster.open("a", "cid");
  await cluster.pass(3_000, 20);
  const before = cluster.events.length;
  cluster.kill("a");
  await cluster.pass(BURIED_MS, 20);
  assert.deepEqual(cluster.events.slice(before).toSorted(), [
    "aborted lobby cid",
    "left lobby ann",
  ]);
  assert.deepEqual(cluster.seen("b"), ["bob"]);
});

Deno.test("nobody but the directory knew who was about to join a room that only a dead node served", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  await cluster.open("a", "cid");
  await cluster.pass(3_000, 20);
  cluster.kill("a");
  await cluster.pass(BURIED_MS + 40_000, 20);
  assert.deepEqual(cluster.events, [
    "started lobby",
    "aborted lobby cid",
    "finished lobby ROOM_CLOSED",
  ]);
});

Deno.test("who joined while the directory was away has joined for whoever buries the node", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  await cluster.join("b", "bob");
  const ann = await cluster.open("a", "ann");
  const cid = await cluster.open("a", "cid");
  const { directory } = cluster.node("a");
  directory.reach = "away";
  await ann.connect();
  await cluster.pass(3_000, 20);
  directory.reach = "here";
  await cluster.pass(8_000, 20);
  assert.equal(cid.participant.active, false);
  const before = cluster.events.length;
  cluster.kill("a");
  await cluster.pass(BURIED_MS, 20);
  assert.deepEqual(cluster.events.slice(before).toSorted(), [
    "aborted lobby cid",
    "left lobby ann",
  ]);
});

Deno.test("each of many who come, go and die with their nodes is told of as joined and left, or as neither", async () => {
  const cluster = new ClusterWorld(["a", "b", "c"], 11);
  const { random } = cluster.platform;
  await cluster.join("c", "host");
  for (const name of ["a", "b"]) {
    for (let i = 0; i < 12; i++) {
      const client = await cluster.open(name, `${name}${i}`);
      if (random.chance(0.6)) await client.connect();
    }
    await cluster.pass(random.below(400));
    cluster.kill(name, random.chance(0.5));
  }
  await cluster.pass(2 * BURIED_MS, 20);
  for (const name of ["a", "b"]) {
    for (let i = 0; i < 12; i++) {
      const told = cluster.events.filter((event) => event.endsWith(` lobby ${name}${i}`));
      const story = told.map((event) => event.split(" ")[0]).join(", ");
      assert.match(story, /^(joined, left|aborted)$/, `${name}${i}: ${story}`);
    }
  }
  assert.ok(cluster.events.some((event) => event.startsWith("aborted")));
  assert.ok([...cluster.told.values()].every((count) => count === 1));
});
