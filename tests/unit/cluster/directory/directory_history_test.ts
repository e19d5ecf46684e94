import assert from "node:assert/strict";
import type { NodeId } from "../../../../lib/base/ids.ts";
import type { Closing, EnterAnswer } from "../../../../lib/cluster/directory/cluster_directory.ts";
import { DirectoryHistory, violations } from "../../../support/virtual/directory_history.ts";
import { DirectorySteps } from "../../../support/virtual/directory_steps.ts";
import {
  A,
  B,
  C,
  closingOf,
  joining,
  nodeRecord,
  roomSeed,
} from "../../../support/virtual/directory_table.ts";
import { MemoryDirectory } from "../../../support/virtual/memory_directory.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

function world(seed: number) {
  const platform = new VirtualPlatform(seed);
  const memory = new DirectorySteps(platform.clock, 5_000);
  return { platform, memory, handle: () => new MemoryDirectory(memory, platform.clock) };
}

Deno.test("MemoryDirectory: nothing contradicts itself in 200 random histories", async () => {
  for (let seed = 1; seed <= 200; seed++) {
    const directory = world(seed).handle();
    const history = new DirectoryHistory(directory, seed);
    for (let step = 0; step < 60; step++) {
      const { question } = await history.step();
      assert.deepEqual(await violations(directory), [], `seed ${seed}, step ${step}: ${question}`);
    }
  }
});

/** Nodes that live, serve one room and die, each as its own program would, in a random order. */
class Cluster {
  readonly world;
  readonly random;
  /** What nodes believe: sessions by sid. */
  readonly sessions = new Map<string, { node: NodeId; identity: string; number: number }>();
  readonly serving = new Set<NodeId>();
  readonly closings = new Map<NodeId, Closing>();
  readonly dead = new Set<NodeId>();
  started = 0;
  finished = 0;
  sids = 0;

  constructor(seed: number) {
    this.world = world(seed);
    this.random = new SeededRandom(seed);
  }

  async join(node: NodeId): Promise<void> {
    const identity = ["ann", "bob", "cat", "dan"][this.random.below(4)]!;
    const sid = `PA_${++this.sids}`;
    const create = roomSeed(`RM_${++this.sids}`);
    const directory = this.world.handle();
    const request = joining("r", node, identity, sid, { create });
    const answer = await directory.enter(request) as Extract<EnterAnswer, { ok: true }>;
    if (answer.created) this.started++;
    this.serving.add(node);
    this.closings.delete(node);
    // The former's node is told over a link, and evicts.
    const { former } = answer.claim!;
    if (former !== undefined) {
      this.sessions.delete(former.sid);
      await directory.release({ room: "r", identity, number: former.number });
    }
    this.sessions.set(sid, { node, identity, number: answer.claim!.number });
  }

  async part(node: NodeId): Promise<void> {
    const directory = this.world.handle();
    const own = [...this.sessions].find(([, session]) => session.node === node);
    if (own !== undefined) {
      this.sessions.delete(own[0]);
      assert.equal(await directory.release({ room: "r", ...own[1] }), true);
    }
    const isEmpty = ![...this.sessions.values()].some((session) => session.node === node);
    if (!isEmpty || !this.serving.delete(node)) return;
    const closing = await directory.leave({ room: "r", node });
    if (closing !== undefined) this.closings.set(node, closingOf(closing));
  }

  async close(node: NodeId): Promise<void> {
    const closing = this.closings.get(node);
    if (closing === undefined) return;
    this.closings.delete(node);
    if (await this.world.handle().close("r", closing) !== undefined) this.finished++;
  }

  async die(node: NodeId): Promise<void> {
    const directory = this.world.handle();
    const undertaker = [A, B, C].find((other) => other !== node)!;
    await directory.heartbeat(nodeRecord(node));
    this.world.platform.advance(5_000);
    assert.deepEqual((await directory.heartbeat(nodeRecord(undertaker))).bury.includes(node), true);
    const before = [...this.sessions].filter(([, session]) => session.node === node);
    for (const [sid] of before) this.sessions.delete(sid);
    this.serving.delete(node);
    this.closings.delete(node);
    for (const room of await directory.roomsOf(node)) {
      const burial = await directory.bury({ room, dead: node, by: undertaker });
      assert.deepEqual(
        burial?.freed.map(({ sid }) => sid as string).sort() ?? [],
        before.map(([sid]) => sid).sort(),
      );
      if (burial?.closing !== undefined) this.closings.set(undertaker, burial.closing);
    }
    assert.equal(await directory.forget(node), true);
  }

  /** The directory knows exactly those who are in. */
  async check(): Promise<void> {
    const directory = this.world.handle();
    const claims = await directory.claims("r");
    assert.deepEqual(
      claims.map(({ sid, node, number }) => [sid, node, number]).sort(),
      [...this.sessions].map(([sid, { node, number }]) => [sid, node, number]).sort(),
    );
    const found = await directory.find("r");
    assert.deepEqual(found?.nodes ?? [], [...this.serving].sort());
    assert.equal(this.started - this.finished, found === undefined ? 0 : 1);
    // A room that nobody serves has somebody who will close it.
    if (found?.nodes.length === 0) assert.ok(this.closings.size > 0);
  }
}

Deno.test("a room begins once and ends once however its nodes come, go and die", async () => {
  for (let seed = 1; seed <= 200; seed++) {
    const cluster = new Cluster(seed);
    for (let step = 0; step < 80; step++) {
      const node = [A, B, C][cluster.random.below(3)]!;
      const draw = cluster.random.below(10);
      if (draw < 4) await cluster.join(node);
      else if (draw < 7) await cluster.part(node);
      else if (draw < 9) await cluster.close(node);
      else await cluster.die(node);
      await cluster.check();
    }
  }
});
