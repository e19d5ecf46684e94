/**
 * A room that spans three nodes in two regions, each a whole server, with a Redis: what crosses
 * between nodes, what the way costs in time, and in memory.
 *
 * The publisher is at the first node, alone in its region. Of the two others, which share one, the
 * first to ask becomes the region's head, and the second is served by it: so subscribers are behind
 * none, one or two hops.
 *
 * @module
 */
import { BenchChild } from "../bench_child.ts";
import { redisPath } from "../../tests/support/process/e2e_requirements.ts";
import { PrometheusText } from "../../tests/support/process/prometheus_text.ts";
import { RedisServer } from "../../tests/support/process/redis_server.ts";
import { freeTcpPort } from "../../tests/support/process/roomwire_process.ts";
import type { Percentiles } from "../load/latency_histogram.ts";
import { processCost } from "./process_cost.ts";
import type { RelayCalls, Wants } from "./relay_calls.ts";
import { type ServerUnderLoad, startOwn } from "./server_under_load.ts";

const LOOPBACK = "127.0.0.1";
const REGIONS = ["eu", "us", "us"] as const;
/** Subscribers of each node, and for which layers they ask. */
const STEPS: readonly (readonly [number, Wants])[] = [
  [10, "best"],
  [40, "best"],
  [40, "all"],
  [100, "all"],
  [300, "few"],
];
const SETTLE_MS = 4_000;
/** So many joins at once keep two cores busy, and layers that gave way come back one by one. */
const STORM_SETTLE_MS = 25_000;
const WINDOW_MS = 10_000;

/** One node in one step; names are those of the JSON. */
export interface RelayNodeRow {
  readonly region: string;
  /** Hops between the publisher's engine and this node's. */
  readonly hops: number;
  /** RTP packets that reached subscribers. */
  readonly received_per_s: number;
  readonly loss: number;
  readonly voice_p50_ms: number;
  readonly voice_p99_ms: number;
  readonly cpu_share: number;
  readonly rss_bytes: number;
  /** Of this node's ends of hops. */
  readonly relay_memory_bytes: number;
  readonly relay_hops: number;
  /** Sent to other nodes. */
  readonly mbit_per_s_out: number;
  readonly datagrams_per_s_out: number;
}

/** One step. */
export interface RelayRow {
  readonly subscribers_per_node: number;
  readonly wants: Wants;
  readonly gather_ms: number;
  /** RTP to all subscribers. */
  readonly mbit_per_s_to_subscribers: number;
  readonly clients_cpu_share: number;
  readonly unread_by_clients: number;
  readonly nodes: readonly RelayNodeRow[];
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A node and where its metrics are. */
interface Node {
  readonly server: ServerUnderLoad;
  readonly region: string;
  readonly metricsUrl: string;
}

/** What a node had sent at one moment. */
interface Sent {
  readonly bytes: number;
  readonly datagrams: number;
  readonly memory: number;
  readonly hops: number;
  readonly at: number;
}

/** Measures all steps; `undefined` where there is no Redis. */
export async function measureRelays(
  flags: readonly string[],
  onRow: (row: RelayRow) => void,
): Promise<RelayRow[] | undefined> {
  if (redisPath() === undefined) return undefined;
  await using redis = await RedisServer.start();
  const nodes: Node[] = [];
  try {
    for (const region of REGIONS) nodes.push(await startNode(region, redis.port, flags));
    await using clients = new BenchChild<RelayCalls>("real_loads/relay_process.ts");
    const baseline = await clients.call("baseline", {});
    const rows: RelayRow[] = [];
    let present = 0;
    for (const [subscribers, wants] of STEPS) {
      const servers = nodes.map(({ server }) => server.access);
      const { ms } = await clients.call("gather", { servers, subscribers: subscribers - present });
      const before = present;
      present = subscribers;
      await clients.call("want", { wants });
      await pause(subscribers - before > 100 ? STORM_SETTLE_MS : SETTLE_MS);
      const row = await measureStep(clients, nodes, baseline, { subscribers, wants, ms });
      rows.push(row);
      onRow(row);
    }
    await clients.call("leave", {});
    return rows;
  } finally {
    for (const { server } of nodes) await server[Symbol.asyncDispose]();
  }
}

async function startNode(region: string, redis: number, flags: readonly string[]): Promise<Node> {
  const port = await freeTcpPort(LOOPBACK);
  const server = await startOwn("roomwire", "native", flags, {
    region,
    redis: { address: `${LOOPBACK}:${redis}` },
    prometheus: { port },
    // Three nodes and the clients share this machine.
    workers: 1,
  });
  return { server, region, metricsUrl: `http://${LOOPBACK}:${port}/` };
}

async function measureStep(
  clients: BenchChild<RelayCalls>,
  nodes: readonly Node[],
  baseline: Percentiles,
  { subscribers, wants, ms }: { subscribers: number; wants: Wants; ms: number },
): Promise<RelayRow> {
  const sentBefore = await Promise.all(nodes.map(sentBy));
  await clients.call("mark", {});
  const before = nodes.map(({ server }) => processCost(server.pid));
  const beganAt = performance.now();
  await pause(WINDOW_MS);
  const after = nodes.map(({ server }) => processCost(server.pid));
  const seconds = (performance.now() - beganAt) / 1_000;
  const seen = await clients.call("mark", {});
  const sentAfter = await Promise.all(nodes.map(sentBy));
  const perSecond = (count: number) => count / seen.wallMs * 1_000;
  return {
    subscribers_per_node: subscribers,
    wants,
    gather_ms: ms,
    mbit_per_s_to_subscribers: seen.nodes.reduce((sum, { bytes }) => sum + bytes, 0) * 8 /
      seen.wallMs / 1_000,
    clients_cpu_share: seen.cpuMicros / seen.wallMs / 1_000,
    unread_by_clients: seen.kernelDrops,
    nodes: seen.nodes.map(({ received, expected, lost, voice }, i) => {
      const [from, to] = [sentBefore[i]!, sentAfter[i]!];
      const sentSeconds = (to.at - from.at) / 1_000;
      return {
        region: nodes[i]!.region,
        hops: i,
        received_per_s: perSecond(received),
        loss: expected === 0 ? 0 : lost / expected,
        voice_p50_ms: Math.max(0, voice.p50 - baseline.p50),
        voice_p99_ms: Math.max(0, voice.p99 - baseline.p99),
        cpu_share: (after[i]!.cpuMicros - before[i]!.cpuMicros) / seconds / 1e6,
        rss_bytes: after[i]!.rssBytes,
        relay_memory_bytes: to.memory,
        relay_hops: to.hops,
        mbit_per_s_out: (to.bytes - from.bytes) * 8 / 1e6 / sentSeconds,
        datagrams_per_s_out: (to.datagrams - from.datagrams) / sentSeconds,
      };
    }),
  };
}

async function sentBy({ metricsUrl }: Node): Promise<Sent> {
  const response = await fetch(metricsUrl, { signal: AbortSignal.timeout(5_000) });
  const text = new PrometheusText(await response.text());
  const outgoing = { direction: "outgoing" };
  return {
    bytes: text.value("roomwire_relay_bytes_total", outgoing) ?? 0,
    datagrams: text.value("roomwire_relay_datagrams_total", outgoing) ?? 0,
    memory: text.value("roomwire_relay_memory_bytes") ?? 0,
    hops: text.value("roomwire_relay_hops") ?? 0,
    at: performance.now(),
  };
}
