/**
 * The report as a person reads it.
 *
 * @module
 */
import type { DirectoryCost } from "../control/directory_cost.ts";
import type { RequestKind, RoomCost } from "../control/control_calls.ts";
import type { ControlFigures } from "../control/control_cost.ts";
import type { JoinCostRow } from "../control/join_cost.ts";
import { type JoinTimes, median } from "../control/join_to_frame.ts";
import type { DataFloodFigures } from "../control/data_flood.ts";
import type { StormFigures } from "../control/storm.ts";
import type { Sample, SoakFigures } from "../forwarding/soak_verdict.ts";
import type { Percentiles } from "../load/latency_histogram.ts";
import { type Report, type Run, summarize, type WorkersFigures } from "./summary.ts";

/** Title, width (negative: to the left) and text of each column. */
const COLUMNS: readonly (readonly [title: string, width: number, cell: (run: Run) => string])[] = [
  ["scenario", -12, (run) => run.scenario],
  ["engine", -9, (run) => run.engine],
  ["packets/s", 9, (run) => whole(run.packets_per_s)],
  ["µs/packet", 9, (run) => fixed(run.cpu_us_per_packet, 2)],
  ["per core", 9, (run) => whole(run.packets_per_s_per_core)],
  ["can carry", 9, (run) => whole(run.saturation_packets_per_s)],
  ["p50 ms", 7, (run) => fixed(run.latency_p50_ms, 2)],
  ["p99", 7, (run) => fixed(run.latency_p99_ms, 2)],
  ["p99.9", 7, (run) => fixed(run.latency_p999_ms, 2)],
  ["lost ½", 7, (run) => percent(run.loss_half_load)],
  ["lost 70%", 8, (run) => percent(run.loss)],
  ["kB/sub", 7, (run) => whole(thousandth(run.rss_bytes_per_subscriber))],
  ["heap B/p", 8, (run) => whole(run.heap_bytes_per_packet)],
  ["GC ms", 6, (run) => fixed(run.gc_longest_pause_ms, 1)],
];

const REQUEST_NAMES: Readonly<Record<RequestKind, string>> = {
  ping: "ping",
  metadata: "update_metadata in a room of 10",
  mute: "mute or unmute in a room of 10",
};

/** Prints the titles; `µs/packet` is what the benchmark is about. */
export function printForwardingHead(sockets: string, baseline: Percentiles): void {
  console.log(`Clients: ${sockets}`);
  console.log(`Loopback alone: p50 ${fixed(baseline.p50, 3)}, p99 ${fixed(baseline.p99, 3)} ms\n`);
  console.log(row(COLUMNS.map(([title]) => title)));
  console.log(COLUMNS.map(([, width]) => "-".repeat(Math.abs(width))).join("  "));
}

export function printRun(run: Run): void {
  console.log(row(COLUMNS.map(([, , cell]) => cell(run))));
}

export function printWorkers(figures: WorkersFigures): void {
  console.log(`\nWorkers, 4 rooms of 1 → 25`);
  console.log(
    `  one carries ${whole(figures.carried_by_one)} packets/s ` +
      `(${fixed(figures.cpu_us_per_packet_one, 2)} µs each), ` +
      `two ${whole(figures.carried_by_two)} (${
        fixed(figures.cpu_us_per_packet_two, 2)
      } µs each), ` +
      `balance ${fixed(figures.balance, 2)}: speed-up ${fixed(figures.speedup, 2)}`,
  );
}

export function printStorm(figures: StormFigures): void {
  const { quiet, storm } = figures;
  console.log(`\nA storm of joins beside a running call (a whole server)`);
  console.log(
    `  ${figures.joined} of ${figures.joins} joined, ${
      fixed(figures.joinsPerSecond, 1)
    } joins/s, ` +
      `median ${whole(figures.medianMs)} ms, slowest ${whole(figures.slowestMs)} ms, ` +
      `${fixed(figures.cpuMicrosPerJoin / 1000, 1)} ms CPU each`,
  );
  console.log(
    `  the call lost ${storm.lost} of ${storm.expected} packets ` +
      `(before the storm ${quiet.lost} of ${quiet.expected}); between two packets p99 ` +
      `${whole(storm.gapP99Ms)} ms, longest ${whole(storm.longestGapMs)} ms ` +
      `(before ${whole(quiet.gapP99Ms)} and ${whole(quiet.longestGapMs)})`,
  );
  console.log(
    `  read too late: ${figures.serverKernelDrops} by the server, ${storm.kernelDrops} by the callers`,
  );
}

