import assert from "node:assert/strict";
import type { NodeId } from "../../../lib/base/ids.ts";
import type { NodeRecord } from "../../../lib/cluster/directory/cluster_directory.ts";
import { regionList } from "../../../lib/cluster/region_list.ts";
import { nodeRecord } from "../../support/virtual/directory_table.ts";

function node(region: string, clientAddress: string, more: Partial<NodeRecord> = {}): NodeRecord {
  return nodeRecord(`ND_${clientAddress}` as NodeId, { region, clientAddress, ...more });
}

function withRoom(headroom: number): Partial<NodeRecord> {
  return { load: { cpu: 0, participants: 0, rooms: 0, tracks: 0, headroom } };
}

// Paris, New York, Tokyo.
const PLACES = [
  { name: "eu", lat: 48.86, lon: 2.35 },
  { name: "us", lat: 40.71, lon: -74.01 },
  { name: "ap", lat: 35.68, lon: 139.69 },
];

function urls(nodes: readonly NodeRecord[], region = "eu", places = PLACES): string[] {
  return regionList(nodes, region, places).regions.map(({ url }) => url);
}

Deno.test("regionList() begins with the own region, and goes on by distance", () => {
  const nodes = [node("ap", "wss://ap"), node("us", "wss://us"), node("eu", "wss://eu")];
  const { regions } = regionList(nodes, "eu", PLACES);
  assert.deepEqual(regions.map(({ region }) => region), ["eu", "us", "ap"]);
  const [eu, us, ap] = regions.map(({ distance }) => Number(distance));
  assert.equal(eu, 0);
  // Known distances, to within a per cent.
  assert.ok(Math.abs(us! - 5_837) < 58, String(us));
  assert.ok(Math.abs(ap! - 9_712) < 97, String(ap));
  assert.deepEqual(urls(nodes, "eu", []), ["wss://eu", "wss://ap", "wss://us"], "by name then");
});

Deno.test("regionList() names only nodes that take newcomers and have an address", () => {
  const nodes = [
    node("eu", "wss://busy", withRoom(0)),
    node("eu", "wss://drains", { state: "draining" }),
    node("eu", ""),
    node("us", "wss://us"),
  ];
  assert.deepEqual(urls(nodes), ["wss://us"]);
  assert.deepEqual(urls([]), []);
});

Deno.test("regionList() names each address once, the freest of a region first, and not too many", () => {
  const many = Array.from({ length: 10 }, (_, i) => node("eu", `wss://${i}`, withRoom(i / 10)));
  assert.deepEqual(urls(many), ["wss://9", "wss://8", "wss://7"]);
  assert.deepEqual(urls([node("eu", "wss://lb"), node("eu", "wss://lb")]), ["wss://lb"]);
  const regions = Array.from({ length: 99 }, (_, i) => node(`r${i}`, `wss://${i}`));
  assert.equal(urls(regions).length, 32);
});
