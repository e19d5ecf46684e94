import assert from "node:assert/strict";
import type { NodeRecord } from "../../../../lib/cluster/directory/cluster_directory.ts";
import { NodesCopy } from "../../../../lib/cluster/directory/nodes_copy.ts";
import type { Reply } from "../../../../lib/cluster/directory/redis_replies.ts";
import { A, B, C, nodeRecord } from "../../../support/virtual/directory_table.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

const LEASE_MS = 5_000;

/** A copy, and the answers that it gets: nodes without a lease, gone ones and changed records. */
function world() {
  const platform = new VirtualPlatform();
  const asked: (readonly string[])[] = [];
  const next = {
    change: 0,
    epoch: "1.1",
    isAll: false,
    dead: [] as string[],
    gone: [] as string[],
    records: [] as NodeRecord[],
    skewMs: 1e12,
  };
  const copy = new NodesCopy(platform.clock, LEASE_MS, async (args): Promise<Reply> => {
    asked.push(args);
    const { change, epoch, isAll, dead, gone, records, skewMs } = next;
    const texts = records.map((record) => JSON.stringify(record));
    const now = String(platform.clock.now() + skewMs);
    return [String(change), epoch, isAll ? "all" : "", dead, gone, texts, now];
  });
  const names = async () => (await copy.read("up")).map(({ nodeId }) => nodeId);
  /** The first answer, with A, B and C. */
  const begin = async () => {
    Object.assign(next, { change: 3, isAll: true, records: [A, B, C].map((id) => nodeRecord(id)) });
    assert.deepEqual(await names(), [A, B, C]);
    Object.assign(next, { isAll: false, records: [] });
  };
  return { platform, copy, next, asked, names, begin };
}

Deno.test("NodesCopy asks for what changed, at most once between two heartbeats, and for all now and then", async () => {
  const { platform, next, asked, names, begin } = world();
  await begin();
  platform.advance(899);
  await names();
  assert.deepEqual(asked, [["0", ""]]);
  platform.advance(1);
  Object.assign(next, { change: 5, gone: [A], dead: [B], records: [nodeRecord(C)] });
  assert.deepEqual(await Promise.all([names(), names()]), [[C], [C]]);
  assert.deepEqual(asked.slice(1), [["3", "1.1"]]);
  platform.advance(1_000);
  Object.assign(next, { gone: [], dead: [], records: [] });
  assert.deepEqual(await names(), [B, C], "its lease was renewed");
  platform.advance(60_000);
  Object.assign(next, { isAll: true, records: [nodeRecord(A)] });
  assert.deepEqual(await names(), [A]);
  assert.deepEqual(asked.slice(2), [["5", "1.1"], ["0", "1.1"]]);
});

Deno.test("NodesCopy asks again at once for a node that was named and is not known", async () => {
  const { copy, next, asked } = world();
  Object.assign(next, { change: 1, isAll: true, records: [nodeRecord(A)] });
  await copy.read("up");
  Object.assign(next, { change: 2, isAll: false, records: [nodeRecord(B)] });
  assert.equal((await copy.read("up", A)).length, 1);
  assert.deepEqual((await copy.read("up", B)).map(({ nodeId }) => nodeId), [A, B]);
  assert.deepEqual(asked, [["0", ""], ["1", "1.1"]]);
  await copy.read("down", C);
  assert.equal(asked.length, 2, "nobody can be asked");
});

Deno.test("NodesCopy tells those it knew while the directory is away, and a lease longer", async () => {
  const { platform, copy, next, asked, names, begin } = world();
  await begin();
  copy.away();
  platform.advance(60_000);
  assert.equal((await copy.read("down")).length, 3);
  copy.back();
  next.dead = [A, B];
  assert.deepEqual(await names(), [A, B, C]);
  assert.deepEqual(asked.at(-1), ["0", "1.1"]);
  platform.advance(LEASE_MS - 1);
  assert.deepEqual(await names(), [A, B, C]);
  platform.advance(1_000);
  assert.deepEqual(await names(), [C]);
});

Deno.test("NodesCopy takes nobody for dead because Redis' clock has jumped", async () => {
  for (const jumpMs of [10_000, -10_000]) {
    const { platform, next, names, begin } = world();
    await begin();
    platform.advance(1_000);
    Object.assign(next, { skewMs: next.skewMs + jumpMs, dead: [A, B, C] });
    assert.deepEqual(await names(), [A, B, C]);
    platform.advance(1_000);
    next.dead = [B];
    assert.deepEqual(await names(), [A, B, C]);
    platform.advance(LEASE_MS);
    assert.deepEqual(await names(), [A, C]);
  }
});
