import assert from "node:assert/strict";
import type { ConnectionId } from "../../../../lib/base/ids.ts";
import {
  type DataTrackPacket,
  readDataTrackPacket,
  writeDataTrackPacket,
} from "../../../../lib/wire/data_track_packet.ts";
import { DataEngine, joinEngines, pass } from "../../../support/virtual/data_plane_world.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

const id = (name: string) => name as ConnectionId;
const LABEL = "_data_track";
const type = "set_data_track_routes";
const PACKET: DataTrackPacket = {
  version: 0,
  startOfFrame: true,
  finalOfFrame: true,
  handle: 7,
  sequence: 1,
  frameNumber: 2,
  timestamp: 3,
  extensions: [],
  payload: Uint8Array.of(1, 2, 3),
};

function engine(...names: string[]): DataEngine {
  const made = new DataEngine(new VirtualPlatform());
  for (const name of names) made.join(name);
  return made;
}

Deno.test("DataTrackRoutes sends each receiver its own copy under its own handle", () => {
  const one = engine("publisher", "a", "b");
  const receivers = [{ connection: id("a"), handle: 300 }, { connection: id("b"), handle: 1 }];
  one.data.carryOut({ type, connection: id("publisher"), routes: [{ handle: 7, receivers }] });
  const packet = writeDataTrackPacket(PACKET)!;
  one.receive("publisher", packet, LABEL);
  for (const { connection, handle } of receivers) {
    const [only, ...more] = one.at(connection).sent;
    assert.deepEqual(more, []);
    assert.equal(only!.kind, "data_track");
    assert.deepEqual(readDataTrackPacket(only!.bytes), { ...PACKET, handle });
  }
  assert.deepEqual(readDataTrackPacket(packet), PACKET, "the original is untouched");
  assert.deepEqual(one.at("publisher").sent, []);
});

Deno.test("DataTrackRoutes keeps a packet once for all receivers that have the same handle", () => {
  const names = Array.from({ length: 30 }, (_, n) => `reader-${n}`);
  const one = engine("publisher", ...names);
  const handleOf = (n: number) => [1, 9, 300][n % 3]!;
  const receivers = names.map((name, n) => ({ connection: id(name), handle: handleOf(n) }));
  one.data.carryOut({ type, connection: id("publisher"), routes: [{ handle: 7, receivers }] });
  one.receive("publisher", writeDataTrackPacket(PACKET)!, LABEL);
  for (const [n, name] of names.entries()) {
    assert.equal(readDataTrackPacket(one.at(name).sent[0]!.bytes)!.handle, handleOf(n));
  }
  const kept = new Set(names.map((name) => one.at(name).sent[0]!.bytes.buffer));
  assert.equal(kept.size, 3);
});

Deno.test("DataTrackRoutes queues packets by their publisher, whose number outlives new routes", () => {
  const one = engine("publisher", "other", "a");
  const receivers = [{ connection: id("a"), handle: 1 }];
  const route = (name: string) =>
    one.data.carryOut({ type, connection: id(name), routes: [{ handle: 7, receivers }] });
  const packet = writeDataTrackPacket(PACKET)!;
  for (const name of ["publisher", "other"]) {
    route(name);
    one.receive(name, packet, LABEL);
  }
  route("publisher");
  one.receive("publisher", packet, LABEL);
  const [first, second, third] = one.at("a").senders;
  assert.notEqual(first, second);
  assert.equal(third, first);
});

Deno.test("DataTrackRoutes drops what has no route and what is no packet", () => {
  const one = engine("publisher", "a");
  const receivers = [{ connection: id("a"), handle: 1 }, { connection: id("gone"), handle: 1 }];
  const packet = writeDataTrackPacket(PACKET)!;
  const route = (handle: number) =>
    one.data.carryOut({ type, connection: id("publisher"), routes: [{ handle, receivers }] });
  one.receive("publisher", packet, LABEL);
  route(8);
  one.receive("publisher", packet, LABEL);
  route(7);
  one.receive("stranger", packet, LABEL);
  one.receive("publisher", packet.subarray(0, 9), LABEL);
  assert.deepEqual(one.at("a").sent, []);
  assert.deepEqual(one.drops.snapshot(), {
    data_track_unknown_handle: 3,
    data_track_malformed: 1,
  });
  one.receive("publisher", packet, LABEL);
  assert.equal(one.at("a").sent.length, 1);
  one.data.forget(id("publisher"));
  one.receive("publisher", packet, LABEL);
  assert.equal(one.at("a").sent.length, 1);
});

Deno.test("DataTrackRoutes pass a packet on once for all receivers of another engine", () => {
  const platform = new VirtualPlatform();
  const [home, far] = [new DataEngine(platform), new DataEngine(platform)];
  joinEngines(home, far);
  home.join("publisher");
  for (const name of ["a", "b"]) far.join(name);
  const connection = id("publisher");
  const routes = [{ handle: 7, receivers: [], engines: [1] }];
  home.data.carryOut({ type, connection, source: 5, routes });
  const receivers = [{ connection: id("a"), handle: 2 }, { connection: id("b"), handle: 3 }];
  far.data.carryOut({ type, connection, source: 5, routes: [{ handle: 7, receivers }] });
  home.receive("publisher", writeDataTrackPacket(PACKET)!, LABEL);
  pass([home, far], 1);
  for (const { connection, handle } of receivers) {
    const got = far.at(connection).sent.map(({ bytes }) => readDataTrackPacket(bytes));
    assert.deepEqual(got, [{ ...PACKET, handle }]);
  }
  far.data.carryOut({ type, connection, source: 5, routes: [] });
  home.receive("publisher", writeDataTrackPacket(PACKET)!, LABEL);
  pass([home, far], 1);
  assert.deepEqual(far.drops.snapshot(), { data_track_unknown_handle: 1 });
});
