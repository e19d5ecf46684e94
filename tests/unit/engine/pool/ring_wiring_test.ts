import assert from "node:assert/strict";
import type { EngineCommand } from "../../../../lib/engine/messages/engine_messages.ts";
import { RingWiring } from "../../../../lib/engine/pool/ring_wiring.ts";

/** A wiring whose engines 0 and 1 wait for bells; what each engine is told. */
function wire() {
  const told: [engine: number, command: EngineCommand][] = [];
  const rings = new RingWiring(
    (engine, command) => told.push([engine, command]),
    () => new SharedArrayBuffer(8),
    (engine) => engine < 2 ? 10 + engine : undefined,
  );
  const take = () => told.splice(0);
  return { rings, take };
}

Deno.test("RingWiring joins two engines once, each to the other's rings and bell", () => {
  const { rings, take } = wire();
  rings.connect(0, 1);
  const [[first, one], [second, other]] = take() as [[number, EngineCommand], [
    number,
    EngineCommand,
  ]];
  assert.ok(one.type === "connect_relay" && other.type === "connect_relay");
  assert.deepEqual([first, one.peer.index, one.peer.bell], [0, 1, 11]);
  assert.deepEqual([second, other.peer.index, other.peer.bell], [1, 0, 10]);
  assert.equal(one.peer.inbound, other.peer.outbound);
  assert.equal(one.peer.outbound, other.peer.inbound);
  rings.connect(1, 0);
  assert.deepEqual(take(), []);
});

Deno.test("RingWiring gives no bell of an engine that waits for none", () => {
  const { rings, take } = wire();
  rings.connect(2, 0);
  const bells = take().map(([engine, command]) =>
    command.type === "connect_relay" ? [engine, "bell" in command.peer] : []
  );
  assert.deepEqual(bells, [[2, true], [0, false]]);
});

Deno.test("RingWiring tells the others of a lost engine, and joins it anew", () => {
  const { rings, take } = wire();
  rings.connect(0, 1);
  take();
  rings.engineLost(1);
  assert.deepEqual(take(), [[0, { type: "disconnect_relay", index: 1 }]]);
  rings.connect(0, 1);
  assert.equal(take().length, 2);
});
