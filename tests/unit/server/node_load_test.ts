import assert from "node:assert/strict";
import type { LocalRooms } from "../../../lib/room/local_rooms.ts";
import { NodeLoadMeter } from "../../../lib/server/node_load.ts";
import { VirtualPlatform } from "../../support/virtual/virtual_platform.ts";

Deno.test("NodeLoadMeter: the larger share of processor and tracks says how free a node is", () => {
  const platform = new VirtualPlatform();
  let [tracks, cpuUs, counted] = [25, 0, 0];
  const rooms = {
    size: 2,
    trackCount: () => (counted++, tracks),
    occupants: () => 7,
  } as LocalRooms;
  const meter = new NodeLoadMeter({
    clock: platform.clock,
    cores: 2,
    maxTracks: 100,
    rooms: () => rooms,
    cpuUs: () => cpuUs,
  });
  const first = meter.measure();
  assert.deepEqual(first, { cpu: 0, participants: 7, rooms: 2, tracks: 25, headroom: 0.75 });
  tracks = 50;
  platform.advance(499);
  assert.equal(meter.measure(), first, "who asks again at once costs nothing");
  assert.equal(counted, 1);
  // Nine tenths of both cores for that second are all that calls can have.
  cpuUs = 0.9 * 2 * 1_000_000;
  platform.advance(501);
  const second = meter.measure();
  assert.deepEqual([second.cpu, second.tracks, second.headroom], [0.9, 50, 0]);
});
