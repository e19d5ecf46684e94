import assert from "node:assert/strict";
import type { DownTrackId, NodeId } from "../../../../lib/base/ids.ts";
import { silentLog } from "../../../../lib/base/platform.ts";
import { type ConnectionEvent, EngineRouter } from "../../../../lib/room/context/engine_router.ts";
import { FakeEngine, NO_STATS } from "../../../support/virtual/fake_engine.ts";

function routed() {
  const engine = new FakeEngine();
  const router = new EngineRouter(engine, silentLog, "ND_test" as NodeId);
  engine.onEvent = (event) => router.dispatch(event);
  return { engine, router };
}

Deno.test("EngineRouter.dispatch() brings an event to the owner of its connection alone, until detached", () => {
  const { engine, router } = routed();
  const seen: string[] = [];
  const [a, b] = [router.newConnectionId(), router.newConnectionId()];
  assert.notEqual(a, b);
  for (const connection of [a, b]) {
    router.attach(connection, {
      handleEngineEvent: (event: ConnectionEvent) => seen.push(`${connection} ${event.type}`),
      handleBug: () => assert.fail("no bug"),
    });
  }
  engine.emit({ type: "connection_interrupted", connection: b });
  router.detach(b);
  engine.emit({ type: "connection_interrupted", connection: b });
  engine.emit({ type: "connection_interrupted", connection: a });
  assert.deepEqual(seen, [`${b} connection_interrupted`, `${a} connection_interrupted`]);
});

Deno.test("EngineRouter.dispatch() tells an owner that threw, and never throws itself", () => {
  const { engine, router } = routed();
  const connection = router.newConnectionId();
  const bugs: unknown[] = [];
  const broken = new Error("broken");
  router.attach(connection, {
    handleEngineEvent() {
      throw broken;
    },
    handleBug: (error) => bugs.push(error),
  });
  engine.emit({ type: "connection_interrupted", connection });
  assert.deepEqual(bugs, [broken]);
});

Deno.test("EngineRouter.watchDownTrack() hears of layers until unwatched, whatever a listener does", () => {
  const { engine, router } = routed();
  const id = "DT_1" as DownTrackId;
  const layers: number[] = [];
  router.watchDownTrack(id, (spatial) => {
    layers.push(spatial);
    if (spatial === 1) throw new Error("broken");
  });
  for (const spatial of [0, 1, 2] as const) {
    engine.emit({ type: "down_track_layer", downTrack: id, spatial });
  }
  router.unwatchDownTrack(id);
  engine.emit({ type: "down_track_layer", downTrack: id, spatial: 0 });
  assert.deepEqual(layers, [0, 1, 2]);
});

Deno.test("EngineRouter.stats() resolves with the answer to its own request", async () => {
  const { engine, router } = routed();
  const first = router.stats();
  const second = router.stats();
  const [one, two] = engine.of("request_stats");
  const stats = (connections: number) => ({ ...NO_STATS, connections });
  engine.emit({ type: "stats", request: two!.request, stats: stats(2) });
  engine.emit({ type: "stats", request: one!.request, stats: stats(1) });
  assert.deepEqual([(await first).connections, (await second).connections], [1, 2]);
});

Deno.test("EngineRouter makes ids that name the node, each only once", () => {
  const ids = ["ND_one", "ND_other"].flatMap((node) => {
    const router = new EngineRouter(new FakeEngine(), silentLog, node as NodeId);
    return [
      router.newConnectionId(),
      router.newUpTrackId(),
      router.newUpTrackId(),
      router.newDownTrackId(),
    ];
  });
  assert.equal(new Set(ids).size, 8);
  assert.ok(ids.slice(0, 4).every((id) => id.includes("_one.")), `${ids}`);
  assert.ok(ids.slice(4).every((id) => id.includes("_other.")), `${ids}`);
});
