/**
 * What Roomwire costs, beside werift and beside what is possible. See the README here.
 *
 * @module
 */
import { BenchChild, killAllChildren } from "./bench_child.ts";
import { type Part, readCommandLine, USAGE } from "./command_line.ts";
import { measureCongestion } from "./congestion/congestion_bench.ts";
import { drawCongestion } from "./congestion/congestion_plot.ts";
import * as congestionTable from "./congestion/congestion_table.ts";
import { measureFec, printFec } from "./congestion/fec_table.ts";
import { measureControlPlane } from "./control/control_cost.ts";
import { measureDirectory } from "./control/directory_cost.ts";
import { type JoinCostRow, measureJoinCost } from "./control/join_cost.ts";
import { measureJoins } from "./control/join_to_frame.ts";
import { measureRoomGrowth } from "./control/room_growth.ts";
import { measureStorm } from "./control/storm.ts";
import { measureDataFlood } from "./control/data_flood.ts";
import type { LoadCalls } from "./forwarding/forwarding_calls.ts";
import { measureTable, SFUS } from "./forwarding/forwarding_table.ts";
import { SCENARIOS } from "./forwarding/scenarios.ts";
import { soak } from "./forwarding/soak.ts";
import { measureWorkers } from "./forwarding/workers_speedup.ts";
import { LOAD_SCENARIOS, USUAL_LOADS } from "./real_loads/load_scenarios.ts";
import type { HopCostCalls } from "./forwarding/hop_cost.ts";
import { measureRelays } from "./real_loads/relay_load.ts";
import { measureLoads } from "./real_loads/load_table.ts";
import { peerServer, roomwire } from "./real_loads/server_under_load.ts";
import { drawLoads } from "./report/load_plot.ts";
import * as loadRows from "./report/load_rows.ts";
import { drawReport } from "./report/plot.ts";
import { type Report, reportJson } from "./report/summary.ts";
import * as relayRows from "./report/relay_rows.ts";
import * as tables from "./report/tables.ts";
import { LINE_MS, LOAD_MS, MIN_LINE_MS, RESERVE_MS, TimeBudget, TOTAL_MS } from "./time_budget.ts";

/** Beyond a soak's own time, ms. */
const AROUND_SOAK_MS = 120_000;

const options = readCommandLine(Deno.args, {
  scenarios: SCENARIOS.map(({ name }) => name),
  loads: LOAD_SCENARIOS.map(({ name }) => name),
  env: (name) => Deno.env.get(name),
});
if (typeof options === "string") {
  console.error(`${options}\n\n${USAGE}`);
  Deno.exit(2);
}
const loads = plannedLoads();
const totalMs = options.soak === undefined
  ? TOTAL_MS + loads.ms
  : options.soak * 1000 + AROUND_SOAK_MS;
const budget = new TimeBudget(totalMs);
const report: Report = { runs: [], loads: [], missing: [], machine: machine() };

function machine(): Report["machine"] {
  const { os, arch } = Deno.build;
  const memory = Deno.systemMemoryInfo().total;
  return { os, arch, cores: navigator.hardwareConcurrency, memory, deno: Deno.version.deno };
}

/** What the part with loads consists of, and the time it may take. */
function plannedLoads() {
  const { parts, loads: { scenarios, engines, reaches, peer, repeat } } = options as Exclude<
    typeof options,
    string
  >;
  const all = LOAD_SCENARIOS.map(({ name }) => name);
  const names = scenarios ?? (parts.length === 1 ? all : USUAL_LOADS);
  const servers = [
    ...engines.flatMap((engine) => reaches.map((reach) => roomwire(engine, reach))),
    ...(peer === undefined ? [] : [peerServer(peer)]),
  ];
  const lines = parts.includes("loads") ? names.length * servers.length * repeat : 0;
  return { names, servers, ms: lines * LOAD_MS };
}

function missing(what: string, reason: string): void {
  report.missing.push(`${what}: ${reason}`);
}

/** Time that the parts after this one need. */
function reservedAfter(part: Part): number {
  const { parts } = options as Exclude<typeof options, string>;
  const later = parts.slice(parts.indexOf(part) + 1);
  return later.reduce((sum, name) => sum + (RESERVE_MS[name] ?? 0), 0);
}

async function measureLoadsPart(): Promise<void> {
  const { loads: { repeat, profile, aheadMs, settleMs, signalling }, flags } = options as Exclude<
    typeof options,
    string
  >;
  const endsAt = performance.now() + loads.ms;
  loadRows.printLoadsHead(`${profile}, ${signalling}`);
  await measureLoads({
    scenarios: loads.names,
    servers: loads.servers,
    repeat,
    profile,
    ...(aheadMs === undefined ? {} : { aheadMs }),
    ...(settleMs === undefined ? {} : { settleMs }),
    signalling,
    flags,
    hasTime: () => performance.now() < endsAt,
    onRow: (row) => {
      report.loads.push(row);
      loadRows.printLoad(row);
    },
    onMissing: missing,
  });
  loadRows.printLoadSummary(report.loads);
  console.log("");
}

