import assert from "node:assert/strict";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import type { ConnectionId, UpTrackId } from "../../../../lib/base/ids.ts";
import { createLocalEngine } from "../../../../lib/engine/local/local_engine.ts";
import { silentLog } from "../../../../lib/base/platform.ts";
import { GRAIN_MS, QUIET_GRAIN_MS } from "../../../../lib/engine/local/engine_connections.ts";
import { ReceivePace } from "../../../../lib/transport/datagrams/receive_pace.ts";
import type { SocketLoop } from "../../../../lib/transport/datagrams/socket_loop.ts";
import { START_TIMEOUT_MS } from "../../../../lib/transport/ice/ice_silence.ts";
import { mustIgnoreNative } from "../../../support/wire/datagram_peers.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

/** Longer than a connection that nobody comes to is kept, ms. */
const LONG_MS = 120_000;

Deno.test("createLocalEngine() goes on ticking for others when whoever hears of one connection throws", async () => {
  const platform = new VirtualPlatform();
  const drops = new DropCounters();
  const engine = createLocalEngine({
    platform,
    udp: [{ hostname: "127.0.0.1", port: 0 }],
    tcp: [],
    advertised: ["127.0.0.1"],
    drops,
  });
  const failed: string[] = [];
  engine.onEvent = (event) => {
    if (!("connection" in event)) return;
    if (event.connection === "CN_broken") throw new Error("a listener's bug");
    if (event.type === "connection_failed") failed.push(event.connection);
  };
  await engine.start();
  for (const connection of ["CN_broken", "CN_whole"] as ConnectionId[]) {
    const local = { ufrag: connection, pwd: "p".repeat(24) };
    engine.send({ type: "open_connection", connection, local, dataChannels: "accept" });
  }
  platform.advance(LONG_MS);
  assert.deepEqual(failed, ["CN_whole"]);
  assert.ok(drops.snapshot()["engine_threw"]! > 0);
  assert.equal(platform.pendingTimers, 0, "nobody is left to tick for");
  const closed = engine.close();
  platform.advance(0);
  await closed;
});

Deno.test("createLocalEngine() does nothing for connections that wait, and little when they end", async () => {
  const platform = new VirtualPlatform();
  let fired = 0;
  const after = (delayMs: number, callback: () => void) =>
    platform.timers.after(delayMs, () => {
      fired++;
      callback();
    });
  const engine = createLocalEngine({
    platform: { ...platform, timers: { after } },
    udp: [{ hostname: "127.0.0.1", port: 0 }],
    tcp: [],
    advertised: ["127.0.0.1"],
  });
  const ended: string[] = [];
  engine.onEvent = (event) => {
    if (event.type === "connection_failed") ended.push(event.connection);
  };
  await engine.start();
  const connections = Array.from({ length: 100 }, (_, i) => `CN_${i}` as ConnectionId);
  for (const connection of connections) {
    const local = { ufrag: connection, pwd: "p".repeat(24) };
    engine.send({ type: "open_connection", connection, local, dataChannels: "accept" });
  }
  platform.advance(START_TIMEOUT_MS - 1);
  assert.equal(fired, 0, "nothing is due");
  platform.advance(LONG_MS);
  assert.equal(ended.length, connections.length);
  // Lost and let go: what is due for all at one time is one turn.
  assert.ok(fired <= 2, `${fired} timers`);
  const closed = engine.close();
  platform.advance(0);
  await closed;
});

