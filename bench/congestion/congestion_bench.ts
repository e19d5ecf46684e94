/**
 * The part of the benchmark about congestion: all cases on virtual time, each with a few seeds.
 *
 * @module
 */
import { type Figures, type Gate, meanOf } from "./congestion_figures.ts";
import type { CaseResult, CongestionCase } from "./congestion_run.ts";
import { RFC8867_CASES } from "./rfc8867_cases.ts";
import { SFU_CASES } from "./sfu_cases.ts";

/** Figures are of the first one; gates have to hold with all. */
export const SEEDS = [1, 2, 3] as const;
/** Points of a line in the plot. */
export const POINT_MS = 1_000;

/** One line of the table. */
export interface CongestionRow {
  readonly name: string;
  readonly title: string;
  readonly figures: Figures;
  /** With the first seed. */
  readonly gates: readonly Gate[];
  /** Seeds with which all gates held, and what failed with the others. */
  readonly held: number;
  readonly failed: readonly string[];
  readonly lines: PlotLines;
}

/** What the plot shows of a case, Mbit/s each second. */
export interface PlotLines {
  readonly capacity: readonly number[];
  /** Of each flow. */
  readonly estimates: readonly (readonly number[])[];
  readonly received: readonly (readonly number[])[];
}

/** Runs everything; `onRow` is called with each line as soon as it is there. */
export function measureCongestion(onRow: (row: CongestionRow) => void): CongestionRow[] {
  return [...RFC8867_CASES, ...SFU_CASES].map((one) => {
    const row = rowOf(one);
    onRow(row);
    return row;
  });
}

function rowOf({ name, title, run }: CongestionCase): CongestionRow {
  const results = SEEDS.map((seed) => run(seed));
  const failed = results.flatMap(({ gates }, i) =>
    gates.filter(({ holds }) => !holds).map(({ what, value, limit }) =>
      `seed ${SEEDS[i]}: ${what} ${Number(value.toPrecision(3))}, has to be ${limit}`
    )
  );
  const held = results.filter(({ gates }) => gates.every(({ holds }) => holds)).length;
  const [{ figures, gates }] = results as [CaseResult];
  return { name, title, figures, gates, held, failed, lines: linesOf(results[0]!) };
}

function linesOf({ flows, link, durationMs }: CaseResult): PlotLines {
  const times = Array.from({ length: durationMs / POINT_MS }, (_, i) => i * POINT_MS);
  const perPoint = POINT_MS / 100;
  const each = (figure: "estimateBps" | "receivedBps") =>
    flows.map((flow) =>
      times.map((_, i) =>
        meanOf(
          flow.samples.slice(i * perPoint, (i + 1) * perPoint),
          (sample) => sample[figure],
        ) / 1e6
      )
    );
  return {
    capacity: times.map((at) => link.rateAt(at) / 1e6),
    estimates: each("estimateBps"),
    received: each("receivedBps"),
  };
}
