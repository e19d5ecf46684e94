import assert from "node:assert/strict";
import { ReportedHoles } from "../../../../lib/media/layer/reported_holes.ts";

Deno.test("ReportedHoles counts what was passed over and never left", () => {
  const holes = new ReportedHoles();
  holes.passed(2);
  assert.equal(holes.take(100), 2);
  holes.passed(1);
  assert.equal(holes.take(150), 3);
});

Deno.test("ReportedHoles leaves out what left late, and long before the report was made", () => {
  const holes = new ReportedHoles();
  holes.passed(1);
  holes.filled(50, 53);
  assert.equal(holes.take(100), 0);
});

Deno.test("ReportedHoles keeps for ever what left when a report may have counted it", () => {
  const holes = new ReportedHoles();
  holes.passed(3);
  // Behind what the report tells of, and just before it, where packets may overtake each other.
  holes.filled(98, 101);
  holes.filled(95, 98);
  assert.equal(holes.take(100), 3);
  holes.filled(96, 102);
  assert.equal(holes.take(150), 3);
});

Deno.test("ReportedHoles waits for the next report with what is behind the last one", () => {
  const holes = new ReportedHoles();
  holes.passed(2);
  holes.filled(110, 113);
  assert.equal(holes.take(100), 2);
  holes.filled(120, 122);
  assert.equal(holes.take(150), 0);
});

Deno.test("ReportedHoles takes more than it remembers for holes", () => {
  const holes = new ReportedHoles();
  holes.passed(100);
  for (let n = 0; n < 100; n++) holes.filled(2 * n, 2 * n + 1);
  assert.equal(holes.take(1_000), 36);
  holes.passed(1);
  holes.filled(1_100, 1_101);
  assert.equal(holes.take(1_200), 36);
});
