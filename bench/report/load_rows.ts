/**
 * The table of loads as a person reads it.
 *
 * @module
 */
import type { LoadRow } from "../real_loads/load_measurement.ts";
import { loadRatios, medianOf, summarizeLoads } from "./load_summary.ts";

/** Title, width (negative: to the left) and text of each column. */
const COLUMNS: readonly (readonly [string, number, (row: LoadRow) => string])[] = [
  ["load", -14, (row) => row.scenario],
  ["server", -9, (row) => row.server],
  ["packets/s", 9, (row) => whole(row.received_per_s)],
  ["Mbit/s", 7, (row) => row.mbit_per_s.toFixed(1)],
  ["µs/packet", 9, (row) => row.us_per_packet?.toFixed(2) ?? ""],
  ["CPU", 6, (row) => percent(row.cpu_share, 1)],
  ["µs/s each", 9, (row) => whole(row.us_per_participant_s)],
  ["p50 ms", 7, (row) => row.latency_p50_ms.toFixed(2)],
  ["p99", 7, (row) => row.latency_p99_ms.toFixed(2)],
  ["lost", 7, (row) => percent(row.loss, 2)],
  ["RSS MB", 6, (row) => whole(row.rss_bytes / 1e6)],
  ["start", 5, (row) => whole(row.start_rss_bytes / 1e6)],
  ["kB each", 7, (row) => whole(row.rss_bytes_per_participant / 1e3)],
  ["clients", 7, (row) => percent(row.clients_cpu_share, 0)],
];

/** Prints the titles; `clients` is the CPU of the load itself, on the same cores. */
export function printLoadsHead(clients: string): void {
  console.log(`Loads at fixed rates through a whole server; clients: ${clients}`);
  console.log(line(COLUMNS.map(([title]) => title)));
  console.log(COLUMNS.map(([, width]) => "-".repeat(Math.abs(width))).join("  "));
}

export function printLoad(row: LoadRow): void {
  console.log(line(COLUMNS.map(([, , cell]) => cell(row))));
}

/** Prints medians where lines were repeated, ratios to the peer, and the figures with targets. */
export function printLoadSummary(rows: readonly LoadRow[]): void {
  console.log("");
  for (const { scenario, server, ratio } of loadRatios(rows)) {
    console.log(`${scenario}: ${server} takes ${ratio.toFixed(2)} of the other server's CPU`);
  }
  for (const [name, value] of Object.entries(summarizeLoads(rows))) {
    console.log(`${name}: ${value === null ? "not measured" : Number(value.toPrecision(4))}`);
  }
  const servers = [...new Set(rows.map(({ server }) => server))];
  for (const scenario of new Set(rows.map(({ scenario }) => scenario))) {
    for (const server of servers) printSpread(rows, scenario, server);
  }
}

function printSpread(rows: readonly LoadRow[], scenario: string, server: string): void {
  const cost = (row: LoadRow) => row.us_per_packet ?? row.us_per_participant_s;
  const values = rows.filter((row) => row.scenario === scenario && row.server === server).map(cost);
  if (values.length < 2) return;
  const median = medianOf(rows, scenario, server, cost)!;
  const spread = `${Math.min(...values).toFixed(2)}–${Math.max(...values).toFixed(2)}`;
  console.log(`${scenario} ${server}: median ${median.toFixed(2)} µs (${spread})`);
}

function line(values: readonly string[]): string {
  return values.map((value, i) => {
    const width = COLUMNS[i]![1];
    return width < 0 ? value.padEnd(-width) : value.padStart(width);
  }).join("  ").trimEnd();
}

function whole(value: number): string {
  return Math.round(value).toLocaleString("en");
}

function percent(share: number, digits: number): string {
  return `${(share * 100).toFixed(digits)}%`;
}
