/**
 * Prints what the cases about congestion said, as a table that a page can take over.
 *
 * @module
 */
import { type CongestionRow, SEEDS } from "./congestion_bench.ts";

const COLUMNS = [
  "case",
  "",
  "used",
  "wait p50 / p95 ms",
  "loss",
  "frozen s",
  "changes",
  "Jain",
  "settled s",
  "padding",
  "gates",
] as const;

export function printCongestionHead(): void {
  console.log("\nCongestion, on virtual time\n");
  console.log(`| ${COLUMNS.join(" | ")} |`);
  console.log(`| ${COLUMNS.map(() => "---").join(" | ")} |`);
}

/** One line, and what did not hold. */
export function printCongestion({ name, title, figures, held, failed }: CongestionRow): void {
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
  const seconds = (value: number) => value > 0 && Number.isFinite(value) ? value.toFixed(1) : "";
  const cells = [
    name,
    title,
    `${Math.round(figures.utilisation * 100)} %`,
    `${Math.round(figures.queueP50Ms)} / ${Math.round(figures.queueP95Ms)}`,
    percent(figures.loss),
    seconds(figures.freezeS),
    figures.layerChanges === 0 ? "" : `${figures.layerChanges}`,
    figures.jain === 1 ? "" : figures.jain.toFixed(2),
    seconds(figures.settleS),
    percent(figures.padding),
    `${held} of ${SEEDS.length}`,
  ];
  console.log(`| ${cells.join(" | ")} |`);
  for (const line of failed) console.error(`${name}, ${line}`);
}
