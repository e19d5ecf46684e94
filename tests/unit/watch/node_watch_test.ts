import assert from "node:assert/strict";
import type { EngineStats } from "../../../lib/engine/messages/media_messages.ts";
import { NodeWatch } from "../../../lib/watch/node_watch.ts";
import { NO_STATS } from "../../support/virtual/fake_engine.ts";
import { settle, VirtualPlatform } from "../../support/virtual/virtual_platform.ts";

/** A node whose looks take `costMs` of processor time. */
function node(costMs = 0, stats: () => Promise<EngineStats> = () => Promise.resolve(NO_STATS)) {
  const platform = new VirtualPlatform();
  let looks = 0;
  let spentUs = 0;
  const watch = new NodeWatch({
    clock: { now: platform.clock.now, nowUs: () => platform.clock.nowUs() + spentUs },
    timers: platform.timers,
    nodeId: "ND_a",
    rooms: () => {
      looks++;
      spentUs += costMs * 1_000;
      return [];
    },
    room: () => undefined,
    stats,
    self: () => ({ region: "", state: "serving", startedAtMs: 0, cpu: 0 }),
  });
  const answered = async () => {
    const answer = watch.answer({});
    await platform.advanceAsync(10);
    return await answer;
  };
  return { platform, watch, answered, looks: () => looks };
}

Deno.test("looks that cost much are made seldom: a twentieth of the time at most", async () => {
  const { platform, looks, watch } = node(200);
  const endAt = platform.clock.now() + 60_000;
  while (platform.clock.now() < endAt) {
    const answer = watch.answer({});
    // The media plane answers at once: time that it takes would be counted, too.
    await settle();
    await answer;
    await platform.advanceAsync(500, 490);
  }
  assert.ok(looks() >= 12 && looks() <= 16, `${looks()} looks of 200 ms in a minute`);
  assert.equal(watch.paceMs, 4_000);
});

Deno.test("looks that cost nothing are made once a second, whoever asks", async () => {
  const { platform, answered, looks } = node();
  for (let times = 0; times < 100; times++) {
    await answered();
    await platform.advanceAsync(90);
  }
  assert.ok(looks() >= 9 && looks() <= 11, `${looks()} looks in ten seconds`);
});

Deno.test("a media plane that does not answer is left out after a second", async () => {
  const { platform, watch } = node(0, () => new Promise(() => {}));
  const answer = watch.answer({});
  let isThere = false;
  answer.then(() => isThere = true);
  await platform.advanceAsync(990);
  assert.equal(isThere, false);
  await platform.advanceAsync(20);
  assert.equal((await answer).node.rooms, 0);
});

Deno.test("what is forgotten while it is looked for is not kept", async () => {
  const { promise, resolve } = Promise.withResolvers<EngineStats>();
  const { watch, platform } = node(0, () => promise);
  const answer = watch.answer({});
  watch.forget();
  resolve(NO_STATS);
  assert.equal((await answer).roomCount, 0);
  await settle();
  assert.equal(watch.isWatched, false);
  assert.equal(platform.pendingTimers, 0);
});
