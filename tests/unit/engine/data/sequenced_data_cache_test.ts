import assert from "node:assert/strict";
import type { RoutedData } from "../../../../lib/engine/data/routed_data.ts";
import { SequencedDataCache } from "../../../../lib/engine/data/sequenced_data_cache.ts";

const message = (sequence: number, bytes: number): RoutedData => ({
  kind: "reliable",
  bytes: new Uint8Array(bytes),
  payload: undefined,
  sequence,
  from: 1,
  identities: [],
  sids: [],
});

Deno.test("SequencedDataCache keeps two seconds of packets, and 100 kB of them, in their order", () => {
  const cache = new SequencedDataCache();
  const kept = (now: number) => cache.recent(now).map(({ sequence }) => sequence);
  for (let n = 0; n < 5_000; n++) {
    cache.add(message(n, 50), n);
    const first = Math.max(0, n - 1_999, n - 2_000);
    if (n % 7 === 0) {
      assert.deepEqual(kept(n), Array.from({ length: n + 1 - first }, (_, i) => first + i));
    }
  }
  assert.deepEqual(kept(6_998), [4_998, 4_999]);
  assert.deepEqual(kept(7_000), []);
  cache.add(message(1, 100_000), 7_000);
  assert.deepEqual(kept(7_000), [1]);
  cache.add(message(2, 1), 7_000);
  assert.deepEqual(kept(7_000), [2]);
  cache.clear();
  assert.deepEqual(kept(7_000), []);
  cache.add(message(3, 1), 7_000);
  assert.deepEqual(kept(7_000), [3]);
});

Deno.test("SequencedDataCache costs a small message no more than a large one, however many it keeps", () => {
  const timeOf = (bytes: number) => {
    const cache = new SequencedDataCache();
    const one = message(1, bytes);
    for (let n = 0; n < 10_000; n++) cache.add(one, 0);
    const startedAt = performance.now();
    for (let n = 0; n < 10_000; n++) cache.add(one, 0);
    return performance.now() - startedAt;
  };
  // Of 50 bytes 2,000 are kept, of 5,000 bytes 20.
  const [small, large] = [50, 5_000].map((bytes) =>
    Math.min(...Array.from({ length: 8 }, () => timeOf(bytes)))
  );
  assert.ok(small! < 10 * large!, `${small} ms instead of ${large}`);
});
