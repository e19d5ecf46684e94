/**
 * `deno task bench`: what forwarding costs, in CPU time of the SFU's process alone; what joins,
 * signalling messages and idle participants cost a whole server; and how long a join takes to the
 * first decoded frame. See README.md beside this file.
 *
 *     deno task bench [--json] [--only=media|control|join] [--subscribers=10,100] [--engine-only]
 *                     [--cpu-prof]
 *
 * It ends by itself within four minutes, whatever happens.
 *
 * @module
 */
import { killAllChildren } from "./bench_child.ts";
import { type ControlFigures, measureControlPlane } from "./control_cost.ts";
import { measureForwarding, type Sfu } from "./forwarding_cost.ts";
import { type JoinTimes, measureJoins } from "./join_to_frame.ts";
import { printControl, printHead, printJoins, printRow, type Result } from "./report.ts";
import {
  ENGINE_WORKLOADS,
  LINE_MS,
  OTHERWISE_MS,
  RESERVE_MS,
  TOTAL_MS,
  WERIFT_WORKLOADS,
  type Workload,
} from "./workload.ts";

const ROOMWIRE: Sfu = { name: "Roomwire, portable engine", script: "engine_process.ts" };
const SLOW_ROOMWIRE: Sfu = { ...ROOMWIRE, name: "Roomwire at werift's rate" };
const WERIFT: Sfu = { name: "werift RTCPeerConnection", script: "werift_process.ts" };

/** Everything measured, as `--json` prints it. */
interface Figures {
  readonly forwarding: Result[];
  control?: ControlFigures;
  join?: JoinTimes;
  /** What could not be measured and why. */
  readonly missing: string[];
}

const args = new Set(Deno.args);
const option = (name: string) =>
  Deno.args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
const only = option("only") ?? (args.has("--engine-only") ? "media" : undefined);
const sizes = option("subscribers")?.split(",");
const isJson = args.has("--json");
const flags = args.has("--cpu-prof") ? ["--cpu-prof"] : [];
const figures: Figures = { forwarding: [], missing: [] };
const endsAt = performance.now() + TOTAL_MS;
const leftMs = () => endsAt - performance.now();

async function measureLine(sfu: Sfu, { otherwise, ...workload }: Workload): Promise<void> {
  const reserveMs = RESERVE_MS + (otherwise === undefined ? 0 : OTHERWISE_MS);
  const limitMs = Math.min(LINE_MS, leftMs() - reserveMs);
  const outcome = limitMs < 10_000
    ? "no time left"
    : await measureForwarding(sfu, workload, limitMs, flags);
  if (!isJson) printRow(sfu.name, workload, outcome);
  if (typeof outcome !== "string") figures.forwarding.push(outcome);
  else {
    figures.missing.push(`${sfu.name}, ${workload.subscribers} subscribers: ${outcome}`);
    if (otherwise !== undefined) await measureLine(sfu, otherwise);
  }
}

async function measureMedia(): Promise<void> {
  if (!isJson) printHead();
  const wanted = (workload: Workload) => sizes?.includes(`${workload.subscribers}`) ?? true;
  for (const workload of ENGINE_WORKLOADS.filter(wanted)) await measureLine(ROOMWIRE, workload);
  if (args.has("--engine-only")) return;
  for (const workload of WERIFT_WORKLOADS.filter(wanted)) {
    // With 500 this would take longer than what it tells is worth.
    if (workload.otherwise === undefined) await measureLine(SLOW_ROOMWIRE, workload);
  }
  for (const workload of WERIFT_WORKLOADS.filter(wanted)) await measureLine(WERIFT, workload);
}

async function measureControl(): Promise<void> {
  figures.control = await measureControlPlane();
  if (!isJson) printControl(figures.control);
}

async function measureJoin(): Promise<void> {
  const times = await measureJoins(leftMs);
  if (times === undefined) figures.missing.push("join to first frame: no Chromium here");
  else {
    figures.join = times;
    if (!isJson) printJoins(times);
  }
}

/** Prints what there is and ends: Playwright, for one, leaves handles open. */
function finish(): never {
  if (isJson) console.log(JSON.stringify(figures));
  else for (const line of figures.missing) console.log(`Not measured: ${line}`);
  killAllChildren();
  Deno.exit(figures.missing.length === 0 ? 0 : 1);
}

setTimeout(() => {
  figures.missing.push(`what comes after ${Math.round(TOTAL_MS / 1000)} s`);
  finish();
}, TOTAL_MS);

const parts = { media: measureMedia, control: measureControl, join: measureJoin };
if (only !== undefined && !(only in parts)) {
  console.error(`--only takes ${Object.keys(parts).join(", ")}; got "${only}"`);
  Deno.exit(2);
}
for (const [name, measure] of Object.entries(parts)) {
  if (only !== undefined && only !== name) continue;
  try {
    await measure();
  } catch (error) {
    figures.missing.push(`${name}: ${(error as Error).message}`);
  }
}
finish();
