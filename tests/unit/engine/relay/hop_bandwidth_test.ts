/** When layers of video give way on a hop, and when they come back. */
import assert from "node:assert/strict";
import { LossBandwidth } from "../../../../lib/engine/relay/hop_bandwidth.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

/** Reports each 50 ms of 50 datagrams; returns when each change came, ms from the start. */
function changes(
  bandwidth: LossBandwidth,
  ms: number,
  lost: number,
  queueMs: number,
  from = 0,
): [number, number][] {
  const found: [number, number][] = [];
  for (let now = from; now < from + ms; now += 50) {
    if (bandwidth.report(50 - lost, lost, queueMs, 50, now)) {
      found.push([now - from, bandwidth.allowedLayers]);
    }
  }
  return found;
}

Deno.test("hop bandwidth: a lossy but usable hop keeps all layers", () => {
  assert.deepEqual(changes(new LossBandwidth(), 60_000, 4, 20), []);
});

Deno.test("hop bandwidth: where little crosses, two lost of a few are no reason to shed", () => {
  for (const seed of [1, 2, 3]) {
    const random = new SeededRandom(seed);
    const bandwidth = new LossBandwidth();
    // 20 datagrams a second, of which a twentieth is lost, for ten minutes.
    for (let now = 0; now < 600_000; now += 200) {
      const lost = [1, 2, 3, 4].filter(() => random.chance(0.05)).length;
      assert.equal(bandwidth.report(4 - lost, lost, 0, 50, now), false, `at ${now} ms`);
    }
  }
});

Deno.test("hop bandwidth: where little crosses, layers give way when half of it is lost", () => {
  const bandwidth = new LossBandwidth();
  let now = 0;
  while (!bandwidth.report(2, 2, 0, 50, now)) now += 200;
  assert.ok(now <= 2_000, `${now} ms`);
});

Deno.test("hop bandwidth: a queue takes the highest layers away soon, one after the other", () => {
  const found = changes(new LossBandwidth(), 3_000, 0, 150);
  assert.deepEqual(found.map(([, layers]) => layers), [0b11, 0b1, 0]);
  assert.equal(found[0]![0], 50);
  assert.ok(found[1]![0] >= 400 && found[1]![0] <= 550);
});

Deno.test("hop bandwidth: a queue that only one report met is a thread that stood still", () => {
  const bandwidth = new LossBandwidth();
  for (let now = 0; now < 60_000; now += 50) {
    assert.equal(bandwidth.report(50, 0, now % 500 === 0 ? 300 : 0, 50, now), false);
  }
});

Deno.test("hop bandwidth: heavy losses within a tenth of a second, others within two judgements", () => {
  assert.ok(changes(new LossBandwidth(), 1_000, 15, 0)[0]![0] <= 100);
  const [at] = changes(new LossBandwidth(), 3_000, 7, 0)[0]!;
  assert.ok(at >= 500 && at <= 1_100, `${at} ms`);
});

Deno.test("hop bandwidth: a layer comes back after 5 s, and later where that was wrong", () => {
  const bandwidth = new LossBandwidth();
  assert.deepEqual(changes(bandwidth, 100, 0, 150), [[50, 0b11]]);
  const [first] = changes(bandwidth, 5_200, 0, 0, 100);
  assert.ok(first![0] >= 4_800 && first![0] <= 5_200);
  assert.deepEqual(changes(bandwidth, 100, 0, 150, 5_600), [[50, 0b11]]);
  const [second] = changes(bandwidth, 12_000, 0, 0, 5_700);
  assert.ok(second![0] >= 9_800 && second![0] <= 10_200, `${second![0]} ms`);
});
