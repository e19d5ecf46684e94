/**
 * A whole Roomwire server, alone in its process, run as `main.ts` runs it.
 *
 * @module
 */
import process from "node:process";
import { parseConfig } from "../../lib/server/config/config_parsing.ts";
import { createLog } from "../../lib/server/logging.ts";
import { serve } from "../../lib/server/serve.ts";
import {
  freeTcpPort,
  freeUdpPort,
  TEST_KEY,
  TEST_SECRET,
} from "../../tests/support/process/roomwire_process.ts";
import { answerCalls } from "../bench_child.ts";
import { kernelDrops } from "../kernel_drops.ts";
import { LatencyHistogram } from "../load/latency_histogram.ts";
import type { ServerAccess } from "../real_loads/loads_calls.ts";
import type { ServerCalls } from "./control_calls.ts";

const LOOPBACK = "127.0.0.1";
const TURN_TIMER_MS = 1;

/** How late the main thread's timer was; it runs from the first question on. */
const turns = new LatencyHistogram();
let turnTimer: ReturnType<typeof setInterval> | undefined;

function watchTurns(): void {
  let dueAt = performance.now() + TURN_TIMER_MS;
  turnTimer ??= setInterval(() => {
    const now = performance.now();
    turns.add((now - dueAt) * 1000);
    dueAt = now + TURN_TIMER_MS;
  }, TURN_TIMER_MS);
}

async function listen(): Promise<ServerAccess> {
  const config = parseConfig({
    port: await freeTcpPort(LOOPBACK),
    bind_addresses: [LOOPBACK],
    keys: { [TEST_KEY]: TEST_SECRET },
    rtc: {
      udp_port: await freeUdpPort(LOOPBACK),
      tcp_port: await freeTcpPort(LOOPBACK),
      node_ip: LOOPBACK,
      enable_loopback_candidate: true,
    },
  });
  // Lines are made as in production and then dropped: standard output is for the answers.
  const log = createLog({ level: "info", format: "json", write: () => {} });
  const listening = Promise.withResolvers<void>();
  serve(config, log, { onListening: () => listening.resolve() }).catch(listening.reject);
  await listening.promise;
  return { url: `ws://${LOOPBACK}:${config.port}`, key: TEST_KEY, secret: TEST_SECRET };
}

await answerCalls<ServerCalls>({
  listen,
  usage: async ({ collect }) => {
    const { user, system } = process.cpuUsage();
    // Present because this process is started with the flags of the start task.
    if (collect) (globalThis as unknown as { gc(): void }).gc();
    const { rss, heapUsed, external } = Deno.memoryUsage();
    return {
      cpuMicros: user + system,
      rssBytes: rss,
      heapBytes: heapUsed + external,
    };
  },
  // Looking through the descriptors is work, which is not to count as the server's.
  unread: () => Promise.resolve({ kernelDrops: kernelDrops() }),
  turns: () => {
    const seen = turns.percentiles();
    turns.clear();
    watchTurns();
    return Promise.resolve(seen);
  },
});
