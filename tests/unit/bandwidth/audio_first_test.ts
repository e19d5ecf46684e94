import assert from "node:assert/strict";
import { AudioFirst, AudioNeeds } from "../../../lib/bandwidth/audio_first.ts";

const BARE = 60_000;
const COPIES = 90_000;
const BASE = 80_000;

function needs(fields: Partial<AudioNeeds>): AudioNeeds {
  return Object.assign(new AudioNeeds(), fields);
}

const COUNTED = needs({ bareBps: BARE, copiesBps: COPIES, isThere: true });

/** Decides every 100 ms; `budget` is bits per second at a time. */
function decide(
  first: AudioFirst,
  budget: (now: number) => number,
  fromMs: number,
  toMs: number,
  isOnePaused = false,
  audio = COUNTED,
  isFull = true,
): { readonly bareAt: number[]; readonly pauseAt: number[] } {
  const [bareAt, pauseAt]: number[][] = [[], []];
  for (let now = fromMs; now < toMs; now += 100) {
    const { isBare, mayPause } = first;
    first.decide(audio, BASE, budget(now), isOnePaused, isFull, now);
    if (first.isBare !== isBare) bareAt!.push(now);
    if (first.mayPause !== mayPause) pauseAt!.push(now);
  }
  return { bareAt: bareAt!, pauseAt: pauseAt! };
}

Deno.test("AudioFirst leaves out redundancy at once where it does not fit beside the least of videos", () => {
  const first = new AudioFirst();
  const { bareAt } = decide(first, (now) => now < 1_000 ? 230_000 : 229_000, 0, 5_000);
  assert.deepEqual(bareAt, [1_000]);
  assert.equal(first.mayPause, false, "bare audio does fit");
});

Deno.test("AudioFirst brings redundancy back where it fits with room for a while, and not soon after", () => {
  const first = new AudioFirst();
  decide(first, () => 200_000, 0, 1_000);
  const soon = decide(first, (now) => now === 9_000 ? 260_000 : 270_000, 1_000, 20_000);
  assert.deepEqual(soon.bareAt, [12_100], "three seconds after the last dip");
});

Deno.test("AudioFirst lets videos be paused where they and bare audio are too much for a while", () => {
  const first = new AudioFirst();
  const { pauseAt } = decide(first, (now) => now === 1_000 ? 140_000 : 139_000, 0, 5_000);
  assert.deepEqual(pauseAt, [2_600]);
  decide(first, () => 500_000, 5_000, 8_000, true);
  assert.equal(first.mayPause, true, "while one is paused");
  decide(first, () => 500_000, 8_000, 8_200, false);
  assert.equal(first.mayPause, false);
});

Deno.test("AudioFirst lets no video be paused while nothing waits and nothing is lost", () => {
  const first = new AudioFirst();
  const { bareAt, pauseAt } = decide(first, () => 100_000, 0, 10_000, false, COUNTED, false);
  assert.deepEqual([bareAt, pauseAt], [[0], []]);
});

Deno.test("AudioFirst asks nothing of who is sent no audio", () => {
  const first = new AudioFirst();
  decide(first, () => 10_000, 0, 10_000, false, new AudioNeeds());
  assert.deepEqual([first.isBare, first.mayPause], [false, false]);
});

Deno.test("AudioFirst reckons with what the estimate does not count: leaving it out gives room, sending it takes some", () => {
  const uncounted = needs({ uncountedCopiesBps: COPIES, isThere: true });
  const first = new AudioFirst();
  assert.deepEqual(decide(first, () => BASE, 0, 5_000, false, uncounted).bareAt, []);
  const short = decide(first, () => BASE - 1, 5_000, 6_000, false, uncounted);
  assert.deepEqual(short.bareAt, [5_000]);
  const free = decide(first, () => BASE + COPIES, 6_000, 30_000, false, uncounted);
  assert.deepEqual(free.bareAt, [], "there would be no room left");
  const wide = decide(first, () => 200_000, 30_000, 40_000, false, uncounted);
  assert.deepEqual(wide.bareAt, [33_000]);
});

Deno.test("AudioFirst lets videos be paused no longer than ten seconds behind the last sound", () => {
  const first = new AudioFirst();
  decide(first, () => 100_000, 0, 5_000);
  assert.equal(first.mayPause, true);
  const silent = needs({});
  const { pauseAt } = decide(first, () => 50_000, 5_000, 30_000, true, silent);
  assert.deepEqual(pauseAt, [14_900]);
});
