import assert from "node:assert/strict";
import {
  isStepTowards,
  NO_LAYER,
  wantedLayer,
} from "../../../../lib/media/select/layer_selection.ts";

Deno.test("wantedLayer() is the highest live layer at or below the target, else the lowest above", () => {
  const cases: readonly (readonly [number, number, number])[] = [
    [2, 0b111, 2],
    [1, 0b111, 1],
    [2, 0b011, 1],
    [2, 0b001, 0],
    [1, 0b101, 0],
    [0, 0b110, 1],
    [0, 0b100, 2],
    [2, 0b000, NO_LAYER],
  ];
  for (const [target, live, wanted] of cases) {
    assert.equal(wantedLayer(target, live), wanted, `target ${target}, live ${live.toString(2)}`);
  }
});

Deno.test("isStepTowards() takes the wanted layer and what lies on the way, nothing else", () => {
  for (const current of [NO_LAYER, 0, 1, 2]) {
    for (const wanted of [0, 1, 2]) {
      for (const spatial of [0, 1, 2]) {
        const between = current === NO_LAYER
          ? spatial < wanted
          : Math.min(current, wanted) < spatial && spatial < Math.max(current, wanted);
        assert.equal(isStepTowards(spatial, current, wanted), spatial === wanted || between);
      }
    }
  }
});
