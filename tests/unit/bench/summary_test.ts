import assert from "node:assert/strict";
import { type Report, reportJson, type Run, summarize } from "../../../bench/report/summary.ts";

function run(scenario: string, engine: string, micros: number, fields: Partial<Run> = {}): Run {
  return {
    scenario,
    title: scenario,
    engine,
    engine_detail: engine,
    workers: 0,
    subscribers: 100,
    streams: 100,
    packets_per_s: 1e4,
    cpu_us_per_packet: micros,
    cpu_share: 0.5,
    packets_per_s_per_core: 1e6 / micros,
    loss: 0,
    ...fields,
  };
}

const RUNS = [
  run("video-100", "native", 5, { latency_p99_ms: 2.5, loss_half_load: 0 }),
  run("video-100", "portable", 16),
  run("video-100", "werift", 40),
  run("video-100", "c", 4),
  run("video-100", "c_gso", 2),
  run("frames-100", "native", 2),
  run("frames-100", "c", 4),
  run("video-10", "native", 7),
];

const WORKERS = {
  speedup: 1.9,
  carried_by_one: 100,
  carried_by_two: 150,
  cpu_us_per_packet_one: 4,
  cpu_us_per_packet_two: 4.2,
  balance: 1,
};

Deno.test("summarize() divides the lines of the same run", () => {
  assert.deepEqual(summarize(RUNS, WORKERS), {
    ratio_to_c_at_100: 1.25,
    ratio_to_werift_at_100: 8,
    portable_ratio_to_werift_at_100: 2.5,
    gso_ratio_to_c: 0.5,
    workers_speedup: 1.9,
    p99_ms_half_load: 2.5,
    loss_half_load: 0,
  });
});

Deno.test("summarize() says null where a line is missing, and invents nothing", () => {
  for (const missing of RUNS) {
    const summary = summarize(RUNS.filter((other) => other !== missing), undefined);
    const { scenario, engine } = missing;
    assert.equal(summary.workers_speedup, null);
    if (scenario === "video-100" && engine === "native") {
      assert.equal(summary.ratio_to_c_at_100, null);
      assert.equal(summary.ratio_to_werift_at_100, null);
      assert.equal(summary.p99_ms_half_load, null);
      assert.equal(summary.loss_half_load, null);
      assert.equal(summary.portable_ratio_to_werift_at_100, 2.5);
    }
    if (scenario === "video-100" && engine === "c") assert.equal(summary.ratio_to_c_at_100, null);
    if (engine === "werift") assert.equal(summary.ratio_to_werift_at_100, null);
    if (scenario === "frames-100") assert.equal(summary.gso_ratio_to_c, null);
  }
  assert.ok(Object.values(summarize([], undefined)).every((value) => value === null));
});

Deno.test("summarize() does not take a line with workers for one without", () => {
  const runs = [run("video-100", "native", 5, { workers: 2 }), run("video-100", "c", 4)];
  assert.equal(summarize(runs, undefined).ratio_to_c_at_100, null);
});

Deno.test("reportJson() is one flat object with the runs and the summary's keys", () => {
  const report: Report = {
    runs: RUNS,
    loads: [],
    missing: ["video-1000 werift: no time left"],
    machine: { os: "linux", arch: "x86_64", cores: 2, memory: 1, deno: "2.9.6" },
  };
  const json = JSON.parse(JSON.stringify(reportJson(report)));
  assert.equal(json.runs.length, RUNS.length);
  assert.deepEqual(json.runs[0], RUNS[0]);
  assert.equal(json.ratio_to_c_at_100, 1.25);
  assert.equal(json.workers_speedup, null);
  assert.deepEqual(json.missing, report.missing);
  assert.ok(!JSON.stringify(json).includes("\n"));
});