export function printFlood(figures: DataFloodFigures): void {
  const { quietTurns, turns, quietCall, call, quietTalk, talk } = figures;
  console.log(`\nA flood of tiny messages, somebody else's to the same reader, and a call beside`);
  console.log(
    `  ${figures.arrived} of ${figures.sent} arrived in ${fixed(figures.wallMs / 1000, 1)} s, ` +
      `${fixed(figures.cpuMicrosPerMessage, 1)} µs CPU each`,
  );
  console.log(
    `  the main thread's timer was late by p99 ${fixed(turns.p99, 1)} ms, longest ` +
      `${fixed(turns.max, 1)} ms (before ${fixed(quietTurns.p99, 1)} and ${
        fixed(quietTurns.max, 1)
      })`,
  );
  console.log(
    `  somebody else's messages took p50 ${fixed(talk.p50, 1)} ms, p99 ${fixed(talk.p99, 1)} ms ` +
      `(before ${fixed(quietTalk.p50, 1)} and ${fixed(quietTalk.p99, 1)})`,
  );
  console.log(
    `  the call lost ${call.lost} of ${call.expected} packets; between two packets p99 ` +
      `${whole(call.gapP99Ms)} ms, longest ${whole(call.longestGapMs)} ms ` +
      `(before ${whole(quietCall.gapP99Ms)} and ${whole(quietCall.longestGapMs)})`,
  );
}

/** Prints the titles; of another server threads are not told apart. */
export function printJoinCostHead(): void {
  console.log(`\nA join, and a leave, when 300 others have come and gone: ms of the server's CPU`);
  console.log("  server      join    main  workers  others   leave clients  joins/s  median ms");
}

export function printJoinCost(row: JoinCostRow): void {
  const { server, us_per_join, us_per_join_by_thread: threads, failures } = row;
  const ms = (us: number) => fixed(us / 1000, 2).padStart(8);
  const parts = [threads.main, threads.workers, threads.others].map(ms).join("");
  const rate = `${whole(row.joins_per_s).padStart(9)}${whole(row.median_ms).padStart(11)}`;
  const failed = failures.length === 0 ? "" : `  (some failed: ${failures[0]})`;
  const beside = [row.us_per_leave, row.clients_us_per_join].map(ms).join("");
  console.log(`  ${server.padEnd(8)}${ms(us_per_join)}${parts}${beside}${rate}${failed}`);
}

/** Prints what the control plane costs. */
export function printControl({ crowd, requests, idle }: ControlFigures): void {
  const { size, failures, joinsPerSecond, medianMs, slowestMs, cpuMicrosPerJoin } = crowd;
  console.log(`\nA whole server, its process alone`);
  console.log(
    `  ${size} join at once: ${fixed(joinsPerSecond, 1)} joins/s to first media, ` +
      `median ${medianMs} ms, slowest ${slowestMs} ms, ` +
      `${fixed(cpuMicrosPerJoin / 1000, 1)} ms CPU each`,
  );
  if (failures.length > 0) console.log(`  ${failures.length} got none; the first: ${failures[0]}`);
  for (const { kind, sent, cpuMicros } of requests) {
    console.log(`  ${REQUEST_NAMES[kind]}: ${whole(cpuMicros)} µs CPU (of ${sent})`);
  }
  console.log(
    `  idle participant: ${whole(idle.rssBytes / 1e3)} kB RSS, ` +
      `${whole(idle.heapBytes / 1e3)} kB of it heap, ` +
      `${whole(idle.cpuMicros)} µs CPU per second, ` +
      `${whole(idle.silentCpuMicros)} of it beside keepalives (of ${idle.participants})`,
  );
}

/** Prints the titles; costs that are linear are the same per member in each room. */
export function printRoomsHead(): void {
  console.log(`\nSignalling of a room in which everybody publishes and receives everybody`);
  console.log("  µs CPU, and µs for each member");
  console.log("  members        a join    a publication      a leave     one offer");
}

