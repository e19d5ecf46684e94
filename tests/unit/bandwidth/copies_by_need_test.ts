import assert from "node:assert/strict";
import { CopiesByNeed } from "../../../lib/bandwidth/copies_by_need.ts";

/** Hears each `everyMs` that sound came whole; when copies were left out, or not at all. */
function leftOutAt(
  need: CopiesByNeed,
  fromMs: number,
  toMs: number,
  everyMs = 1_000,
  packets = everyMs / 20,
): number {
  for (let now = fromMs; now < toMs; now += everyMs) {
    need.whole(packets, now);
    if (!need.isNeeded) return now;
  }
  return -1;
}

Deno.test("CopiesByNeed keeps copies where nobody tells what came", () => {
  assert.equal(new CopiesByNeed().isNeeded, true);
});

Deno.test("CopiesByNeed leaves them out when a new path has lost nothing for five seconds", () => {
  assert.equal(leftOutAt(new CopiesByNeed(), 1_000, 60_000), 6_000);
  // One report says nothing of the time before it.
  assert.equal(leftOutAt(new CopiesByNeed(), 9_000, 60_000, 7_000), 16_000);
});

Deno.test("CopiesByNeed brings them back with the first loss, and keeps them for twenty seconds", () => {
  const need = new CopiesByNeed();
  leftOutAt(need, 0, 60_000);
  need.lost(200_000);
  assert.equal(need.isNeeded, true);
  assert.equal(leftOutAt(need, 200_500, 300_000), 220_500);
});

Deno.test("CopiesByNeed counts from the last loss, and takes a call that begins with loss as one that lost", () => {
  const need = new CopiesByNeed();
  need.whole(50, 0);
  need.lost(1_000);
  need.lost(4_000);
  assert.equal(leftOutAt(need, 5_000, 60_000), 24_000);
});

Deno.test("CopiesByNeed keeps them longer each time that they were left out too soon, up to two minutes", () => {
  const need = new CopiesByNeed();
  leftOutAt(need, 0, 60_000);
  const held: number[] = [];
  let now = 10_000;
  for (let i = 0; i < 6; i++) {
    need.lost(now);
    const at = leftOutAt(need, now, now + 200_000);
    held.push(at - now);
    now = at + 119_999;
  }
  assert.deepEqual(held, [20_000, 40_000, 80_000, 120_000, 120_000, 120_000]);
  need.lost(now + 1);
  assert.equal(leftOutAt(need, now + 1, now + 200_000), now + 20_001, "two quiet minutes");
});

Deno.test("CopiesByNeed knows nothing of another path", () => {
  const need = new CopiesByNeed();
  leftOutAt(need, 0, 60_000);
  need.pathChanged();
  assert.equal(need.isNeeded, true);
  assert.equal(leftOutAt(need, 100_000, 160_000), 105_000);
});

Deno.test("CopiesByNeed finds that much is lost from 2 % on, and until it is less than 1 %", () => {
  const need = new CopiesByNeed();
  need.counted(50, 2);
  assert.equal(need.isMuch, false, "by chance");
  need.counted(50, 1);
  assert.equal(need.isMuch, true);
  need.counted(100, 0);
  assert.equal(need.isMuch, true, "1.5 %");
  need.counted(200, 0);
  assert.equal(need.isMuch, false);
});

Deno.test("CopiesByNeed forgets what was lost long ago, and counts no more than what was sent", () => {
  const need = new CopiesByNeed();
  for (let i = 0; i < 100; i++) need.counted(250, 0);
  need.counted(250, 12);
  assert.equal(need.isMuch, true);
  const other = new CopiesByNeed();
  other.counted(0, 0);
  other.counted(1, 1_000);
  assert.equal(other.isMuch, false);
});

Deno.test("CopiesByNeed takes what all packets lose for what audio will", () => {
  const need = new CopiesByNeed();
  leftOutAt(need, 0, 60_000);
  need.lostOfAll(0.019, 60_000);
  assert.deepEqual([need.isNeeded, need.isMuch], [false, false]);
  need.lostOfAll(0.02, 61_000);
  assert.deepEqual([need.isNeeded, need.isMuch], [true, true]);
  need.lostOfAll(0.01, 62_000);
  assert.equal(need.isMuch, true);
  need.lostOfAll(0.009, 63_000);
  assert.deepEqual([need.isNeeded, need.isMuch], [true, false]);
});

Deno.test("CopiesByNeed takes no silence for a path that loses nothing", () => {
  // Two packets and a half a second, as Opus has them while nobody speaks.
  assert.equal(leftOutAt(new CopiesByNeed(), 0, 100_000, 1_000, 2.5), 39_000);
  const need = new CopiesByNeed();
  leftOutAt(need, 0, 60_000);
  need.lost(60_000);
  assert.equal(leftOutAt(need, 61_000, 160_000, 1_000, 2.5), 100_000);
});

Deno.test("CopiesByNeed waits three times as long where copies hide what is lost, two minutes at most", () => {
  const need = new CopiesByNeed();
  leftOutAt(need, 0, 60_000);
  const hidden = (from: number) => {
    for (let now = from;; now += 1_000) {
      need.whole(50, now, true);
      if (!need.isNeeded) return now - from;
    }
  };
  need.lost(100_000);
  assert.equal(need.isLossy, true);
  assert.equal(hidden(100_000), 60_000);
  assert.equal(need.isLossy, false);
  need.lost(200_000);
  assert.equal(hidden(200_000), 120_000);
  need.lost(330_000);
  assert.equal(hidden(330_000), 120_000);
});

Deno.test("CopiesByNeed takes three losses with their copies for much, and one copy back before the other", () => {
  const need = new CopiesByNeed();
  need.lost(0);
  need.counted(250, 2, true);
  assert.equal(need.isMuch, false);
  need.counted(250, 1, true);
  need.lost(5_000);
  assert.equal(need.isMuch, true);
  need.counted(10_000, 0, true);
  need.whole(10_000, 64_000, true);
  assert.deepEqual([need.isMuch, need.isNeeded], [true, true]);
  need.whole(50, 65_000, true);
  assert.deepEqual([need.isMuch, need.isNeeded], [false, true]);
  need.whole(1_000, 124_000, true);
  assert.equal(need.isNeeded, true);
  need.whole(50, 125_000, true);
  assert.equal(need.isNeeded, false);
});

Deno.test("CopiesByNeed knows no path as lossy before something was lost", () => {
  const need = new CopiesByNeed();
  assert.deepEqual([need.isNeeded, need.isLossy], [true, false]);
  need.lost(0);
  assert.equal(need.isLossy, true);
  need.pathChanged();
  assert.deepEqual([need.isNeeded, need.isLossy], [true, false]);
});

Deno.test("CopiesByNeed foresees a return for two minutes, where something was lost before", () => {
  const clean = new CopiesByNeed();
  const cleanAt = leftOutAt(clean, 0, 60_000);
  assert.equal(clean.mayReturn(cleanAt + 1_000), false, "that path has lost nothing");
  clean.lost(70_000);
  assert.equal(clean.mayReturn(71_000), false, "they are there");
  const at = leftOutAt(clean, 71_000, 200_000);
  assert.equal(clean.mayReturn(at + 119_000), true);
  assert.equal(clean.mayReturn(at + 121_000), false);
});