/** How many turns an engine takes to let a hundred go, who came 7 ms apart, and how late, ms. */
async function turnsOfDepartures(isQuiet: boolean): Promise<{ turns: number; latestMs: number }> {
  const platform = new VirtualPlatform();
  const turns = new Set<number>();
  const after = (delayMs: number, callback: () => void) =>
    platform.timers.after(delayMs, () => {
      turns.add(platform.clock.now());
      callback();
    });
  const loop = { active() {}, prompt() {}, isQuiet: () => isQuiet };
  const engine = createLocalEngine({
    platform: { ...platform, timers: { after } },
    udp: [{ hostname: "127.0.0.1", port: 0 }],
    tcp: [],
    advertised: ["127.0.0.1"],
    loop: loop as unknown as SocketLoop,
  });
  const dueAt = new Map<string, number>();
  let latestMs = 0;
  engine.onEvent = (event) => {
    if (event.type !== "connection_lost") return;
    latestMs = Math.max(latestMs, platform.clock.now() - dueAt.get(event.connection)!);
    dueAt.delete(event.connection);
  };
  await engine.start();
  for (let i = 0; i < 100; i++) {
    const connection = `CN_${i}` as ConnectionId;
    const local = { ufrag: connection, pwd: "p".repeat(24) };
    engine.send({ type: "open_connection", connection, local, dataChannels: "accept" });
    dueAt.set(connection, platform.clock.now() + START_TIMEOUT_MS);
    platform.advance(7);
  }
  platform.advance(START_TIMEOUT_MS);
  assert.equal(dueAt.size, 0);
  const closed = engine.close();
  platform.advance(0);
  await closed;
  return { turns: turns.size, latestMs };
}

Deno.test("createLocalEngine() does timed work with what is received while nobody waits for that", async () => {
  const quiet = await turnsOfDepartures(true);
  assert.ok(quiet.turns <= 700 / QUIET_GRAIN_MS + 2, `${quiet.turns} turns`);
  assert.ok(quiet.latestMs < QUIET_GRAIN_MS, `${quiet.latestMs} ms late`);
  const busy = await turnsOfDepartures(false);
  assert.ok(busy.turns > 60, `${busy.turns} turns`);
  assert.ok(busy.latestMs < GRAIN_MS, `${busy.latestMs} ms late`);
});

Deno.test("createLocalEngine() puts timed work off no longer once somebody waits again", async () => {
  const platform = new VirtualPlatform();
  const { clock } = platform;
  const engine = createLocalEngine({
    platform,
    udp: [{ hostname: "127.0.0.1", port: 0 }],
    tcp: [],
    advertised: ["127.0.0.1"],
    loop: new ReceivePace() as unknown as SocketLoop,
  });
  const lostAt = new Map<string, number>();
  engine.onEvent = (event) => {
    if (event.type === "connection_lost") lostAt.set(event.connection, clock.now());
  };
  await engine.start();
  const open = (connection: ConnectionId) => {
    const local = { ufrag: connection, pwd: "p".repeat(24) };
    engine.send({ type: "open_connection", connection, local, dataChannels: "accept" });
    return clock.now() + START_TIMEOUT_MS;
  };
  const pass = (until: number) => platform.advance(until - clock.now());
  // The first turn, in quiet, is at 10 ms of a grain, and puts what is due at 14 ms off to its end.
  pass(Math.ceil(clock.now() / QUIET_GRAIN_MS) * QUIET_GRAIN_MS + 1);
  const first = open("CN_first" as ConnectionId);
  platform.advance(GRAIN_MS + 3);
  const second = open("CN_second" as ConnectionId);
  pass(second + 3);
  assert.ok(lostAt.get("CN_first")! - first < GRAIN_MS);
  assert.equal(lostAt.has("CN_second"), false, "it is quiet");
  engine.send({ type: "set_speaker", upTrack: "UT_any" as UpTrackId, speaks: false });
  platform.advance(GRAIN_MS);
  assert.ok(lostAt.get("CN_second")! - second < GRAIN_MS, `${lostAt.get("CN_second")}`);
  const closed = engine.close();
  platform.advance(0);
  await closed;
});

for (const [native, isWarned] of [["off", true], ["require", false]] as const) {
  Deno.test({
    name: `createLocalEngine() says where packets cannot be marked as asked (native: ${native})`,
    ignore: native === "require" && mustIgnoreNative(),
    fn: async () => {
      const warnings: string[] = [];
      const platform = new VirtualPlatform(1, {
        ...silentLog,
        warn: (message) => warnings.push(message),
      });
      const engine = createLocalEngine({
        platform,
        udp: [{ hostname: "127.0.0.1", port: 0 }],
        tcp: [],
        advertised: ["127.0.0.1"],
        native,
        marks: { dscp: 46 },
      });
      await engine.start();
      const closed = engine.close();
      platform.advance(0);
      await closed;
      assert.equal(warnings.some((message) => message.includes("not marked")), isWarned);
    },
  });
}
