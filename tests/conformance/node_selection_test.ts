/** LiveKit's tests of which node is chosen, and of which there are to be chosen from. */
import assert from "node:assert/strict";
import { SfuError } from "../../lib/base/errors.ts";
import type { NodeId } from "../../lib/base/ids.ts";
import type { NodeLoad, NodeRecord } from "../../lib/cluster/directory/cluster_directory.ts";
import { chooseNode, type NodeWish } from "../../lib/cluster/node_choice.ts";
import { distanceKm, regionList } from "../../lib/cluster/region_list.ts";
import type { LocalRooms } from "../../lib/room/local_rooms.ts";
import { parseConfig } from "../../lib/server/config/config_parsing.ts";
import { NodeLoadMeter } from "../../lib/server/node_load.ts";
import { DirectorySteps } from "../support/virtual/directory_steps.ts";
import { nodeRecord } from "../support/virtual/directory_table.ts";
import { MemoryDirectory } from "../support/virtual/memory_directory.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";
import { VirtualPlatform } from "../support/virtual/virtual_platform.ts";
import { unitScenario } from "./support.ts";

const DRAWS = 6_000;
const LEASE_MS = 5_000;
const WISH: NodeWish = { region: "eu", pin: "", sharing: [] };

/** What a node with two cores measures of itself that has used so much of them for a second. */
function loadOf(cpu: number): NodeLoad {
  const platform = new VirtualPlatform();
  let cpuUs = 0;
  const rooms = { size: 0, trackCount: () => 0, occupants: () => 0 } as LocalRooms;
  const { clock } = platform;
  const meter = new NodeLoadMeter({
    ...{ clock, cores: 2, maxTracks: 0, rooms: () => rooms },
    cpuUs: () => cpuUs,
  });
  cpuUs = cpu * 2 * 1_000_000;
  platform.advance(1_000);
  return meter.measure();
}

/** `eu` unless it says otherwise, with its processor used so far. */
function node(id: string, cpu: number, more: Partial<NodeRecord> = {}): NodeRecord {
  const clientAddress = `wss://${id}`;
  return nodeRecord(id as NodeId, { region: "eu", clientAddress, load: loadOf(cpu), ...more });
}

/** Which share of many newcomers each node gets. */
function shares(
  nodes: readonly NodeRecord[],
  wish: NodeWish = WISH,
): Readonly<Record<string, number>> {
  const random = new SeededRandom(5);
  const counts: Record<string, number> = {};
  for (let i = 0; i < DRAWS; i++) {
    const id = chooseNode(nodes, wish, random)?.nodeId ?? "none";
    counts[id] = (counts[id] ?? 0) + 1 / DRAWS;
  }
  return counts;
}

const chosen = (...asked: Parameters<typeof shares>) => Object.keys(shares(...asked)).toSorted();

unitScenario("TestAnySelector_SelectNode_TwoChoice", () => {
  const four = [node("a", 0.6), node("b", 0.2), node("c", 0.4), node("d", 0.7)];
  assert.deepEqual(chosen(four), ["a", "b", "c"], "the busiest of all loses to whomever it meets");
  assert.deepEqual(chosen([node("a", 0.6), node("b", 0.3)]), ["b"]);
  assert.deepEqual(chosen([node("a", 0.6)]), ["a"], "without a choice");
  const leaving = node("e", 0, { state: "draining" });
  assert.deepEqual(chosen([leaving, node("a", 0.6)]), ["a"], "who leaves takes nobody");
  assert.deepEqual(chosen([leaving]), ["none"]);
  assert.deepEqual(chosen([]), ["none"]);
});

