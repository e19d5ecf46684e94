import assert from "node:assert/strict";
import { silentLog } from "../../../lib/base/platform.ts";
import { WatchStreams } from "../../../lib/watch/watch_stream.ts";
import { FakeSocket } from "../../support/virtual/scripted_client.ts";
import { VirtualPlatform } from "../../support/virtual/virtual_platform.ts";

/** How many messages each of `readers` gets in a minute if telling one takes `costMs`. */
async function told(readers: number, costMs: number, asks = false): Promise<number[]> {
  const platform = new VirtualPlatform();
  let spentUs = 0;
  const { clock, timers } = platform;
  const streams = new WatchStreams({
    platform: {
      clock: { ...clock, nowUs: () => clock.nowUs() + (spentUs += costMs * 1_000) },
      timers,
      log: silentLog,
    },
    counters: { count: () => assert.fail("nothing is dropped") },
    watch: {
      paceMs: 900,
      look: () =>
        Promise.resolve({ atMs: clock.wallMs(), self: "", nodes: {}, rooms: {}, roomCount: 0 }),
    },
  });
  const sockets = Array.from({ length: readers }, () => new FakeSocket());
  for (const socket of sockets) {
    streams.open(socket, { expiresAt: clock.wallMs() + 3_600_000 });
  }
  for (let i = 0; i < 1_200; i++) {
    if (asks) { for (const socket of sockets) socket.onMessage(`{"findRoom":"${i}"}`); }
    await platform.advanceAsync(50, 50);
  }
  streams.close();
  return sockets.map(({ frames }) => frames.length);
}

Deno.test("what costs nothing is told each second, to however many", async () => {
  for (const count of await told(10, 0)) assert.ok(count >= 58 && count <= 61, String(count));
});

Deno.test("all streams together take a twentieth of the time", async () => {
  const counts = await told(10, 30);
  const spentMs = counts.reduce((sum, count) => sum + 30 * count, 0);
  assert.ok(spentMs <= 60_000 / 20 + 10 * 30, `${spentMs} ms of a minute`);
  assert.ok(counts.every((count) => count >= 9), `everybody is told: ${counts}`);
});

Deno.test("streams that ask all the time take no more of it", async () => {
  const counts = await told(10, 30, true);
  const spentMs = counts.reduce((sum, count) => sum + 30 * count, 0);
  assert.ok(spentMs <= 60_000 / 20 + 10 * 30, `${spentMs} ms of a minute`);
  assert.ok(counts.every((count) => count >= 9), `everybody is told: ${counts}`);
  for (const count of await told(1, 0, true)) assert.ok(count >= 200, `${count} answers`);
});
