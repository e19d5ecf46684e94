import assert from "node:assert/strict";
import { RecentLines } from "../../../../lib/server/log/recent_lines.ts";

Deno.test("RecentLines keeps the last thousand, in order and without their ends", () => {
  const recent = new RecentLines();
  for (let i = 0; i < 1_500; i++) recent.push(`line ${i}\n`);
  const all = recent.all();
  assert.equal(all.length, 1_000);
  assert.deepEqual([all[0], all.at(-1)], ["line 500", "line 1499"]);
});

Deno.test("RecentLines is bounded by what the lines weigh, too", () => {
  const recent = new RecentLines();
  for (let i = 0; i < 900; i++) recent.push(`${i} ${"x".repeat(10_000_000 / (i + 1))}`);
  const length = recent.all().reduce((sum, line) => sum + line.length, 0);
  assert.ok(length > 400_000 && length <= 512 * 1024, `${length}`);
  assert.match(recent.all().at(-1)!, /^899 x/);
});
