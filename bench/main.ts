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
import { printJoins, printTable, type Result } from "./report.ts";
import {
  ENGINE_WORKLOADS,
  WARM_UP_MS,
  WERIFT_WORKLOADS,
  WINDOW_MS,
  type Workload,
} from "./workload.ts";

/** Handshakes at once: more make them time out on a small machine. */
const HANDSHAKE_BATCH = 20;

async function run(name: string, script: string, workload: Workload, flags: string[]) {
  await using sfu = new BenchChild<SfuCalls>(script, flags);
  await using clients = new BenchChild<ClientCalls>("clients_process.ts");
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
  const result: Result = { name, workload, measurement, published, received, connectMs };
  return result;
}

const args = new Set(Deno.args);
const only = Deno.args.find((arg) => arg.startsWith("--subscribers="))?.slice(14).split(",");
const wanted = (workload: Workload) => only?.includes(`${workload.subscribers}`) ?? true;
const flags = args.has("--cpu-prof") ? ["--cpu-prof"] : [];
const results: Result[] = [];
for (const workload of ENGINE_WORKLOADS.filter(wanted)) {
  results.push(await run("Roomwire, portable engine", "engine_process.ts", workload, flags));
}
if (!args.has("--engine-only")) {
  for (const workload of WERIFT_WORKLOADS.filter(wanted)) {
    results.push(await run("werift RTCPeerConnection", "werift_process.ts", workload, flags));
  }
}
const joins = args.has("--engine-only") ? undefined : await measureJoins();
if (args.has("--json")) console.log(JSON.stringify({ results, joins }, null, 2));
else {
  printTable(results);
  if (joins !== undefined) printJoins(joins);
}
Deno.exit(0); // Playwright leaves handles open
