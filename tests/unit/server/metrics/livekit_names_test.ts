/**
 * Dashboards made for LiveKit's server find its metrics here: names, types, labels and buckets as
 * in 1.13.5 (`pkg/telemetry/prometheus`; protocol, `webhook/stats.go`).
 */
import assert from "node:assert/strict";
import { createInstruments } from "../../../../lib/server/metrics/metrics_instruments.ts";
import { deploymentFile } from "../../../support/process/deployment_files.ts";
import { seriesNames } from "../../../support/process/prometheus_expression.ts";
import { parse } from "yaml";

const PACKET = ["direction", "transmission", "country"];
const FEEDBACK = ["direction", "country"];
const STREAM = ["direction", "source", "type", "country"];
const PERCENT = [0, 0.1, 0.3, 0.5, 0.7, 1, 5, 10, 40, 100];

const COUNTERS: Readonly<Record<string, readonly string[]>> = {
  livekit_node_messages: ["type", "status", "direction"],
  livekit_node_service_operation: ["type", "status", "error_type"],
  livekit_node_twirp_request_status: ["service", "method", "status", "code"],
  livekit_packet_total: PACKET,
  livekit_packet_bytes: PACKET,
  livekit_nack_total: FEEDBACK,
  livekit_pli_total: FEEDBACK,
  livekit_fir_total: FEEDBACK,
  livekit_packet_loss_total: STREAM,
  livekit_packet_out_of_order_total: STREAM,
  // `warp` is of newer servers; it is one value here, so sums are what they were.
  livekit_participant_join_total: ["state", "warp"],
  livekit_track_publish_counter: ["kind", "state"],
  livekit_track_subscribe_counter: ["state", "error"],
  livekit_peer_connection_state: ["transport", "state"],
  livekit_webhook_dispatch_total: ["status", "reason"],
};

const GAUGES: Readonly<Record<string, readonly string[]>> = {
  livekit_node_packet_total: ["type"],
  livekit_connection_total: ["kind"],
  livekit_forward_latency: [],
  livekit_forward_jitter: [],
  livekit_room_total: [],
  livekit_participant_total: [],
  livekit_track_published_total: ["kind"],
  livekit_track_subscribed_total: ["kind"],
};

/** With buckets; a first, a last and a count stand for those in between. */
const HISTOGRAMS: Readonly<
  Record<
    string,
    readonly [
      labels: readonly string[],
      buckets: readonly number[] | { from: number; to: number; count: number },
    ]
  >
> = {
  livekit_node_twirp_request_latency_ms: [
    ["service", "method", "status"],
    [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000],
  ],
  livekit_packet_loss_percent: [STREAM, PERCENT],
  livekit_packet_out_of_order_percent: [STREAM, PERCENT],
  livekit_jitter_us: [
    STREAM,
    [1000, 10_000, 30_000, 50_000, 70_000, 100_000, 300_000, 600_000, 1_000_000],
  ],
  livekit_rtt_ms: [STREAM, [50, 100, 150, 200, 250, 500, 750, 1000, 5000, 10_000]],
  livekit_forward_latency_ns: [
    [],
    [50_000, 100_000, 250_000, 500_000, 1e6, 2e6, 3e6, 5e6, 1e7, 2e7],
  ],
  livekit_room_duration_seconds: [
    [],
    [5, 10, 60, 300, 600, 1800, 3600, 7200, 18_000, 36_000],
  ],
  livekit_session_join_latency_ms: [["protocol_version"], { from: 10, to: 10_000, count: 15 }],
  livekit_session_start_time_ms: [
    ["protocol_version", "warp"],
    { from: 100, to: 10_000, count: 15 },
  ],
  livekit_session_duration_ms: [["protocol_version"], { from: 100, to: 14_400_000, count: 15 }],
  livekit_pubsubtime_ms: [
    [...STREAM, "sdk", "kind", "count"],
    [100, 200, 500, 700, 1000, 5000, 10_000],
  ],
  livekit_quality_rating: [[], [0, 1, 2]],
  livekit_quality_score: [[], [1, 2, 2.5, 3, 3.25, 3.5, 3.75, 4, 4.25, 4.5]],
  livekit_datapacket_stream_dest_count: [
    ["type", "mime_type"],
    [1, 2, 3, 4, 5, 10, 15, 25, 50],
  ],
  livekit_datapacket_stream_bytes: [
    ["type", "mime_type"],
    [128, 512, 2048, 8192, 32_768, 131_072, 524_288, 2_097_152, 8_388_608, 33_554_432],
  ],
  livekit_webhook_queue_length: [[], [1, 2, 3, 4, 5, 10, 20, 40, 80]],
};

/** What is here and says what Go's own library says of a process. */
const PROCESS = [
  "process_cpu_seconds_total",
  "process_max_fds",
  "process_open_fds",
  "process_resident_memory_bytes",
  "process_start_time_seconds",
];

/** As much of an instrument as is compared. */
interface Instrument {
  readonly name: string;
  readonly type: string;
  readonly labelNames: readonly string[];
  readonly upperBounds?: readonly number[];
}

function instruments(): Map<string, Instrument> {
  const { registry } = createInstruments({ node_id: "ND_a", node_type: "SERVER" });
  const all = registry.getMetricsAsArray() as unknown as Instrument[];
  return new Map(all.map((one) => [one.name, one]));
}

