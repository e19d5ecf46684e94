import assert from "node:assert/strict";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import type { ConnectionId } from "../../../../lib/base/ids.ts";
import { type DataEndpoint, DataFlow } from "../../../../lib/engine/local/data_flow.ts";
import {
  type DataTrackPacket,
  readDataTrackPacket,
  writeDataTrackPacket,
} from "../../../../lib/wire/data_track_packet.ts";

class FakeEndpoint implements DataEndpoint {
  readonly sent: { kind: string; bytes: Uint8Array }[] = [];
  held = false;
  backlogged = false;
  sendData(kind: string, bytes: Uint8Array): void {
    this.sent.push({ kind, bytes });
  }
  isDataBacklogged(): boolean {
    return this.backlogged;
  }
  holdData(held: boolean): void {
    this.held = held;
  }
}

const id = (name: string) => name as ConnectionId;
const BYTES = Uint8Array.of(1, 2, 3);

function flow(...names: string[]) {
  const endpoints = new Map(names.map((name) => [id(name), new FakeEndpoint()]));
  const drops = new DropCounters();
  const data = new DataFlow((connection) => endpoints.get(connection), drops);
  const tick = () => data.tick((_id, step) => step());
  return { data, drops, tick, endpoints, at: (name: string) => endpoints.get(id(name))! };
}

Deno.test("DataFlow.send() holds a writer until every reader it waits for has caught up", () => {
  const { data, at, tick } = flow("writer", "slow", "slower", "fast");
  at("slow").backlogged = at("slower").backlogged = true;
  for (const to of ["fast", "slow", "slower"]) data.send(id(to), "reliable", BYTES, id("writer"));
  assert.equal(at("writer").held, true);
  at("slow").backlogged = false;
  tick();
  assert.equal(at("writer").held, true);
  at("slower").backlogged = false;
  tick();
  assert.equal(at("writer").held, false);
  assert.deepEqual(["fast", "slow", "slower"].map((name) => at(name).sent.length), [1, 1, 1]);
});

Deno.test("DataFlow.send() holds nobody for lossy messages, the server's own, or one's own", () => {
  const { data, at } = flow("writer", "slow");
  at("slow").backlogged = at("writer").backlogged = true;
  data.send(id("slow"), "lossy", BYTES, id("writer"));
  data.send(id("slow"), "reliable", BYTES, undefined);
  data.send(id("writer"), "reliable", BYTES, id("writer"));
  data.send(id("gone"), "reliable", BYTES, id("writer"));
  data.send(id("slow"), "reliable", BYTES, id("gone"));
  assert.equal(at("writer").held, false);
});

Deno.test("DataFlow holds writers for readers elsewhere, and asks for writers elsewhere", () => {
  const asked: string[] = [];
  const endpoints = new Map(["writer", "slow"].map((name) => [id(name), new FakeEndpoint()]));
  const data = new DataFlow((connection) => endpoints.get(connection), new DropCounters(), {
    hold: (writer, held) => asked.push(`${writer} ${held}`),
    pass() {},
  });
  const tick = () => data.tick((_id, step) => step());
  const [writer, slow] = [endpoints.get(id("writer"))!, endpoints.get(id("slow"))!];
  slow.backlogged = true;
  data.send(id("slow"), "reliable", BYTES, id("writer"));
  data.holdFromAfar(id("writer"), true);
  slow.backlogged = false;
  tick();
  assert.equal(writer.held, true, "the reader elsewhere still needs time");
  data.holdFromAfar(id("writer"), false);
  assert.equal(writer.held, false);
  assert.deepEqual(asked, []);
  slow.backlogged = true;
  for (let i = 0; i < 3; i++) data.send(id("slow"), "reliable", BYTES, id("elsewhere"));
  assert.deepEqual(asked, ["elsewhere true"]);
  slow.backlogged = false;
  tick();
  assert.deepEqual(asked, ["elsewhere true", "elsewhere false"]);
});

Deno.test("DataFlow.forward() passes a packet on once for all engines of its route", () => {
  const passed: unknown[] = [];
  const data = new DataFlow(() => undefined, new DropCounters(), {
    hold() {},
    pass: (from, engines, packet) => passed.push([from, engines, packet]),
  });
  data.setRoutes(id("publisher"), [{ handle: 3, receivers: [], engines: [1, 2] }]);
  const packet = writeDataTrackPacket({
    version: 0,
    startOfFrame: true,
    finalOfFrame: true,
    handle: 3,
    sequence: 1,
    frameNumber: 1,
    timestamp: 1,
    extensions: [],
    payload: BYTES,
  })!;
  data.forward(id("publisher"), packet);
  assert.deepEqual(passed, [[id("publisher"), [1, 2], packet]]);
});

Deno.test("DataFlow.tick() lets a writer go on whose reader is gone", () => {
  const { data, at, tick, endpoints } = flow("writer", "slow");
  at("slow").backlogged = true;
  data.send(id("slow"), "reliable", BYTES, id("writer"));
  const writer = at("writer");
  tick();
  assert.equal(writer.held, true);
  endpoints.delete(id("slow"));
  data.forget(id("slow"));
  tick();
  assert.equal(writer.held, false);
});

const PACKET: DataTrackPacket = {
  version: 0,
  startOfFrame: true,
  finalOfFrame: true,
  handle: 7,
  sequence: 1,
  frameNumber: 2,
  timestamp: 3,
  extensions: [],
  payload: BYTES,
};

Deno.test("DataFlow.forward() sends each receiver its own copy under its own handle", () => {
  const { data, at } = flow("publisher", "a", "b");
  const receivers = [{ connection: id("a"), handle: 300 }, { connection: id("b"), handle: 1 }];
  data.setRoutes(id("publisher"), [{ handle: 7, receivers }]);
  const packet = writeDataTrackPacket(PACKET)!;
  data.forward(id("publisher"), packet);
  for (const { connection, handle } of receivers) {
    const [only, ...more] = at(connection).sent;
    assert.deepEqual(more, []);
    assert.equal(only!.kind, "data_track");
    assert.deepEqual(readDataTrackPacket(only!.bytes), { ...PACKET, handle });
  }
  assert.deepEqual(readDataTrackPacket(packet), PACKET, "the original is untouched");
  assert.deepEqual(at("publisher").sent, []);
});

Deno.test("DataFlow.forward() drops what has no route and what is no packet", () => {
  const { data, drops, at } = flow("publisher", "a");
  const receivers = [{ connection: id("a"), handle: 1 }, { connection: id("gone"), handle: 1 }];
  const packet = writeDataTrackPacket(PACKET)!;
  data.forward(id("publisher"), packet);
  data.setRoutes(id("publisher"), [{ handle: 8, receivers }]);
  data.forward(id("publisher"), packet);
  data.setRoutes(id("publisher"), [{ handle: 7, receivers }]);
  data.forward(id("stranger"), packet);
  data.forward(id("publisher"), packet.subarray(0, 9));
  assert.deepEqual(at("a").sent, []);
  assert.deepEqual(drops.snapshot(), { data_track_unknown_handle: 3, data_track_malformed: 1 });
  data.forward(id("publisher"), packet);
  assert.equal(at("a").sent.length, 1);
  data.setRoutes(id("publisher"), []);
  data.forward(id("publisher"), packet);
  assert.equal(at("a").sent.length, 1);
});
