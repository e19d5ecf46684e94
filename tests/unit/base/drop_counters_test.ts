/** Counting by reason, and which sinks the compiler takes. */
import assert from "node:assert/strict";
import { DropCounters, type DropSink } from "../../../lib/base/drop_counters.ts";

Deno.test("DropCounters adds up by reason, its own and others'", () => {
  const counters = new DropCounters<"late" | "torn">();
  counters.count("late");
  counters.count("late", 4);
  counters.merge({ late: 2, torn: 1 });
  assert.deepEqual([counters.get("late"), counters.get("torn")], [7, 1]);
  assert.deepEqual(counters.snapshot(), { late: 7, torn: 1 });
});

Deno.test("DropSink of more reasons will do for one of fewer, and not the other way round", () => {
  const counters = new DropCounters<"late" | "torn">();
  const fewer: DropSink<"late"> = counters;
  // @ts-expect-error: it may be handed "lost", which these counters do not know
  const more: DropSink<"late" | "torn" | "lost"> = counters;
  // @ts-expect-error: the same without the class
  const widened: DropSink<"late" | "torn"> = fewer;
  // @ts-expect-error: no reason of this sink
  fewer.count("torn");
  more.count("late");
  widened.count("late");
  assert.equal(counters.get("late"), 2);
});
