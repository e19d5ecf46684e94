import assert from "node:assert/strict";
import { SfuError } from "../../../../lib/base/errors.ts";
import type { NodeId } from "../../../../lib/base/ids.ts";
import { Reaper } from "../../../../lib/cluster/directory/reaper.ts";
import { DirectorySteps } from "../../../support/virtual/directory_steps.ts";
import {
  A,
  B,
  C,
  closingOf,
  entered,
  joining,
  nodeRecord,
  roomSeed,
} from "../../../support/virtual/directory_table.ts";
import { MemoryDirectory } from "../../../support/virtual/memory_directory.ts";
import { settle, VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

const LEASE_MS = 5_000;
const BEAT_MS = 1_000;
const LINGER_MS = 20_000;

/** Nodes that beat once a second while they live, each with its reaper. */
class Cluster {
  readonly platform = new VirtualPlatform();
  readonly memory = new DirectorySteps(this.platform.clock, LEASE_MS);
  readonly nodes = new Map<NodeId, { directory: MemoryDirectory; reaper: Reaper }>();
  readonly told: string[] = [];
  readonly reachable = new Set<NodeId>();

  add(node: NodeId): MemoryDirectory {
    const directory = new MemoryDirectory(this.memory, this.platform.clock);
    const reaper = new Reaper({
      platform: this.platform,
      directory,
      self: node,
      leaseMs: LEASE_MS,
      reaches: (other) => Promise.resolve(this.reachable.has(other)),
      observer: {
        onFreed: ({ name }, claims) =>
          this.told.push(...claims.map(({ identity }) => `${node}: ${identity} has left ${name}`)),
        onUnjoined: ({ name }, claims) =>
          this.told.push(
            ...claims.map(({ identity }) => `${node}: ${identity} never was in ${name}`),
          ),
        onFinished: ({ name }) => this.told.push(`${node}: ${name} is over`),
      },
    });
    this.nodes.set(node, { directory, reaper });
    return directory;
  }

  /** Its process is gone. */
  kill(node: NodeId): void {
    this.nodes.get(node)!.reaper.end();
    this.nodes.delete(node);
  }

  async run(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += BEAT_MS) {
      for (const [node, { directory, reaper }] of this.nodes) {
        await directory.heartbeat(nodeRecord(node)).then(({ bury }) => reaper.bury(bury), () => {});
      }
      await this.platform.advanceAsync(BEAT_MS);
    }
  }
}

async function world() {
  const cluster = new Cluster();
  const [a, b, c] = [cluster.add(A), cluster.add(B), cluster.add(C)];
  await cluster.run(2 * LEASE_MS);
  await entered(a.enter(joining("alone", A, "ann", "PA_1")));
  await entered(a.enter(joining("shared", A, "ann", "PA_2")));
  await entered(b.enter(joining("shared", B, "bob", "PA_3")));
  return { cluster, a, b, c };
}

Deno.test("Reaper: what a dead node left ends once, at one of the others", async () => {
  const { cluster } = await world();
  cluster.kill(A);
  await cluster.run(LEASE_MS);
  assert.equal(cluster.told.length, 0, "its lease still holds, or ended just now");
  await cluster.run(3 * BEAT_MS);
  const [by] = [...new Set(cluster.told.map((line) => line.split(":")[0]))];
  assert.deepEqual(cluster.told.toSorted(), [
    `${by}: ann has left alone`,
    `${by}: ann has left shared`,
  ]);
  assert.equal(cluster.memory.forget(A), true);
  await cluster.run(LINGER_MS + BEAT_MS);
  assert.deepEqual(cluster.told.slice(2), [`${by}: alone is over`]);
  assert.deepEqual(cluster.memory.list().map(({ record }) => record.name), ["shared"]);
});

Deno.test("Reaper: what a dead node left is told once although answers about it are lost", async () => {
  const { cluster, b, c } = await world();
  for (const directory of [b, c]) {
    const bury = directory.bury.bind(directory);
    let lost = 0;
    directory.bury = async (funeral) => {
      const burial = await bury(funeral);
      if (lost++ < 3) throw new SfuError("directory_down", "Redis does not answer");
      return burial;
    };
  }
  cluster.kill(A);
  await cluster.run(2 * LEASE_MS);
  const left = cluster.told.map((line) => line.split(": ")[1]).toSorted();
  assert.deepEqual(left, ["ann has left alone", "ann has left shared"]);
  await cluster.run(LINGER_MS + 2 * BEAT_MS);
  assert.deepEqual(cluster.told.slice(2).map((line) => line.split(": ")[1]), ["alone is over"]);
});

Deno.test("Reaper: who comes back in time keeps the room", async () => {
  const { cluster, c } = await world();
  cluster.kill(A);
  await cluster.run(2 * LEASE_MS);
  await entered(c.enter(joining("alone", C, "ann", "PA_9")));
  await cluster.run(2 * LINGER_MS);
  assert.equal(cluster.told.length, 2);
  assert.deepEqual(cluster.memory.find("alone")!.nodes, [C]);
});

