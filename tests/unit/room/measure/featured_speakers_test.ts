import assert from "node:assert/strict";
import { FeaturedSpeakers } from "../../../../lib/room/measure/featured_speakers.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const text = (changes: ReturnType<FeaturedSpeakers["collect"]>) =>
  changes.map(({ sid, isFeatured }) => `${sid} ${isFeatured ? "on" : "off"}`);

Deno.test("FeaturedSpeakers follow who has spoken for a second, and not a cough", () => {
  const speakers = new FeaturedSpeakers();
  speakers.speaks("a", true, 0);
  speakers.speaks("b", true, 400);
  speakers.speaks("b", false, 600);
  assert.deepEqual(text(speakers.collect(999)), []);
  assert.equal(speakers.nextWakeAt(), 1_000);
  assert.deepEqual(text(speakers.collect(1_000)), ["a on"]);
  assert.equal(speakers.has("a"), true);
  assert.deepEqual(text(speakers.collect(6_000)), []);
});

Deno.test("FeaturedSpeakers count words with short pauses between them as one", () => {
  const speakers = new FeaturedSpeakers();
  for (const at of [0, 800, 1_600]) {
    speakers.speaks("a", true, at);
    speakers.collect(at);
    speakers.speaks("a", false, at + 400);
  }
  assert.equal(speakers.has("a"), true);
  // After a long one it begins anew.
  speakers.speaks("b", true, 2_000);
  speakers.speaks("b", false, 2_400);
  speakers.speaks("b", true, 9_000);
  assert.deepEqual(text(speakers.collect(9_500)), ["a off"]);
  assert.deepEqual(text(speakers.collect(14_500)), ["b on"]);
});

Deno.test("FeaturedSpeakers keep who has stopped for five seconds, and who goes on before that", () => {
  const speakers = new FeaturedSpeakers();
  speakers.speaks("a", true, 0);
  speakers.collect(1_000);
  speakers.speaks("a", false, 10_000);
  assert.equal(speakers.nextWakeAt(), 15_000);
  assert.deepEqual(text(speakers.collect(14_999)), []);
  speakers.speaks("a", true, 14_999);
  assert.equal(speakers.nextWakeAt(), undefined);
  speakers.speaks("a", false, 20_000);
  assert.deepEqual(text(speakers.collect(25_000)), ["a off"]);
});

Deno.test("FeaturedSpeakers change at most once in five seconds, whoever interrupts whom", () => {
  for (const seed of [1, 2, 3]) {
    const random = new SeededRandom(seed);
    const speakers = new FeaturedSpeakers();
    const changes: number[] = [];
    for (let now = 0; now < 600_000; now += 400) {
      speakers.speaks(`p${random.below(6)}`, random.chance(0.5), now);
      if (speakers.collect(now).length > 0) changes.push(now);
    }
    assert.ok(changes.length > 5, `seed ${seed}`);
    for (let i = 1; i < changes.length; i++) {
      assert.ok(changes[i]! - changes[i - 1]! >= 5_000, `seed ${seed}`);
    }
  }
});