Deno.test("livekit_* metrics have LiveKit's names, types, labels and buckets", () => {
  const all = instruments();
  for (const [type, wanted] of [["counter", COUNTERS], ["gauge", GAUGES]] as const) {
    for (const [name, labels] of Object.entries(wanted)) {
      assert.equal(all.get(name)?.type, type, name);
      assert.deepEqual([...all.get(name)!.labelNames].sort(), [...labels].sort(), name);
    }
  }
  for (const [name, [labels, buckets]] of Object.entries(HISTOGRAMS)) {
    const { type, labelNames, upperBounds = [] } = all.get(name)!;
    assert.equal(type, "histogram", name);
    assert.deepEqual([...labelNames].sort(), [...labels].sort(), name);
    if (!("from" in buckets)) {
      assert.deepEqual(upperBounds, buckets, name);
      continue;
    }
    assert.equal(upperBounds.length, buckets.count, name);
    const factor = (buckets.to / buckets.from) ** (1 / (buckets.count - 1));
    for (const [index, bound] of upperBounds.entries()) {
      const wanted = buckets.from * factor ** index;
      assert.ok(Math.abs(bound / wanted - 1) < 1e-9, `${name}: ${bound}, not ${wanted}`);
    }
  }
  for (const name of PROCESS) assert.ok(all.has(name), name);
});

Deno.test("a metric is LiveKit's, of the process, or called ours", () => {
  const theirs = [COUNTERS, GAUGES, HISTOGRAMS].flatMap((names) => Object.keys(names));
  const known = new Set([...theirs, ...PROCESS]);
  const others = [...instruments().keys()].filter((name) => !known.has(name));
  assert.deepEqual(others.filter((name) => !name.startsWith("roomwire_")), []);
});

/** Labels that an expression names, but for those that Prometheus itself gives. */
function labelsOf(expression: string): string[] {
  const matched = [...expression.matchAll(/\{([^}]*)\}/g)]
    .flatMap(([, list]) => [...list!.matchAll(/(\w+)\s*[=!]/g)].map(([, label]) => label!));
  const grouped = [...expression.matchAll(/\b(?:by|without|on|ignoring)\s*\(([^)]*)\)/g)]
    .flatMap(([, list]) => list!.split(",").map((label) => label.trim()));
  const given = ["", "job", "instance", "le", "node_id", "node_type"];
  return [...matched, ...grouped].filter((label) => !given.includes(label));
}

/** Every expression of the dashboard and the alerts, by where it stands. */
function deployedExpressions(): [place: string, expression: string][] {
  const { panels, annotations } = JSON.parse(deploymentFile("grafana/roomwire.json"));
  const { groups } = parse(deploymentFile("prometheus/alerts.yaml"));
  return [
    ...panels.flatMap(({ title, targets = [] }: { title: string; targets: { expr: string }[] }) =>
      targets.map(({ expr }) => [title, expr])
    ),
    ...annotations.list.map(({ name, expr }: { name: string; expr: string }) => [name, expr]),
    ...groups.flatMap(({ rules }: { rules: { alert: string; expr: string }[] }) =>
      rules.map(({ alert, expr }) => [alert, expr])
    ),
  ];
}

Deno.test("deploy/grafana and deploy/prometheus ask for series and labels that there are", () => {
  const all = instruments();
  const series = new Map(
    [...all].flatMap(([name, { type, labelNames }]) =>
      (type === "histogram" ? ["_bucket", "_sum", "_count"] : [""])
        .map((suffix) => [name + suffix, labelNames] as const)
    ),
  );
  const expressions = deployedExpressions();
  assert.ok(expressions.length > 60);
  for (const [place, expression] of expressions) {
    const names = seriesNames(expression);
    assert.ok(names.length > 0 || expression.startsWith("up{"), place);
    for (const name of names) assert.ok(series.has(name), `${place}: ${name}`);
    const labels = new Set(names.flatMap((name) => series.get(name)!));
    for (const label of labelsOf(expression)) {
      assert.ok(labels.has(label), `${place}: ${label} in ${expression}`);
    }
  }
});

Deno.test("deploy/prometheus names reasons of drops that there are", () => {
  const known = Deno.readTextFileSync(new URL("../../../../docs/drops.md", import.meta.url));
  const named = deployedExpressions().flatMap(([, expression]) =>
    [...expression.matchAll(/reason=~"([^"]*)"/g)].flatMap(([, list]) => list!.split("|"))
  );
  assert.ok(named.length > 3);
  for (const reason of named) assert.ok(known.includes(`\`${reason}\``), reason);
});

Deno.test("deploy/grafana has panels that do not overlap, each with a name of its own", () => {
  const { panels } = JSON.parse(deploymentFile("grafana/roomwire.json"));
  const taken = new Set<string>();
  const ids = new Set<number>();
  for (const { id, title, gridPos: { x, y, w, h } } of panels) {
    assert.ok(!ids.has(id) && title !== "" && x + w <= 24, title);
    ids.add(id);
    for (let column = x; column < x + w; column++) {
      for (let line = y; line < y + h; line++) {
        assert.ok(!taken.has(`${column} ${line}`), `${title} overlaps`);
        taken.add(`${column} ${line}`);
      }
    }
  }
});

Deno.test("deploy/prometheus has alerts that say what they mean and what to do", () => {
  const { groups } = parse(deploymentFile("prometheus/alerts.yaml"));
  for (const { rules } of groups) {
    for (const { alert, labels, annotations } of rules) {
      assert.match(alert, /^Roomwire[A-Z]/);
      assert.match(labels.severity, /^(?:critical|warning)$/, alert);
      assert.ok(annotations.summary.length > 20 && annotations.description.length > 40, alert);
    }
  }
  const { rule_files, scrape_configs } = parse(deploymentFile("prometheus/prometheus.yaml"));
  assert.deepEqual(rule_files, ["alerts.yaml"]);
  assert.deepEqual(scrape_configs.map(({ job_name }: { job_name: string }) => job_name), [
    "roomwire",
  ]);
});
