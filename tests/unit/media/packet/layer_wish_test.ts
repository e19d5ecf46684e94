/** What subscribers would have together, and one alone while bandwidth holds it back. */
import assert from "node:assert/strict";
import type { LayerTarget } from "../../../../lib/base/media_vocabulary.ts";
import { LayerLimit, NOTHING_ALLOWED } from "../../../../lib/media/down/layer_limit.ts";
import {
  bothWishes,
  isOfScreen,
  layersOf,
  NO_WISH,
  priorityOf,
  wishOf,
  wishWithin,
} from "../../../../lib/media/packet/layer_wish.ts";

const TARGET: LayerTarget = { enabled: true, maxSpatial: 2, maxTemporal: 3 };
const read = (wish: number) => [layersOf(wish), priorityOf(wish), isOfScreen(wish)];

Deno.test("Wishes together have each one's layer and what matters most", () => {
  const plain = wishOf(TARGET, 2);
  const third = wishOf({ ...TARGET, priority: 3 }, 0);
  const last = wishOf({ ...TARGET, priority: 255, isScreen: true }, 0);
  assert.deepEqual(read(plain), [0b100, 0, false]);
  assert.deepEqual(read(bothWishes(plain, third)), [0b101, 3, false]);
  assert.deepEqual(read(bothWishes(last, third)), [0b001, 3, true]);
  assert.deepEqual(read(bothWishes(NO_WISH, last)), [0b001, 255, true]);
  assert.equal(bothWishes(NO_WISH, NO_WISH), NO_WISH);
});

Deno.test("A wish within a layer has that one for all above it", () => {
  const wish = bothWishes(wishOf({ ...TARGET, priority: 9 }, 2), wishOf(TARGET, 0));
  assert.equal(wishWithin(wish, 2), wish);
  assert.deepEqual(read(wishWithin(wish, 1)), [0b011, 9, false]);
  assert.deepEqual(read(wishWithin(wish, 0)), [0b001, 9, false]);
  assert.equal(wishWithin(wish, NOTHING_ALLOWED), NO_WISH);
});

Deno.test("Who could take every layer there is wishes for those that did not come, too", () => {
  const limit = new LayerLimit(TARGET);
  assert.deepEqual(read(limit.wish(0b001)), [0b100, 0, false]);
  assert.deepEqual(read(limit.wish(0)), [0b100, 0, false]);
  limit.setAllowance(0, 3);
  assert.deepEqual(read(limit.wish(0b001)), [0b100, 0, false], "all that there is");
  assert.deepEqual(read(limit.wish(0b011)), [0b001, 0, false], "less than there is");
  limit.setAllowance(NOTHING_ALLOWED, 0);
  assert.equal(limit.wish(0b001), NO_WISH);
  limit.setTarget({ ...TARGET, enabled: false });
  limit.setAllowance(2, 3);
  assert.equal(limit.wish(0b001), NO_WISH);
});
