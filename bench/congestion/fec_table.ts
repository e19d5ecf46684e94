/**
 * What repair in advance gains over retransmission alone, by loss and round trip.
 *
 * @module
 */
import { GROUP_MS } from "../../lib/media/down/fec_sender.ts";
import { protectedGroup } from "../../lib/media/down/fec_plan.ts";
import { SEEDS } from "./congestion_bench.ts";
import { type FecFigures, runFec } from "./fec_model.ts";

const LOSSES = [0.01, 0.02, 0.05, 0.1, 0.15];
const ROUND_TRIPS_MS = [50, 150, 300];
/** The middle and the highest layer of a camera. */
const RATES_BPS = [450_000, 1_700_000];
const DURATION_MS = 120_000;
/** What is shown where nothing is protected: what it would be. */
const OTHER_GROUP = 4;

/** One line: the same stream without repair packets and with them. */
export interface FecRow {
  readonly loss: number;
  readonly rttMs: number;
  readonly bps: number;
  readonly group: number;
  /** Whether the server would send them. */
  readonly isUsed: boolean;
  readonly without: FecFigures;
  readonly withRepair: FecFigures;
}

/** Runs all of them; figures are means over seeds. */
export function measureFec(seeds: readonly number[] = SEEDS): FecRow[] {
  return ROUND_TRIPS_MS.flatMap((rttMs) =>
    LOSSES.flatMap((loss) => RATES_BPS.map((bps) => fecRow(loss, rttMs, bps, seeds)))
  );
}

/** One line. */
export function fecRow(
  loss: number,
  rttMs: number,
  bps: number,
  seeds: readonly number[] = SEEDS,
): FecRow {
  const used = protectedGroup(loss, rttMs, false);
  const group = used > 0 ? used : OTHER_GROUP;
  const figures = (packets: number) =>
    meanOf(seeds.map((seed) =>
      runFec({
        loss,
        rttMs,
        bps,
        group: packets,
        groupMs: GROUP_MS,
        durationMs: DURATION_MS,
        seed,
      })
    ));
  const [without, withRepair] = [figures(0), figures(group)];
  return { loss, rttMs, bps, group, isUsed: used > 0, without, withRepair };
}

/** Prints the lines as a table that a page can take over. */
export function printFec(rows: readonly FecRow[]): void {
  const columns = [
    "round trip",
    "loss",
    "kbit/s",
    "group",
    "repair",
    "sent again",
    "freezes/min",
    "frozen s/min",
    "late p50 ms",
    "late p95 ms",
  ];
  console.log("\nRepair in advance, on virtual time: without → with\n");
  console.log(`| ${columns.join(" | ")} |`);
  console.log(`| ${columns.map(() => "---").join(" | ")} |`);
  for (const row of rows) printRow(row);
}

function printRow({ loss, rttMs, bps, group, isUsed, without, withRepair }: FecRow): void {
  const percent = (share: number) => `${Math.round(share * 100)} %`;
  const both = (figure: (of: FecFigures) => number, digits = 0) =>
    `${figure(without).toFixed(digits)} → ${figure(withRepair).toFixed(digits)}`;
  const cells = [
    `${rttMs} ms`,
    percent(loss),
    `${bps / 1_000}`,
    isUsed ? `${group}` : `(${group})`,
    percent(withRepair.repair),
    `${percent(without.resent)} → ${percent(withRepair.resent)}`,
    both(({ freezes }) => freezes),
    both(({ frozenS }) => frozenS, 1),
    both(({ p50Ms }) => p50Ms),
    both(({ p95Ms }) => p95Ms),
  ];
  console.log(`| ${cells.join(" | ")} |`);
}

function meanOf(runs: readonly FecFigures[]): FecFigures {
  const mean = (figure: (of: FecFigures) => number) =>
    runs.reduce((sum, run) => sum + figure(run), 0) / runs.length;
  return {
    repair: mean((run) => run.repair),
    resent: mean((run) => run.resent),
    freezes: mean((run) => run.freezes),
    frozenS: mean((run) => run.frozenS),
    p50Ms: mean((run) => run.p50Ms),
    p95Ms: mean((run) => run.p95Ms),
  };
}