async function measureForwarding({ scenarios, engines, flags }: {
  readonly scenarios?: readonly string[];
  readonly engines: readonly string[];
  readonly flags: readonly string[];
}): Promise<void> {
  const load = new BenchChild<LoadCalls>("load/load_process.ts");
  report.sockets = (await load.call("hello", {})).sockets;
  const baseline = report.baseline = await load.call("baseline", {});
  await load[Symbol.asyncDispose]();
  tables.printForwardingHead(report.sockets, baseline);
  await measureTable({
    ...(scenarios === undefined ? {} : { scenarios }),
    engines,
    flags,
    baseline,
    lineLimitMs: () => {
      const leftMs = Math.min(LINE_MS, budget.leftMs(reservedAfter("forwarding")));
      return leftMs < MIN_LINE_MS ? undefined : leftMs;
    },
    onRun: (run) => {
      report.runs.push(run);
      tables.printRun(run);
    },
    onMissing: (scenario, engine, reason) => missing(`${scenario} ${engine}`, reason),
  });
}

async function measureWorkersPart(): Promise<void> {
  const limitMs = Math.min(RESERVE_MS.workers! * 2, budget.leftMs(reservedAfter("workers")));
  const measured = await measureWorkers(SFUS.native!, limitMs)
    .catch((error: Error) => {
      missing("workers, native engine", error.message);
      return measureWorkers(SFUS.portable!, limitMs);
    });
  report.workers = measured;
  tables.printWorkers(measured);
}

/** Servers in turns, as often as loads are. */
async function measureJoinCosts(): Promise<void> {
  const { loads: { repeat }, flags, parts } = options as Exclude<typeof options, string>;
  const rows: JoinCostRow[] = report.joins = [];
  tables.printJoinCostHead();
  for (let round = 0; round < repeat; round++) {
    // Beside everything else that is measured there is time for one.
    for (const server of parts.length === 1 ? loads.servers : loads.servers.slice(0, 1)) {
      const row = await measureJoinCost(server, flags);
      rows.push(row);
      tables.printJoinCost(row);
    }
  }
}

async function measureRelaysPart(): Promise<void> {
  const { flags } = options as Exclude<typeof options, string>;
  relayRows.printRelaysHead();
  {
    await using child = new BenchChild<HopCostCalls>("forwarding/hop_cost.ts");
    report.hop = await child.call("measure", {});
    relayRows.printHopCost(report.hop);
  }
  const rows = await measureRelays(flags, relayRows.printRelays);
  if (rows === undefined) return missing("a room on several nodes", "no redis-server here");
  report.relays = rows;
}

function measureCongestionPart(): Promise<void> {
  const { out } = options as Exclude<typeof options, string>;
  congestionTable.printCongestionHead();
  const rows = measureCongestion(congestionTable.printCongestion);
  for (const { name, failed } of rows) {
    if (failed.length > 0) missing(`gates of ${name}`, failed.join("; "));
  }
  Deno.mkdirSync(out, { recursive: true });
  Deno.writeTextFileSync(`${out}/congestion.svg`, drawCongestion(rows));
  report.congestion = rows.map(({ lines: _, ...row }) => row);
  printFec(measureFec());
  return Promise.resolve();
}

const PART_FUNCTIONS: Readonly<Record<Part, () => Promise<void>>> = {
  loads: measureLoadsPart,
  forwarding: () => measureForwarding(options as Exclude<typeof options, string>),
  workers: measureWorkersPart,
  storm: async () => {
    report.storm = await measureStorm();
    tables.printStorm(report.storm);
  },
  flood: async () => {
    report.flood = await measureDataFlood();
    tables.printFlood(report.flood);
  },
  joins: measureJoinCosts,
  control: async () => {
    report.control = await measureControlPlane();
    tables.printControl(report.control);
  },
  rooms: async () => {
    tables.printRoomsHead();
    report.rooms = await measureRoomGrowth(tables.printRoom);
  },
  directory: async () => {
    tables.printDirectoryHead();
    const costs = await measureDirectory(tables.printDirectoryCost);
    if (costs === undefined) return missing("the directory", "no redis-server here");
    report.directory = costs;
  },
  relays: measureRelaysPart,
  congestion: measureCongestionPart,
  join: async () => {
    const times = await measureJoins(() => budget.leftMs());
    if (times === undefined) return missing("join to first frame", "no Chromium here");
    report.join = times;
    tables.printJoins(times);
  },
};

async function runSoak(seconds: number, engines: readonly string[]): Promise<void> {
  const names = Object.keys(SFUS).filter((name) => engines.includes(name) && name !== "werift");
  for (const name of names) {
    tables.printSoakHead(seconds);
    try {
      report.soak = await soak(SFUS[name]!, seconds, tables.printSample);
      return tables.printSoak(report.soak);
    } catch (error) {
      missing(`soak, ${name} engine`, (error as Error).message);
    }
  }
}

/** Writes what there is and ends: Playwright, for one, leaves handles open. */
function finish(): never {
  const { out, isJson } = options as Exclude<typeof options, string>;
  killAllChildren();
  const json = reportJson(report);
  tables.printSummary(report);
  Deno.mkdirSync(out, { recursive: true });
  Deno.writeTextFileSync(`${out}/report.json`, `${JSON.stringify(json, null, 2)}\n`);
  Deno.writeTextFileSync(`${out}/report.svg`, drawReport(report.runs));
  Deno.writeTextFileSync(`${out}/loads.svg`, drawLoads(report.loads));
  if (isJson) console.log(JSON.stringify(json));
  Deno.exit(report.missing.length === 0 ? 0 : 1);
}

setTimeout(() => {
  missing("what comes later", `not done after ${Math.round(totalMs / 1000)} s`);
  finish();
}, totalMs);

if (options.soak !== undefined) await runSoak(options.soak, options.engines);
else {
  for (const part of options.parts) {
    await PART_FUNCTIONS[part]().catch((error: Error) => missing(part, error.message));
  }
}
finish();
