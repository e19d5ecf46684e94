import assert from "node:assert/strict";
import type { NodeId } from "../../../lib/base/ids.ts";
import type { NodeRecord } from "../../../lib/cluster/directory/cluster_directory.ts";
import { Membership } from "../../../lib/cluster/membership.ts";
import { DirectorySteps } from "../../support/virtual/directory_steps.ts";
import { MemoryDirectory } from "../../support/virtual/memory_directory.ts";
import { VirtualPlatform } from "../../support/virtual/virtual_platform.ts";

const LEASE_MS = 5_000;
const LINK_UP = {
  isUp: true,
  protocol: 1,
  rttMs: 1,
  queuedBytes: 0,
  mediaBytes: 0,
  secret: undefined,
};

function record(id: string, changes: Partial<NodeRecord> = {}): NodeRecord {
  return {
    nodeId: id as NodeId,
    region: "eu",
    link: `ws://${id}/cluster`,
    clientAddress: "",
    protocol: { min: 1, max: 1 },
    state: "serving",
    load: { cpu: 0.1, participants: 0, rooms: 0, tracks: 0, headroom: 0.9 },
    agents: [],
    startedAtMs: 0,
    ...changes,
  };
}

/** Nodes of one directory, with what each was told. */
class World {
  readonly platform = new VirtualPlatform();
  readonly memory = new DirectorySteps(this.platform.clock, LEASE_MS);

  add(id: string) {
    const directory = new MemoryDirectory(this.memory, this.platform.clock);
    const node = {
      directory,
      told: [] as string[],
      linked: new Set<NodeId>(),
      reachable: new Set<NodeId>(),
      self: record(id),
      membership: undefined as unknown as Membership,
    };
    node.membership = new Membership({
      platform: this.platform,
      directory,
      leaseMs: LEASE_MS,
      links: {
        facts: (peer) => node.linked.has(peer) ? LINK_UP : undefined,
        reach: (peer) => Promise.resolve(node.reachable.has(peer)),
      },
      self: () => node.self,
      observer: {
        onNode: ({ nodeId, state }) => node.told.push(`${nodeId} ${state}`),
        onGone: (gone) => node.told.push(`${gone} gone`),
        onForgotten: () => node.told.push("forgotten"),
        onBury: (dead) => node.told.push(`bury ${dead.join()}`),
      },
    });
    void node.membership.start();
    return node;
  }

  run(ms: number): Promise<void> {
    return this.platform.advanceAsync(ms, 50);
  }
}

Deno.test("Membership tells of nodes that come, change and go, each once", async () => {
  const world = new World();
  const [a, b] = [world.add("ND_a"), world.add("ND_b")];
  await world.run(3000);
  assert.deepEqual(a.told.filter((line) => line.startsWith("ND_")), ["ND_b serving"]);
  assert.deepEqual(a.membership.others.map(({ nodeId }) => nodeId), ["ND_b"]);
  b.self = record("ND_b", { state: "draining" });
  b.membership.beat();
  await world.run(1500);
  assert.equal(a.told.at(-1), "ND_b draining");
  await b.membership.end();
  await world.run(1500);
  assert.ok(a.told.includes("ND_b gone"));
  assert.equal(a.membership.get("ND_b" as NodeId), undefined);
  assert.equal(a.membership.get("ND_a" as NodeId)?.nodeId, "ND_a");
});

Deno.test("A node that dies is gone after one lease, and not before; somebody buries it", async () => {
  const world = new World();
  const [a, b, c] = [world.add("ND_a"), world.add("ND_b"), world.add("ND_c")];
  await world.run(3000);
  b.directory.reach = "away";
  await world.run(LEASE_MS - 2000);
  assert.ok(!a.told.includes("ND_b gone"));
  await world.run(5000);
  for (const { told } of [a, c]) {
    assert.equal(told.filter((line) => line === "ND_b gone").length, 1);
  }
  assert.ok([...a.told, ...c.told].some((line) => line.startsWith("bury")));
});

Deno.test("Nobody is gone because the directory is away, and when it is back what is here is asserted", async () => {
  const world = new World();
  const nodes = [world.add("ND_a"), world.add("ND_b")];
  await world.run(3000);
  for (const { told } of nodes) told.length = 0;
  for (const { directory } of nodes) directory.reach = "away";
  await world.run(60_000);
  for (const { membership, told } of nodes) {
    assert.equal(membership.others.length, 1);
    assert.deepEqual(told, []);
  }
  for (const { directory } of nodes) directory.reach = "here";
  await world.run(3000);
  for (const { told } of nodes) {
    assert.ok(told.includes("forgotten"));
    assert.ok(!told.some((line) => line.endsWith("gone")), told.join("; "));
  }
});

Deno.test("A node without a lease is not gone while it has a link, nor one lease after", async () => {
  const world = new World();
  const [a, b] = [world.add("ND_a"), world.add("ND_b")];
  await world.run(3000);
  a.linked.add("ND_b" as NodeId);
  b.directory.reach = "away";
  await world.run(60_000);
  assert.ok(!a.told.includes("ND_b gone"));
  assert.equal(a.membership.get("ND_b" as NodeId)?.region, "eu");
  assert.equal(await a.membership.reaches("ND_b" as NodeId), true);
  a.linked.clear();
  await world.run(LEASE_MS - 1000);
  assert.ok(!a.told.includes("ND_b gone"));
  await world.run(3000);
  assert.equal(a.told.filter((line) => line === "ND_b gone").length, 1);
  assert.equal(await a.membership.reaches("ND_b" as NodeId), false);
  a.reachable.add("ND_b" as NodeId);
  assert.equal(await a.membership.reaches("ND_b" as NodeId), true, "where it was last");
});

Deno.test("A directory is not whole from when it was away until all have told it what it lost", async () => {
  const world = new World();
  const a = world.add("ND_a");
  await world.run(3000);
  assert.equal(a.membership.isDirectoryWhole, true);
  a.directory.reach = "away";
  assert.equal(a.membership.isDirectoryWhole, false);
  a.directory.reach = "here";
  await world.run(100);
  assert.equal(a.membership.isDirectoryWhole, true, "it has lost nothing");
  world.memory.clear();
  await world.run(1100);
  assert.equal(a.membership.isDirectoryWhole, false);
  await world.run(6000);
  assert.equal(a.membership.isDirectoryWhole, true);
});
