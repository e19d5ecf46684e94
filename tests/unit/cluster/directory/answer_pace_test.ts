import assert from "node:assert/strict";
import { AnswerPace, QUICK_MS, SLOW_MS } from "../../../../lib/cluster/directory/answer_pace.ts";
import { shardOf, tagged } from "../../../../lib/cluster/directory/redis_keys.ts";
import { RedisDirectory } from "../../../../lib/cluster/directory/redis_directory.ts";
import type { Reply } from "../../../../lib/cluster/directory/redis_replies.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

/** Answers that take so long, one each 20 ms. */
function answer(pace: AnswerPace, from: number, ms: number, forMs: number): number {
  for (let at = from; at < from + forMs; at += 20) pace.took(ms, at);
  return from + forMs;
}

Deno.test("AnswerPace: who answers within the limit is never slow", () => {
  const pace = new AnswerPace();
  assert.equal(pace.isSlow(0), false, "who was never asked");
  const now = answer(pace, 0, SLOW_MS, 60_000);
  assert.equal(pace.isSlow(now), false);
});

Deno.test("AnswerPace: some late answers make nobody slow, many do", () => {
  const pace = new AnswerPace();
  let now = answer(pace, 0, 5, 2_000);
  pace.took(700, now);
  pace.took(700, ++now);
  assert.equal(pace.isSlow(now), false);
  now = answer(pace, now, 700, 300);
  assert.equal(pace.isSlow(now), false, "for a moment");
  now = answer(pace, now, 700, 500);
  assert.equal(pace.isSlow(now), true);
});

Deno.test("AnswerPace: who stands still for a moment while few ask is not slow", () => {
  const pace = new AnswerPace();
  let now = 0;
  for (; now < 10_000; now += 250) pace.took(5, now);
  const late = [pace.asked(now), pace.asked(now + 100), pace.asked(now + 200)];
  now += 600;
  assert.equal(pace.isSlow(now), false);
  for (const answered of late) answered(now);
  assert.equal(pace.isSlow(now), false);
  pace.took(650, now + 500);
  assert.equal(pace.isSlow(now + 500), false);
});

Deno.test("AnswerPace: slow stays slow until answers are quick again, and no longer", () => {
  const pace = new AnswerPace();
  let now = answer(pace, 0, 600, 5_000);
  assert.equal(pace.isSlow(now), true);
  now = answer(pace, now, (SLOW_MS + QUICK_MS) / 2, 20_000);
  assert.equal(pace.isSlow(now), true, "between the two nothing changes");
  now = answer(pace, now, QUICK_MS / 2, 2_000);
  assert.equal(pace.isSlow(now), false);
  now = answer(pace, now, (SLOW_MS + QUICK_MS) / 2, 20_000);
  assert.equal(pace.isSlow(now), false);
});

Deno.test("AnswerPace: a question that is not answered counts before it fails", () => {
  const pace = new AnswerPace();
  const now = answer(pace, 0, 5, 2_000);
  const first = pace.asked(now);
  const second = pace.asked(now + 300);
  assert.equal(pace.isSlow(now + SLOW_MS), false);
  assert.equal(pace.isSlow(now + SLOW_MS + 1), true);
  first(now + SLOW_MS + 1);
  second(now + SLOW_MS + 2);
  const later = answer(pace, now + SLOW_MS + 3, 5, 1_000);
  assert.equal(pace.isSlow(later), false);
});

Deno.test("AnswerPace: who is not asked for a while is tried again", () => {
  const pace = new AnswerPace();
  const now = answer(pace, 0, 700, 5_000);
  assert.equal(pace.isSlow(now + 500), true);
  assert.equal(pace.isSlow(now + 4_000), false);
});

Deno.test("RedisDirectory says when Redis is slow, each part of a Redis Cluster by itself", async () => {
  const prefix = "t:";
  const busy = tagged(prefix, shardOf("one"));
  assert.notEqual(busy, tagged(prefix, shardOf("two")));
  for (const isOneServer of [true, false]) {
    const platform = new VirtualPlatform();
    let isBusy = false;
    const directory = new RedisDirectory(
      platform,
      { prefix, leaseMs: 5_000 },
      () =>
        Promise.resolve({
          isOneServer,
          send: (key: string) =>
            new Promise<Reply>((resolve) => {
              const isSlow = isBusy && (isOneServer || key === busy);
              platform.timers.after(isSlow ? 600 : 2, () => resolve([]));
            }),
          close() {},
        }),
      1_000,
    );
    const ask = async (forMs: number) => {
      for (let at = 0; at < forMs; at += 50) {
        for (const room of ["one", "two"]) void directory.find(room);
        await platform.advanceAsync(50);
      }
    };
    await platform.advanceAsync(1);
    await ask(500);
    assert.equal(directory.isSlow("one"), false);
    isBusy = true;
    await ask(3_000);
    assert.equal(directory.isSlow("one"), true);
    assert.equal(directory.isSlow("two"), isOneServer);
    isBusy = false;
    await platform.advanceAsync(10_000, 50);
    assert.equal(directory.isSlow("one"), false);
    await directory.end();
  }
});