export function printRoom(cost: RoomCost): void {
  const { members, joinMicros, publicationMicros, leaveMicros, offerMicros } = cost;
  const cells = [joinMicros, publicationMicros, leaveMicros, offerMicros].map((micros) =>
    `${whole(micros)} (${fixed(micros / members, 1)})`.padStart(15)
  );
  console.log(`  ${whole(members).padStart(7)}${cells.join("")}`);
}

/** Prints the titles. */
export function printDirectoryHead(): void {
  console.log(`\nWhat a question of a cluster's directory costs Redis`);
  console.log(`  ${"".padEnd(44)} µs of CPU  bytes in  bytes out`);
}

export function printDirectoryCost(cost: DirectoryCost): void {
  const { question, cpuMicros, bytesIn, bytesOut } = cost;
  const cells = [whole(cpuMicros).padStart(10), whole(bytesIn).padStart(10)];
  console.log(`  ${question.padEnd(44)}${cells.join("")}${whole(bytesOut).padStart(11)}`);
}

/** Prints the middle join and the slowest. */
export function printJoins({ connectedMs, firstFrameMs }: JoinTimes): void {
  const line = (what: string, values: readonly number[]) =>
    `${what}: median ${median(values)} ms, slowest ${Math.max(...values)} ms of ${values.length}`;
  console.log(`\nChromium to Chromium, from the call to connect`);
  console.log(line("  joined", connectedMs));
  console.log(line("  first decoded frame", firstFrameMs));
}

export function printSoakHead(seconds: number): void {
  console.log(`A soak of ${seconds} s`);
  console.log("      s   RSS MB  heap MB  fds  µs/packet  p50 ms   p99 ms");
}

export function printSample(sample: Sample): void {
  console.log([
    `${sample.atS}`.padStart(7),
    fixed(sample.rssBytes / 1e6, 0).padStart(7),
    fixed(sample.heapBytes / 1e6, 1).padStart(7),
    `${sample.descriptors}`.padStart(3),
    fixed(sample.cpuMicrosPerPacket, 2).padStart(9),
    fixed(sample.p50Ms, 2).padStart(6),
    fixed(sample.p99Ms, 2).padStart(7),
  ].join("  "));
}

export function printSoak(figures: SoakFigures): void {
  const pair = ([first, last]: readonly [number, number], digits: number, unit = 1) =>
    `${fixed(first / unit, digits)} → ${fixed(last / unit, digits)}`;
  console.log(`First third → last third (${figures.engine} engine)`);
  console.log(
    `  RSS ${pair(figures.rssBytes, 0, 1e6)} MB, outside V8's heap ` +
      `${pair(figures.outsideBytes, 0, 1e6)} MB, in it ${pair(figures.heapBytes, 1, 1e6)} MB: ` +
      (figures.isMemoryFlat ? "flat" : "NOT FLAT"),
  );
  console.log(
    `  p50 ${pair(figures.p50Ms, 2)} ms, p99 ${pair(figures.p99Ms, 2)} ms: ` +
      (figures.isLatencySteady ? "steady" : "DRIFTS"),
  );
  console.log(
    `  descriptors ${pair(figures.descriptors, 0)}: ` +
      (figures.leaksDescriptors ? "LEAKS" : "no leak"),
  );
  console.log(`  lost ${percent(figures.loss)}`);
}

/** Prints the figures with targets, and what is missing. */
export function printSummary(report: Report): void {
  const summary = summarize(report.runs, report.workers);
  if (report.runs.length > 0 || report.workers !== undefined) {
    console.log("");
    for (const [name, value] of Object.entries(summary)) {
      console.log(`${name}: ${value === null ? "not measured" : Number(value.toPrecision(4))}`);
    }
  }
  for (const line of report.missing) console.log(`Not measured: ${line}`);
}

function row(values: readonly string[]): string {
  return values.map((value, i) => {
    const width = COLUMNS[i]![1];
    return width < 0 ? value.padEnd(-width) : value.padStart(width);
  }).join("  ").trimEnd();
}

function fixed(value: number | undefined, digits: number): string {
  return value === undefined ? "" : value.toFixed(digits);
}

function whole(value: number | undefined): string {
  return value === undefined ? "" : Math.round(value).toLocaleString("en");
}

function percent(share: number | undefined): string {
  return share === undefined ? "" : `${(share * 100).toFixed(2)}%`;
}

function thousandth(value: number | undefined): number | undefined {
  return value === undefined ? undefined : value / 1000;
}
