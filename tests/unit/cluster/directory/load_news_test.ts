import assert from "node:assert/strict";
import type { NodeLoad, NodeRecord } from "../../../../lib/cluster/directory/cluster_directory.ts";
import { isNews } from "../../../../lib/cluster/directory/load_news.ts";
import { A, nodeRecord } from "../../../support/virtual/directory_table.ts";

const AGENT = { namespace: "n", agentName: "a", deployment: "", jobType: 1, headroom: 0.5 };
const LOAD = { cpu: 0.5, participants: 100, rooms: 20, tracks: 400, headroom: 0.5 };
const TOLD = nodeRecord(A, { load: LOAD, agents: [AGENT] });

const loaded = (load: Partial<NodeLoad>): Partial<NodeRecord> => ({ load: { ...LOAD, ...load } });

Deno.test("isNews() is whatever is not a load, at once", () => {
  const changes: Partial<NodeRecord>[] = [
    { state: "draining" },
    { region: "us" },
    { link: "ws://other.test/cluster" },
    { protocol: { min: 1, max: 2 } },
    { agents: [] },
    { agents: [AGENT, { ...AGENT, agentName: "b" }] },
    { agents: [{ ...AGENT, jobType: 2 }] },
  ];
  for (const change of changes) assert.ok(isNews(TOLD, { ...TOLD, ...change }, 0));
  assert.ok(!isNews(TOLD, { ...TOLD }, 0));
});

Deno.test("isNews() is a load that changed by much, or a while ago", () => {
  const much = [
    ...[{ cpu: 0.62 }, { cpu: 0.38 }, { headroom: 0.7 }, { headroom: 0 }],
    ...[{ participants: 125 }, { participants: 75 }, { rooms: 30 }, { tracks: 500 }],
  ];
  const little = [
    ...[{ cpu: 0.59 }, { headroom: 0.41 }, { participants: 124 }, { rooms: 29 }, { tracks: 499 }],
  ];
  for (const load of much) {
    assert.ok(isNews(TOLD, { ...TOLD, ...loaded(load) }, 0), JSON.stringify(load));
  }
  for (const load of little) {
    assert.ok(!isNews(TOLD, { ...TOLD, ...loaded(load) }, 29_999), JSON.stringify(load));
    assert.ok(isNews(TOLD, { ...TOLD, ...loaded(load) }, 30_000), JSON.stringify(load));
  }
  assert.ok(isNews(TOLD, { ...TOLD, agents: [{ ...AGENT, headroom: 0.3 }] }, 0));
  assert.ok(!isNews(TOLD, { ...TOLD, agents: [{ ...AGENT, headroom: 0.45 }] }, 0));
  const full = { ...TOLD, ...loaded({ headroom: 0 }) };
  assert.ok(isNews(full, { ...TOLD, ...loaded({ headroom: 0.05 }) }, 0));
});
