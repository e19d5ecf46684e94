import assert from "node:assert/strict";
import { EMPTY_REPORT_INTERVAL_MS, ReportPace } from "../../../../lib/engine/local/report_pace.ts";

/** Reports of so many intervals of 5 s; which of them are due. */
function due(pace: ReportPace, from: number, kinds: string): string {
  return [...kinds].map((kind, i) => pace.isDue(kind === "e", from + i * 5_000) ? kind : "-")
    .join("");
}

Deno.test("ReportPace tells every report that names tracks", () => {
  assert.equal(due(new ReportPace(), 5_000, "tttttttt"), "tttttttt");
});

Deno.test("ReportPace tells the first report without tracks, and then one in a while", () => {
  assert.equal(EMPTY_REPORT_INTERVAL_MS, 6 * 5_000);
  assert.equal(due(new ReportPace(), 5_000, "eeeeeeeeeeeeee"), "e-----e-----e-");
});

Deno.test("ReportPace tells at once that the last track is gone", () => {
  assert.equal(due(new ReportPace(), 5_000, "etteetee"), "ette-te-");
});
