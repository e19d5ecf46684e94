import assert from "node:assert/strict";
import { VideoQuality } from "@livekit/protocol";
import { WantedQuality } from "../../../../lib/room/subscription/wanted_quality.ts";

const { LOW, MEDIUM, HIGH, OFF } = VideoQuality;

Deno.test("WantedQuality.collect() reports a higher wish at once and each wish once", () => {
  const tracker = new WantedQuality(0, false);
  tracker.wish("bob", LOW);
  assert.equal(tracker.collect(0), LOW);
  assert.equal(tracker.collect(0), undefined);
  tracker.wish("carol", HIGH);
  assert.equal(tracker.collect(1), HIGH);
});

Deno.test("WantedQuality.collect() reports a lower wish after it has held, and not if it rose again", () => {
  const tracker = new WantedQuality(0, false, 5_000);
  tracker.wish("bob", HIGH);
  tracker.collect(0);
  tracker.wish("bob", LOW);
  assert.equal(tracker.collect(100), undefined);
  assert.equal(tracker.nextWakeAt(), 5_100);
  tracker.wish("bob", HIGH);
  assert.equal(tracker.collect(2_000), undefined);
  assert.equal(tracker.nextWakeAt(), undefined);
  tracker.wish("bob", MEDIUM);
  tracker.collect(3_000);
  assert.equal(tracker.collect(7_999), undefined);
  assert.equal(tracker.collect(8_000), MEDIUM);
});

Deno.test("WantedQuality.collect() turns everything off when the last subscriber goes", () => {
  const tracker = new WantedQuality(0, false, 5_000);
  tracker.wish("bob", MEDIUM);
  tracker.collect(0);
  tracker.wish("bob", undefined);
  tracker.collect(10);
  assert.equal(tracker.collect(5_010), OFF);
  tracker.wish("bob", LOW);
  assert.equal(tracker.collect(5_011), LOW);
});

Deno.test("WantedQuality.collect() is silent while muted and reports on unmute", () => {
  const tracker = new WantedQuality(0, true);
  tracker.wish("bob", HIGH);
  assert.equal(tracker.collect(20_000), undefined);
  tracker.setMuted(false);
  assert.equal(tracker.collect(20_000), HIGH);
  tracker.setMuted(true);
  tracker.setMuted(false);
  assert.equal(tracker.collect(20_001), HIGH, "again, although nothing changed");
});

Deno.test("WantedQuality.setSuspended() turns off at once and lets wishes count again", () => {
  const tracker = new WantedQuality(0, false);
  tracker.wish("bob", HIGH);
  assert.equal(tracker.collect(0), HIGH);
  tracker.setSuspended(true);
  assert.equal(tracker.collect(1), OFF);
  tracker.setSuspended(false);
  assert.equal(tracker.collect(2), HIGH);
});

Deno.test("WantedQuality wants no wake-up while its track is muted", () => {
  const tracker = new WantedQuality(0, false);
  assert.equal(tracker.collect(0), undefined);
  assert.equal(tracker.nextWakeAt(), 10_000);
  tracker.setMuted(true);
  assert.equal(tracker.nextWakeAt(), undefined, "nothing would come of it, again and again");
  tracker.setMuted(false);
  assert.equal(tracker.collect(12_000), VideoQuality.OFF);
});
