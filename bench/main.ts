/**
 * `deno task bench`: what forwarding costs, in CPU time of the SFU's process alone, and how long a
 * join takes to the first decoded frame. See README.md beside this file.
 *
 *     deno task bench [--json] [--engine-only] [--subscribers=10,100] [--cpu-prof]
 *
 * @module
 */
import { BenchChild, type ClientCalls, type SfuCalls } from "./bench_child.ts";
import { measureJoins } from "./join_to_frame.ts";
import { printHead, printJoins, printRow, type Result } from "./report.ts";
import {
  ENGINE_WORKLOADS,
  WARM_UP_MS,
  WERIFT_WORKLOADS,
  WINDOW_MS,
  type Workload,
} from "./workload.ts";

/** Handshakes at once: more make them time out on a small machine. */
const HANDSHAKE_BATCH = 20;

/** The longest a line may take, ms; only werift with hundreds of connections comes near. */
const LINE_LIMIT_MS = 45_000;

/** Measures one line; `undefined` if it took too long. */
async function run(
  name: string,
  script: string,
  workload: Workload,
  flags: string[],
): Promise<Result | undefined> {
  await using sfu = new BenchChild<SfuCalls>(script, flags);
  await using clients = new BenchChild<ClientCalls>("clients_process.ts");
  let isLate = false;
  const limit = setTimeout(() => {
    isLate = true;
    sfu.kill();
    clients.kill();
  }, LINE_LIMIT_MS);
  try {
    return await measureLine(name, workload, sfu, clients);
  } catch (error) {
    if (!isLate) throw error;
    return undefined;
  } finally {
    clearTimeout(limit);
  }
}

async function measureLine(
  name: string,
  workload: Workload,
  sfu: BenchChild<SfuCalls>,
  clients: BenchChild<ClientCalls>,
): Promise<Result> {
  const hello = await clients.call("hello", {});
  const startedAt = performance.now();
  for (let left = workload.subscribers + 1; left > 0;) {
    const count = Math.min(left, HANDSHAKE_BATCH);
    const endpoints = await sfu.call("open", { ...hello, count });
    await clients.call("connect", { endpoints });
    left -= count;
  }
  const connectMs = performance.now() - startedAt;
  await sfu.call("subscribe", {});
  await clients.call("publish", { packetsPerSecond: workload.packetsPerSecond });
  await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS));
  const measurement = await sfu.call("measure", { ms: WINDOW_MS });
  const { published, received } = await clients.call("stop", {});
  return { name, workload, measurement, published, received, connectMs };
}

const args = new Set(Deno.args);
const only = Deno.args.find((arg) => arg.startsWith("--subscribers="))?.slice(14).split(",");
const wanted = (workload: Workload) => only?.includes(`${workload.subscribers}`) ?? true;
const flags = args.has("--cpu-prof") ? ["--cpu-prof"] : [];
const isJson = args.has("--json");
const results: Result[] = [];

async function measureAll(name: string, script: string, workloads: readonly Workload[]) {
  for (const workload of workloads.filter(wanted)) {
    const result = await run(name, script, workload, flags);
    if (result !== undefined) results.push(result);
    if (!isJson) printRow(name, workload, result);
  }
}

if (!isJson) printHead();
await measureAll("Roomwire, portable engine", "engine_process.ts", ENGINE_WORKLOADS);
if (!args.has("--engine-only")) {
  await measureAll("werift RTCPeerConnection", "werift_process.ts", WERIFT_WORKLOADS);
}
const joins = args.has("--engine-only") ? undefined : await measureJoins();
if (isJson) console.log(JSON.stringify({ results, joins }, null, 2));
else if (joins !== undefined) printJoins(joins);
Deno.exit(0); // Playwright leaves handles open
