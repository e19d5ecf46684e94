/**
 * What a publisher's path lost and made good looks lost to a subscriber for a while, and brings it
 * no copies of frames; what its own path loses does. On virtual time.
 */
import assert from "node:assert/strict";
import { LatePublisher } from "../../../support/media/late_publisher.ts";

const SUBSCRIBERS = [
  { asks: true, reportMs: 5_000 },
  { asks: true, reportMs: 5_000, delayMs: 50 },
  { asks: true, reportMs: 5_000, jitterMs: 10 },
  { reportMs: 1_000 },
  { reportMs: 1_000, keepsLosses: true },
  { reportMs: 1_000, keepsLosses: true, jitterMs: 15, delayMs: 100 },
  { reportMs: 5_000 },
] as const;

/** A subscriber that has lost nothing for a while. */
function settled(subscriber: typeof SUBSCRIBERS[number]): LatePublisher {
  const world = new LatePublisher(subscriber);
  world.run(20_000);
  world.begin();
  return world;
}

for (const subscriber of SUBSCRIBERS) {
  const about = JSON.stringify(subscriber);
  Deno.test(`no copies for what a publisher sends again: ${about}`, () => {
    for (const lateMs of [60, 150]) {
      const world = settled(subscriber);
      world.late = 0.03;
      world.lateMs = lateMs;
      world.run(120_000);
      assert.equal(world.share, 0, `${lateMs} ms late`);
    }
  });

  Deno.test(`copies where the subscriber's own path loses some beside that: ${about}`, () => {
    const world = settled(subscriber);
    world.late = 0.03;
    world.run(30_000);
    world.loss = 0.03;
    world.run(15_000);
    world.begin();
    world.run(60_000);
    assert.equal(world.share, 1);
  });
}
