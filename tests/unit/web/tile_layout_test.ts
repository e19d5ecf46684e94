import assert from "node:assert/strict";
import fc from "fast-check";
import { chooseGrid, layOutGrid, layOutSpotlight } from "../../../web/tile_layout.js";

const GAP = 8;
/** A window of 1,280 × 800 without what stands above and below the tiles. */
const DESK = { width: 1264, height: 660 };
const PHONE = { width: 304, height: 440 };

interface Rect {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

const sizes = fc.record({
  width: fc.integer({ min: 200, max: 4000 }),
  height: fc.integer({ min: 150, max: 2400 }),
});

function assertInside(rects: readonly Rect[], { width, height }: typeof DESK): void {
  for (const rect of rects) {
    assert.ok(rect.left > -0.01 && rect.top > -0.01, JSON.stringify(rect));
    assert.ok(rect.left + rect.width < width + 0.01, JSON.stringify(rect));
    assert.ok(rect.top + rect.height < height + 0.01, JSON.stringify(rect));
  }
}

function assertApart(rects: readonly Rect[]): void {
  rects.forEach((a, index) => {
    for (const b of rects.slice(index + 1)) {
      const apart = a.left + a.width <= b.left + 0.01 || b.left + b.width <= a.left + 0.01 ||
        a.top + a.height <= b.top + 0.01 || b.top + b.height <= a.top + 0.01;
      assert.ok(apart, JSON.stringify([a, b]));
    }
  });
}

for (
  const [stage, size, rows] of [
    ["a desk", DESK, [[1, 1, 1], [2, 2, 1], [4, 2, 2], [6, 3, 2], [9, 3, 3], [16, 4, 4]]],
    ["a television", { width: 3800, height: 1960 }, [[9, 3, 3], [25, 5, 5]]],
    ["a phone", PHONE, [[1, 1, 1], [2, 1, 2], [4, 2, 2], [9, 3, 3]]],
    ["a very wide window", { width: 2400, height: 400 }, [[3, 3, 1], [5, 5, 1]]],
  ] as const
) {
  Deno.test(`chooseGrid() on ${stage}`, () => {
    for (const [count, columns, expected] of rows) {
      const grid = chooseGrid(count, size, GAP);
      assert.deepEqual([count, grid.columns, grid.rows], [count, columns, expected]);
    }
  });
}

Deno.test("layOutGrid() keeps tiles inside, apart, of one size and in order", () => {
  fc.assert(
    fc.property(sizes, fc.integer({ min: 0, max: 60 }), (stage, count) => {
      const rects = layOutGrid(count, stage, GAP);
      assert.ok(rects.length <= count);
      assert.equal(rects.length === 0, count === 0);
      assertInside(rects, stage);
      assertApart(rects);
      assert.ok(
        rects.every(({ width, height }) =>
          width === rects[0]!.width && height === rects[0]!.height
        ),
      );
      const reading = [...rects].sort((a, b) => a.top - b.top || a.left - b.left);
      assert.deepEqual(reading, rects);
    }),
    { seed: 13, numRuns: 300 },
  );
});

Deno.test("layOutGrid() puts a last row that is not full in the middle", () => {
  const rects = layOutGrid(5, DESK, GAP);
  assert.equal(rects.length, 5);
  const last = rects.filter(({ top }) => top === rects[4]!.top);
  assert.equal(last.length, 2);
  const before = last[0]!.left;
  const behind = DESK.width - last[1]!.left - last[1]!.width;
  assert.ok(Math.abs(before - behind) < 0.01);
});

Deno.test("layOutGrid() leaves out what would make tiles too small to see anybody", () => {
  const rects = layOutGrid(60, PHONE, GAP);
  assert.ok(rects.length >= 12 && rects.length < 60, String(rects.length));
  assert.ok(rects[0]!.width >= 88 && rects[0]!.height >= 60);
});

Deno.test("layOutSpotlight() gives a screen beside nine people most of the window", () => {
  const { main, strip } = layOutSpotlight(1, 9, DESK, GAP);
  assert.equal(strip.length, 9);
  assert.ok(main[0]!.width >= 1000 && main[0]!.height === DESK.height, JSON.stringify(main));
});

Deno.test("layOutSpotlight() puts the strip below on a phone", () => {
  const { main, strip } = layOutSpotlight(1, 2, PHONE, GAP);
  assert.equal(main[0]!.width, PHONE.width);
  assert.ok(strip.every(({ top }) => top >= main[0]!.height + GAP));
});

Deno.test("layOutSpotlight() keeps everything inside and apart", () => {
  const counts = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 40 }));
  fc.assert(
    fc.property(sizes, counts, (stage, [mainCount, stripCount]) => {
      const { main, strip } = layOutSpotlight(mainCount, stripCount, stage, GAP);
      assert.ok(main.length >= 1 && strip.length <= stripCount);
      assert.equal(strip.length === 0, stripCount === 0);
      assertInside([...main, ...strip], stage);
      assertApart([...main, ...strip]);
    }),
    { seed: 14, numRuns: 300 },
  );
});
