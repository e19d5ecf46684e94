/** How many questions are asked of other nodes, and what whoever waits may rely on. */
import assert from "node:assert/strict";
import type { NodeId } from "../../../../lib/base/ids.ts";
import { PeerBarriers } from "../../../../lib/cluster/mirror/peer_barriers.ts";

const [A, B] = ["ND_a", "ND_b"] as NodeId[] as [NodeId, NodeId];

/** Questions in the order they were asked, answered by hand. */
function asked() {
  const open: { readonly node: NodeId; readonly answer: () => void; readonly fail: () => void }[] =
    [];
  const barriers = new PeerBarriers((node) =>
    new Promise((resolve, reject) => {
      open.push({ node, answer: resolve, fail: () => reject(new Error("timeout")) });
    })
  );
  const done: string[] = [];
  const pass = (name: string, ...nodes: NodeId[]) =>
    void barriers.pass(nodes).then(() => done.push(name));
  return { open, done, pass };
}

const turns = async () => {
  for (let i = 0; i < 10; i++) await Promise.resolve();
};

Deno.test("PeerBarriers asks once for all who come while it asks, but only after they came", async () => {
  const { open, done, pass } = asked();
  pass("first", A);
  for (let i = 0; i < 100; i++) pass(`later ${i}`, A);
  assert.equal(open.length, 1);
  open[0]!.answer();
  await turns();
  assert.deepEqual(done, ["first"], "what was asked before they came is no answer to them");
  assert.equal(open.length, 2);
  pass("last", A);
  open[1]!.answer();
  await turns();
  assert.equal(done.length, 101);
  assert.equal(open.length, 3);
  open[2]!.answer();
  await turns();
  assert.equal(done.at(-1), "last");
  pass("again", A);
  assert.equal(open.length, 4);
});

Deno.test("PeerBarriers asks each node for itself, and does not wait for one that fails", async () => {
  const { open, done, pass } = asked();
  pass("both", A, B);
  pass("one", B);
  assert.deepEqual(open.map(({ node }) => node), [A, B]);
  open[1]!.fail();
  await turns();
  assert.deepEqual(done, []);
  open[0]!.answer();
  await turns();
  assert.deepEqual(done, ["both"]);
  open[2]!.answer();
  await turns();
  assert.deepEqual(done, ["both", "one"]);
  pass("none");
  await turns();
  assert.equal(done.at(-1), "none");
});
