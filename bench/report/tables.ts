/**
 * The benchmark's results as a table.
 *
 * @module
 */
import type { Measurement } from "./bench_child.ts";
import type { RequestKind } from "./control_calls.ts";
import type { ControlFigures } from "./control_cost.ts";
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

const REQUEST_NAMES: Readonly<Record<RequestKind, string>> = {
  ping: "ping",
  metadata: "update_metadata in a room of 10",
  mute: "mute or unmute in a room of 10",
};

/** Prints the titles; `µs CPU/packet` is what the benchmark is about. */
export function printHead(): void {
  console.log(row(COLUMNS.map(([title]) => title)));
  console.log(COLUMNS.map(([, width]) => "-".repeat(Math.abs(width))).join("  "));
}

/** Prints one line, or why there is none. */
export function printRow(name: string, workload: Workload, outcome: Result | string): void {
  const values = typeof outcome === "string" ? [name, `${workload.subscribers}`] : cells(outcome);
  const line = row(values);
  console.log(typeof outcome === "string" ? `${line}  ${outcome}` : line);
}

/** Prints what the control plane costs. */
export function printControl({ crowd, requests, idle }: ControlFigures): void {
  const { size, failures, joinsPerSecond, medianMs, slowestMs, cpuMicrosPerJoin } = crowd;
  const number = (value: number, digits = 0) => value.toFixed(digits);
  console.log(`\nA whole server, its process alone`);
  console.log(
    `  ${size} join at once: ${number(joinsPerSecond, 1)} joins/s to first media, ` +
      `median ${medianMs} ms, slowest ${slowestMs} ms, ` +
      `${number(cpuMicrosPerJoin / 1000, 1)} ms CPU each`,
  );
  if (failures.length > 0) console.log(`  ${failures.length} got none; the first: ${failures[0]}`);
  for (const { kind, sent, cpuMicros } of requests) {
    console.log(`  ${REQUEST_NAMES[kind]}: ${number(cpuMicros)} µs CPU (of ${sent})`);
  }
  console.log(
    `  idle participant: ${number(idle.rssBytes / 1e3)} kB RSS, ` +
      `${number(idle.heapBytes / 1e3)} kB of it heap, ` +
      `${number(idle.cpuMicros)} µs CPU per second (of ${idle.participants})`,
  );
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