unitScenario("TestAnySelector_SelectNode_TwoChoice_Probabilistic_Behavior", () => {
  // Of the six pairs of four nodes the freest wins three, the next two, and the third one.
  const found = shares([node("a", 0.6), node("b", 0.2), node("c", 0.4), node("d", 0.7)]);
  for (const [id, share] of [["b", 3 / 6], ["c", 2 / 6], ["a", 1 / 6]] as const) {
    assert.ok(Math.abs(found[id]! - share) < 0.02, `${id}: ${found[id]}`);
  }
  const alike = shares([node("a", 0.5), node("b", 0.5), node("c", 0.5), node("d", 0.5)]);
  for (const share of Object.values(alike)) assert.ok(Math.abs(share - 1 / 4) < 0.02);
});

unitScenario("TestAnySelector_SelectNode_InvalidParameters", () => {
  const configured = (key: string, value: string) => () =>
    parseConfig({ node_selector: { [key]: value } });
  for (const key of ["kind", "sort_by", "algorithm"]) {
    for (const value of ["", "invalid"]) {
      assert.throws(
        configured(key, value),
        (error) =>
          error instanceof SfuError && error.code === "invalid_config" &&
          error.message.includes(`node_selector.${key}: expected one of`),
      );
    }
  }
  for (const [key, value] of [["kind", "cpuload"], ["sort_by", "rooms"], ["algorithm", "lowest"]]) {
    assert.doesNotThrow(configured(key!, value!), "LiveKit's own are taken, without an effect");
  }
});

unitScenario("TestCPULoadSelector_SelectNode", () => {
  const [busy, busier, free] = [node("a", 0.84), node("b", 0.88), node("c", 0.1)];
  assert.deepEqual(chosen([busy, busier, free]), ["c"], "who is under the limit");
  assert.deepEqual(chosen([busy, busier]), ["a"], "where nobody is, whoever has room at all");
  assert.deepEqual(chosen([node("a", 0.9)]), ["none"], "and nobody who has none");
});

unitScenario("TestRegionAwareRouting", () => {
  const places = [
    { name: "us-west", lat: 37.64, lon: -120.88 },
    { name: "us-east", lat: 40.68, lon: -74.01 },
    { name: "seattle", lat: 47.6, lon: -122.33 },
  ];
  const wish = (region: string): NodeWish => ({
    ...WISH,
    region,
    kmTo: (other) => distanceKm(region, other, places),
  });
  const [east, west] = [node("e", 0.5, { region: "us-east" }), node("w", 0, { region: "us-west" })];
  assert.deepEqual(chosen([west, east], wish("us-east")), ["e"], "of the same region");
  assert.deepEqual(chosen([west, east], wish("seattle")), ["w"], "else of the nearest");
  const more = node("x", 0.2, { region: "us-west" });
  assert.deepEqual(chosen([west, east, more], wish("seattle")), ["w"], "the freer one there");
  const full = node("w", 0.88, { region: "us-west" });
  assert.deepEqual(chosen([full, east], wish("us-west")), ["e"], "where there is room");
  assert.deepEqual(chosen([west, east], { ...WISH, region: "" }).length, 1, "without regions, too");
  const told = regionList([east, west], "seattle", places).regions.map(({ region }) => region);
  assert.deepEqual(told, ["us-west", "us-east"], "and clients are told the same order");
});

unitScenario("TestIsAvailable", async () => {
  const platform = new VirtualPlatform();
  const memory = new DirectorySteps(platform.clock, LEASE_MS);
  const directory = new MemoryDirectory(memory, platform.clock);
  const there = async () => (await directory.nodes()).map(({ nodeId }) => nodeId);
  await directory.heartbeat(node("a", 0));
  await directory.heartbeat(node("b", 0));
  assert.deepEqual(await there(), ["a", "b"]);
  await platform.advanceAsync(LEASE_MS - 1_000, 500);
  assert.deepEqual(await there(), ["a", "b"], "heard of lately enough");
  await directory.heartbeat(node("b", 0));
  await platform.advanceAsync(1_500, 500);
  assert.deepEqual(await there(), ["b"], "not heard of for a lease");
});
