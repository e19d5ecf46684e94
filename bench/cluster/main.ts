/**
 * Simulates clusters of 100, 300 and 1,000 nodes, and says what ten times as many would need. It
 * takes less than three minutes and a gigabyte; see the README beside `bench`.
 *
 * @module
 */
import {
  type HourFigures,
  hourOf,
  type LossesFigures,
  lossesOf,
  populationFor,
  togetherAtPeak,
} from "./cluster_figures.ts";
import { printHour, printLosses, printTenfold, printTogether } from "./cluster_tables.ts";
import { drawGrowth } from "./growth_plot.ts";

const SEED = 1;
const SIZES = [100, 300, 1_000];
/** What is changed for the loss of a region, one after the other, at the largest size. */
const CHANGES = [
  ["as it is", {}],
  ["four masters", { masters: 4 }],
  ["asked for more, as it was", { lavish: true }],
] as const;

const out = Deno.args.find((arg) => arg.startsWith("--out="))?.slice("--out=".length) ??
  "bench/results";
const sizes = Deno.args.find((arg) => arg.startsWith("--nodes="))?.slice("--nodes=".length)
  .split(",").map(Number) ?? SIZES;
if (sizes.some((nodes) => !Number.isInteger(nodes) || nodes < 20 || nodes > 2_000)) {
  console.error("--nodes takes numbers from 20 to 2000, separated by commas");
  Deno.exit(2);
}

const hours: HourFigures[] = [];
const losses: LossesFigures[] = [];
for (const [index, nodes] of sizes.entries()) {
  const startedAt = performance.now();
  const population = populationFor(nodes, SEED);
  const hour = hourOf(nodes, population, SEED);
  hours.push(hour);
  printHour(hour);
  const isLast = index === sizes.length - 1;
  for (const [name, change] of isLast ? CHANGES : CHANGES.slice(0, 1)) {
    const figures = lossesOf(nodes, population, SEED, change);
    if (change === CHANGES[0][1]) losses.push(figures);
    printLosses(name, figures);
  }
  if (isLast) {
    printTogether(nodes, togetherAtPeak(nodes, population, SEED));
    printTenfold(hour);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const { rss } = Deno.memoryUsage();
  console.log(`  (took ${seconds.toFixed(0)} s, ${(rss / 1e6).toFixed(0)} MB)\n`);
}
Deno.mkdirSync(out, { recursive: true });
Deno.writeTextFileSync(`${out}/cluster.svg`, drawGrowth(hours, losses));
Deno.writeTextFileSync(`${out}/cluster.json`, `${JSON.stringify({ hours, losses }, brief, 2)}\n`);

/** Without the times of each of those who came back. */
function brief(_key: string, value: unknown): unknown {
  return value instanceof Float64Array ? undefined : value;
}
