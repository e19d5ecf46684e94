/**
 * The benchmark's results as a table.
 *
 * @module
 */
import type { Measurement } from "./bench_child.ts";
import { type JoinTimes, median } from "./join_to_frame.ts";
import type { Workload } from "./workload.ts";

/** One measured line. */
export interface Result {
  readonly name: string;
  readonly workload: Workload;
  readonly measurement: Measurement;
  readonly published: number;
  readonly received: number;
  /** All handshakes of the clients, ms of wall time. */
  readonly connectMs: number;
}

const COLUMNS = [
  ["engine", -26],
  ["subscribers", 11],
  ["packets/s out", 13],
  ["µs CPU/packet", 13],
  ["CPU", 6],
  ["lost", 7],
  ["RSS MB", 6],
] as const;

/** Prints the titles; `µs CPU/packet` is what the benchmark is about. */
export function printHead(): void {
  console.log(row(COLUMNS.map(([title]) => title)));
  console.log(COLUMNS.map(([, width]) => "-".repeat(Math.abs(width))).join("  "));
}

/** Prints one line; without a result it says so. */
export function printRow(name: string, workload: Workload, result: Result | undefined): void {
  const reason = result === undefined ? "took too long" : "nothing came";
  const missing = [name, `${workload.subscribers}`, reason];
  const isUsable = result !== undefined && result.measurement.forwarded > 0;
  console.log(row(isUsable ? cells(result) : missing));
}

/** Prints the middle join and the slowest. */
export function printJoins({ connectedMs, firstFrameMs }: JoinTimes): void {
  const line = (what: string, values: readonly number[]) =>
    `${what}: median ${median(values)} ms, slowest ${Math.max(...values)} ms of ${values.length}`;
  console.log(`\nChromium to Chromium, from the call to connect`);
  console.log(line("  joined", connectedMs));
  console.log(line("  first decoded frame", firstFrameMs));
}

function cells({ name, workload, measurement, published, received }: Result): string[] {
  const { cpuMicros, wallMs, forwarded, rssBytes } = measurement;
  const expected = published * workload.subscribers;
  return [
    name,
    `${workload.subscribers}`,
    `${Math.round(forwarded / wallMs * 1000)}`,
    (cpuMicros / forwarded).toFixed(1),
    `${Math.round(cpuMicros / wallMs / 10)} %`,
    `${((1 - received / expected) * 100).toFixed(2)} %`,
    `${Math.round(rssBytes / 1e6)}`,
  ];
}

function row(values: readonly string[]): string {
  return values.map((value, i) => {
    const width = COLUMNS[i]![1];
    return width < 0 ? value.padEnd(-width) : value.padStart(width);
  }).join("  ");
}