Deno.test("Reaper: a keeper that dies is followed by another", async () => {
  const { cluster } = await world();
  cluster.kill(A);
  await cluster.run(2 * LEASE_MS);
  const [by] = cluster.told[0]!.split(":") as [NodeId];
  cluster.kill(by);
  await cluster.run(2 * LEASE_MS + LINGER_MS);
  const last = by === B ? C : B;
  const ends = cluster.told.filter((line) => line.endsWith("is over"));
  // Where the keeper was the last in the other room, that is over, too.
  assert.deepEqual(
    ends.toSorted(),
    by === B ? [`${last}: alone is over`, `${last}: shared is over`] : [`${last}: alone is over`],
  );
});

Deno.test("Reaper: nobody is buried for an outage of the directory", async () => {
  const { cluster, a, b, c } = await world();
  for (const directory of [a, b, c]) directory.reach = "away";
  await cluster.run(4 * LEASE_MS);
  // They come back one after the other, as connections do.
  for (const directory of [c, b, a]) {
    directory.reach = "here";
    await cluster.run(BEAT_MS + BEAT_MS / 2);
  }
  await cluster.run(4 * LEASE_MS);
  assert.equal(cluster.told.length, 0);
  assert.equal(cluster.memory.list().length, 2);
});

Deno.test("Reaper: a room's end is tried again when the directory is back", async () => {
  const { cluster, a } = await world();
  const { record } = cluster.memory.find("alone")!;
  const closing = closingOf(await a.leave({ room: "alone", node: A }));
  cluster.nodes.get(A)!.reaper.keep(record, closing);
  await cluster.run(LINGER_MS - BEAT_MS);
  a.reach = "deaf";
  await cluster.run(3 * BEAT_MS);
  assert.deepEqual(cluster.memory.find("alone"), undefined, "it ended without an answer");
  assert.equal(cluster.told.length, 0);
  a.reach = "here";
  await cluster.run(2 * BEAT_MS);
  assert.deepEqual(cluster.told, [`${A}: alone is over`]);
});

Deno.test("Reaper: departures that were lost are made up for", async () => {
  const { cluster, a } = await world();
  const { reaper } = cluster.nodes.get(A)!;
  const create = roomSeed("RM_k", { lingerMs: 0 });
  await entered(a.enter(joining("kept", A, "ann", "PA_4", { create })));
  await reaper.tidy((room) => room === "kept");
  await settle();
  assert.deepEqual(await a.roomsOf(A), ["alone", "kept"]);
  assert.deepEqual(cluster.memory.find("shared")!.nodes, [B]);
  assert.deepEqual(cluster.memory.find("alone")!.nodes, []);
  await cluster.run(LINGER_MS);
  assert.deepEqual(cluster.told, [`${A}: alone is over`]);
  assert.deepEqual(await a.roomsOf(A), ["kept"]);
});

Deno.test("Reaper: nobody is buried because the directory's clock jumps", async () => {
  for (const skewMs of [10_000, -10_000]) {
    const { cluster, c } = await world();
    await cluster.run(BEAT_MS);
    cluster.memory.skewMs += skewMs;
    await cluster.run(4 * LEASE_MS);
    assert.equal(cluster.told.length, 0);
    const before = (await c.claim("alone", "ann"))!;
    const { claim } = await entered(c.enter(joining("alone", C, "ann", "PA_9")));
    assert.ok(claim!.number > before.number);
    cluster.kill(A);
    await cluster.run(LEASE_MS + 4 * BEAT_MS);
    assert.deepEqual(cluster.told.map((line) => line.slice(6)), [
      // Replaced by C, and not told of by A, which is dead.
      "ann has left alone",
      "ann has left shared",
    ]);
  }
});

Deno.test("Reaper: a node that can be reached is not buried, and is once it cannot", async () => {
  const { cluster } = await world();
  cluster.reachable.add(A);
  cluster.kill(A);
  await cluster.run(6 * LEASE_MS);
  assert.deepEqual(cluster.told, []);
  assert.deepEqual(cluster.memory.find("alone")!.nodes, [A]);
  cluster.reachable.delete(A);
  await cluster.run(2 * BEAT_MS);
  assert.equal(cluster.told.length, 2);
});

Deno.test("Reaper: what was asked for when its node ended is told, and nothing is begun", async () => {
  const { cluster, a } = await world();
  const { record } = cluster.memory.find("alone")!;
  const closing = closingOf(await a.leave({ room: "alone", node: A }));
  const { reaper } = cluster.nodes.get(A)!;
  reaper.keep({ ...record, lingerMs: 100 }, closing);
  cluster.platform.advance(100);
  assert.deepEqual(cluster.told, [], "the answer is on its way");
  await reaper.end();
  assert.deepEqual(cluster.told, [`${A}: alone is over`]);
  const shared = cluster.memory.find("shared")!.record;
  reaper.keep({ ...shared, lingerMs: 0 }, { keeper: A, number: 1 });
  reaper.bury([B]);
  await cluster.platform.advanceAsync(10 * LEASE_MS);
  assert.equal(cluster.told.length, 1);
});
