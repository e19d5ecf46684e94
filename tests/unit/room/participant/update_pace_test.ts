import assert from "node:assert/strict";
import { UpdatePace } from "../../../../lib/room/participant/update_pace.ts";

Deno.test("UpdatePace lets changes at people's pace through, however large the room", () => {
  const pace = new UpdatePace();
  const ann = "ann";
  for (let now = 0; now < 60_000; now += 2_000) {
    assert.equal(pace.waitMs(ann, now), 0);
    pace.told(ann, 4_000, 1_000, now);
  }
});

Deno.test("UpdatePace holds back what comes too fast, a second at most, and each by itself", () => {
  const pace = new UpdatePace();
  const [ann, bob] = ["ann", "bob"];
  let told = 0;
  for (let i = 0; i < 200; i++) {
    if (pace.waitMs(ann, 0) > 0) continue;
    pace.told(ann, 1_700, 100, 0);
    told++;
  }
  assert.ok(told >= 4 && told <= 8, `${told} of 200`);
  const waitMs = pace.waitMs(ann, 0);
  assert.ok(waitMs > 0 && waitMs <= 1_000);
  assert.equal(pace.waitMs(bob, 0), 0);
  assert.equal(pace.waitMs(ann, waitMs), 0);
  pace.told(ann, 1_000_000, 10_000, waitMs);
  assert.equal(pace.waitMs(ann, waitMs), 1_000);
  assert.equal(pace.waitMs(ann, waitMs + 1_001), 0);
});
