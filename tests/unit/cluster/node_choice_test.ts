import assert from "node:assert/strict";
import type { NodeId } from "../../../lib/base/ids.ts";
import type { NodeRecord } from "../../../lib/cluster/directory/cluster_directory.ts";
import { chooseNode } from "../../../lib/cluster/node_choice.ts";
import { nodeRecord } from "../../support/virtual/directory_table.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";

function node(id: string, headroom: number, more: Partial<NodeRecord> = {}): NodeRecord {
  const load = { cpu: 0, participants: 0, rooms: 0, tracks: 0, headroom };
  return nodeRecord(id as NodeId, { load, ...more });
}

const NODES = [
  node("ND_free", 0.9),
  node("ND_half", 0.5),
  node("ND_full", 0.05),
  node("ND_leaving", 1, { state: "draining" }),
  node("ND_far", 1, { region: "us" }),
];
const WISH = { region: "eu", pin: "", sharing: [] } as const;

/** All that come of it with many seeds, in order. */
function chosen(nodes: readonly NodeRecord[], wish: Parameters<typeof chooseNode>[1]): string[] {
  const random = new SeededRandom(11);
  const seen = Array.from({ length: 200 }, () => chooseNode(nodes, wish, random)?.nodeId ?? "");
  return [...new Set(seen)].toSorted();
}

Deno.test("chooseNode() takes the freer of two of the region that have room", () => {
  assert.deepEqual(chosen(NODES, WISH), ["ND_free"]);
});

Deno.test("chooseNode() goes farther only where nobody near has room", () => {
  assert.deepEqual(chosen(NODES, { ...WISH, region: "us" }), ["ND_far"]);
  assert.deepEqual(chosen(NODES.slice(2), WISH), ["ND_far"]);
  const far = { ...WISH, region: "ap" };
  const three = [...NODES, node("ND_other", 0.8)];
  assert.deepEqual(chosen(three, far), ["ND_far", "ND_free", "ND_other"]);
});

Deno.test("chooseNode() goes to the nearest of the regions that have room", () => {
  const km: Readonly<Record<string, number>> = { ap: 0, us: 10_850, eu: 9_712 };
  const wish = { ...WISH, region: "ap", kmTo: (region: string) => km[region]! };
  assert.deepEqual(chosen(NODES, wish), ["ND_free"]);
  assert.deepEqual(chosen(NODES.slice(2), wish), ["ND_far"], "where the nearest has none");
});

Deno.test("chooseNode() prefers a node of the region that has the room, if it has room for more", () => {
  const sharing = ["ND_half", "ND_far"] as NodeId[];
  assert.deepEqual(chosen(NODES, { ...WISH, sharing }), ["ND_half"]);
  const full = ["ND_full", "ND_leaving"] as NodeId[];
  assert.deepEqual(chosen(NODES, { ...WISH, sharing: full }), ["ND_free"]);
});

Deno.test("chooseNode() keeps to the pin, however full that node is", () => {
  assert.deepEqual(chosen(NODES, { ...WISH, pin: "region:us" }), ["ND_far"]);
  assert.deepEqual(chosen(NODES, { ...WISH, pin: "ND_full" as NodeId }), ["ND_full"]);
  assert.deepEqual(chosen(NODES, { ...WISH, pin: "ND_leaving" as NodeId }), [""]);
  assert.deepEqual(chosen([node("ND_x", 0)], { ...WISH, pin: "ND_x" as NodeId }), ["ND_x"]);
});

Deno.test("chooseNode() gives the last places where all are nearly full, and none that is not there", () => {
  assert.deepEqual(chosen([node("ND_a", 0.05), node("ND_b", 0)], WISH), ["ND_a"]);
  assert.deepEqual(chosen([node("ND_b", 0)], WISH), [""]);
  assert.deepEqual(chosen([], WISH), [""]);
});

Deno.test("chooseNode() evens out what two choices even out", () => {
  const random = new SeededRandom(7);
  const people = new Map(Array.from({ length: 20 }, (_, i) => [`ND_${i}`, 0]));
  const alone = new Map(people);
  for (let i = 0; i < 4000; i++) {
    const nodes = [...people].map(([id, count]) => node(id, 1 - count / 400));
    const { nodeId } = chooseNode(nodes, WISH, random)!;
    people.set(nodeId, people.get(nodeId)! + 1);
    const drawn = `ND_${random.uint32() % 20}`;
    alone.set(drawn, alone.get(drawn)! + 1);
  }
  const spread = (counts: Map<string, number>) =>
    Math.max(...counts.values()) - Math.min(...counts.values());
  assert.ok(spread(people) * 3 < spread(alone), `${spread(people)}, by chance ${spread(alone)}`);
});
