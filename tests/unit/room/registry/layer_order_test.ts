import assert from "node:assert/strict";
import fc from "fast-check";
import type { UpTrackId } from "../../../../lib/base/ids.ts";
import { LayerOrder } from "../../../../lib/room/registry/layer_order.ts";

const UP = "up" as UpTrackId;
const size = (height: number) => ({ width: height * 16 / 9, height });

Deno.test("LayerOrder sorts ids by the pictures, as soon as two contradict their order", () => {
  const order = new LayerOrder();
  assert.deepEqual(order.of(UP, ["2", "1", "0"]), ["2", "1", "0"]);
  assert.deepEqual(order.measured(UP, "0", size(180))?.rids, ["2", "1", "0"]);
  const found = order.measured(UP, "2", size(720))!;
  assert.deepEqual(found.rids, ["0", "1", "2"]);
  assert.deepEqual(found.sizes, [
    { spatial: 0, ...size(180) },
    { spatial: 2, ...size(720) },
  ]);
  assert.deepEqual(order.measured(UP, "1", size(360))?.rids, ["0", "1", "2"]);
  // The next offer names them as before.
  assert.deepEqual(order.of(UP, ["2", "1", "0"]), ["0", "1", "2"]);
});

Deno.test("LayerOrder keeps what it found when layers are resized one by one", () => {
  const order = new LayerOrder();
  order.of(UP, ["low", "high"]);
  order.measured(UP, "low", size(360));
  order.measured(UP, "high", size(720));
  // A window became small while the low layer paused.
  const found = order.measured(UP, "high", size(90))!;
  assert.deepEqual(found.rids, ["low", "high"]);
  assert.deepEqual(found.sizes.at(-1), { spatial: 1, ...size(90) });
});

Deno.test("LayerOrder doubts neither q, h and f nor a single layer, and knows nobody else's ids", () => {
  const order = new LayerOrder();
  for (const rids of [["q", "h", "f"], ["h", "f"], ["x"], []]) {
    assert.deepEqual(order.of(UP, rids), rids);
    assert.equal(order.measured(UP, rids[0] ?? "", size(720)), undefined);
  }
  order.of(UP, ["a", "b"]);
  assert.equal(order.measured(UP, "c", size(720)), undefined);
  assert.equal(order.measured("other" as UpTrackId, "a", size(720)), undefined);
});

Deno.test("LayerOrder begins anew with other ids, and with another track", () => {
  const order = new LayerOrder();
  const turn = () => {
    order.measured(UP, "a", size(720));
    order.measured(UP, "b", size(360));
  };
  order.of(UP, ["a", "b"]);
  turn();
  assert.deepEqual(order.of(UP, ["a", "b"]), ["b", "a"]);
  assert.deepEqual(order.of(UP, ["a", "b", "c"]), ["a", "b", "c"]);
  order.of(UP, ["a", "b"]);
  turn();
  order.forget(UP);
  assert.deepEqual(order.of(UP, ["a", "b"]), ["a", "b"]);
});

Deno.test("LayerOrder ends with ids from small to large, whatever is measured first, and never loses one", () => {
  const rids = fc.shuffledSubarray(["a", "0", "1", "2", "h", "l"], { minLength: 2, maxLength: 3 });
  const heights = fc.uniqueArray(fc.integer({ min: 90, max: 1080 }), {
    minLength: 3,
    maxLength: 3,
  });
  fc.assert(
    fc.property(rids, heights, fc.infiniteStream(fc.nat(5)), (rids, heights, picks) => {
      const order = new LayerOrder();
      order.of(UP, rids);
      const left = rids.map((rid, at) => ({ rid, height: heights[at]! }));
      const sorted = left.toSorted((a, b) => a.height - b.height).map(({ rid }) => rid);
      let found: ReturnType<LayerOrder["measured"]>;
      while (left.length > 0) {
        const [{ rid, height }] = left.splice(picks.next().value! % left.length, 1) as [
          { rid: string; height: number },
        ];
        found = order.measured(UP, rid, size(height))!;
        assert.deepEqual(new Set(found.rids), new Set(rids));
      }
      assert.deepEqual(found!.rids, sorted);
      assert.deepEqual(found!.sizes.map(({ spatial }) => spatial).toSorted(), [...rids.keys()]);
    }),
    { seed: 5, numRuns: 200 },
  );
});
