import assert from "node:assert/strict";
import { drawLoads } from "../../../bench/report/load_plot.ts";
import { loadRatios, medianOf, summarizeLoads } from "../../../bench/report/load_summary.ts";
import type { LoadRow } from "../../../bench/real_loads/load_measurement.ts";

function row(scenario: string, server: string, micros: number | undefined, each = 0): LoadRow {
  return {
    scenario,
    title: scenario,
    server,
    profile: "pion",
    signalling: "v0",
    participants: 1,
    streams: 1,
    received_per_s: 12_000,
    mbit_per_s: 100,
    ...(micros === undefined ? {} : { us_per_packet: micros }),
    cpu_share: 0.1,
    us_per_participant_s: each,
    loss: 0,
    latency_p50_ms: 0,
    latency_p99_ms: 0,
    rss_bytes: 2e8,
    start_rss_bytes: 1e8,
    rss_bytes_per_participant: 5e5,
    reports_per_s: 0,
    checks_per_s: 0,
    gather_ms: 0,
    clients_cpu_share: 0,
    clients_longest_gap_ms: 0,
    unread_by_clients: 0,
    unread_by_server: 0,
  };
}

const cost = ({ us_per_packet }: LoadRow) => us_per_packet;

Deno.test("medianOf() takes the middle of the repetitions of one line", () => {
  const rows = [9, 1, 4].map((micros) => row("video-1-50", "roomwire", micros));
  rows.push(row("video-1-50", "peer", 100), row("video-1-10", "roomwire", 50));
  assert.equal(medianOf(rows, "video-1-50", "roomwire", cost), 4);
  assert.equal(medianOf(rows.slice(0, 2), "video-1-50", "roomwire", cost), 5);
  assert.equal(medianOf(rows, "video-6-40", "roomwire", cost), undefined);
});

Deno.test("summarizeLoads() has every key with a target, null where nothing was measured", () => {
  const rows = [
    row("video-1-50", "roomwire", 6),
    row("video-6-40", "portable", 5),
    row("data-1-20-100", "roomwire", 90),
    row("idle-200", "roomwire", undefined, 320),
  ];
  assert.deepEqual(summarizeLoads(rows), {
    us_per_packet_1_50: 6,
    us_per_packet_6_40: null,
    us_per_packet_audio_10_50: null,
    us_per_data_message: 90,
    idle_us_per_second: 320,
    idle_bytes: 5e5,
  });
});

Deno.test("loadRatios() compares servers under one load, by participants where no packets are", () => {
  const rows = [
    row("video-1-50", "roomwire", 6),
    row("video-1-50", "peer", 12),
    row("idle-200", "roomwire", undefined, 300),
    row("idle-200", "peer", undefined, 200),
    row("video-6-40", "roomwire", 6),
  ];
  assert.deepEqual(loadRatios(rows), [
    { scenario: "video-1-50", server: "roomwire", ratio: 0.5 },
    { scenario: "idle-200", server: "roomwire", ratio: 1.5 },
  ]);
});

Deno.test("drawLoads() has a point for each line with packets, and escapes titles", () => {
  const svg = drawLoads([
    { ...row("video-1-50", "roomwire", 6), title: "1 → 50 <&>" },
    row("video-1-50", "peer", 12),
    row("data-1-20-100", "roomwire", 90),
    row("idle-200", "roomwire", undefined, 300),
  ]);
  assert.equal([...svg.matchAll(/<circle /g)].length, 2);
  assert.ok(svg.includes("1 → 50 &lt;&amp;&gt;"));
  assert.doesNotMatch(svg, /NaN|Infinity/);
  assert.doesNotMatch(drawLoads([]), /NaN|Infinity/);
});
