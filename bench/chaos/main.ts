/**
 * `deno task chaos`: three nodes and a Redis that are broken by a seeded schedule while people are
 * in calls, for ten minutes or as long as is said; fails if anything is not as it should be. With
 * `--cut-networks`, which needs root and iproute2, the networks between nodes are broken as well.
 *
 * ```sh
 * deno task chaos [--minutes=10] [--seed=1] [--rooms=4] [--people=4] [--cut-networks]
 * ```
 *
 * @module
 */
import { parseArgs } from "node:util";
import { ChaosRun } from "../../tests/support/process/chaos_run.ts";

/** Memory is flat if the end is no more than so much above what it was once everything was used. */
const MOST_GROWTH = 1.25;
/** A process whose memory was looked at so often has been used; none outlives rolling restarts. */
const LOOKS_BEFORE = 1;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
    rooms: { type: "string", default: "4" },
    people: { type: "string", default: "4" },
    "cut-networks": { type: "boolean", default: false },
  },
});

await using run = await ChaosRun.start({
  seed: Number(values.seed),
  rooms: Number(values.rooms),
  peopleOfRoom: Number(values.people),
  hasNetwork: values["cut-networks"],
  log: console.log,
});
const until = performance.now() + Number(values.minutes) * 60_000;
const counts = new Map<string, number>();
await run.agreed();
while (performance.now() < until) {
  const fault = await run.next();
  const over = performance.now();
  await run.agreed();
  console.log(`  all agreed ${((performance.now() - over) / 1_000).toFixed(1)} s later`);
  counts.set(fault, (counts.get(fault) ?? 0) + 1);
}
await run.end();
console.log(Object.fromEntries(counts));
const returns = run.people.flatMap(({ returnsMs }) => returnsMs).toSorted((a, b) => a - b);
const at = (part: number) => returns[Math.floor(part * (returns.length - 1))]?.toFixed(0);
console.log(
  `${returns.length} returns: median ${at(0.5)} ms, p95 ${at(0.95)} ms, last ${at(1)} ms`,
);
for (const [pid, looks] of run.memory) {
  console.log(`process ${pid}: ${looks.map((kb) => Math.round(kb / 1_024)).join(" ")} MB`);
  const [before, after] = [looks[LOOKS_BEFORE], looks.at(-1)!];
  if (before !== undefined && after > MOST_GROWTH * before) {
    throw new Error(`The memory of process ${pid} grows`);
  }
}
const deliveries = run.cluster.webhooks.events.length;
const again = deliveries - run.events.length;
console.log(`${run.events.length} webhooks, each once; ${again} delivered again under their ids`);
