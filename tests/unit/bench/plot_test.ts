import assert from "node:assert/strict";
import { drawReport, escapeXml, tickStep } from "../../../bench/report/plot.ts";
import type { Run } from "../../../bench/report/summary.ts";

function run(scenario: string, title: string, engine: string, micros: number): Run {
  return {
    scenario,
    title,
    engine,
    engine_detail: "",
    workers: 0,
    subscribers: 1,
    streams: 1,
    packets_per_s: 1,
    cpu_us_per_packet: micros,
    cpu_share: 1,
    packets_per_s_per_core: 1,
    loss: 0,
  };
}

/** Heights of the bars with this engine's name. */
function heights(svg: string, engine: string): number[] {
  const bar = new RegExp(`height="([\\d.]+)" fill="#[0-9a-f]{6}"><title>${engine}<`, "g");
  return [...svg.matchAll(bar)].map(([, height]) => Number(height));
}

Deno.test("escapeXml() leaves nothing that could end or begin markup", () => {
  assert.equal(
    escapeXml(`<a b="c" d='e'>&amp;`),
    "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;amp;",
  );
});

Deno.test("drawReport() escapes titles", () => {
  const svg = drawReport([run("x", `a < b & "c" <script>`, "native", 4)]);
  assert.ok(svg.includes("a &lt; b &amp; &quot;c&quot; &lt;script&gt;"));
  assert.ok(!svg.includes("<script>"));
});

Deno.test("drawReport() draws bars as high as their costs", () => {
  const svg = drawReport([
    run("a", "A", "native", 4),
    run("a", "A", "werift", 40),
    run("b", "B", "native", 8),
  ]);
  const [a, b] = heights(svg, "native");
  const [werift] = heights(svg, "werift");
  assert.ok(Math.abs(b! / a! - 2) < 0.01);
  assert.ok(Math.abs(werift! / a! - 10) < 0.05);
});

Deno.test("drawReport() keeps everything inside, is balanced, and takes an empty report", () => {
  for (const micros of [0.001, 0.9, 3, 49, 1e5]) {
    const svg = drawReport([run("a", "A", "c", micros), run("b", "B", "native", micros / 3)]);
    for (const [, y] of svg.matchAll(/ y="(-?[\d.]+)"/g)) assert.ok(Number(y) > 0, `${micros}`);
    assert.ok(!/NaN|undefined|Infinity/.test(svg));
  }
  const empty = drawReport([]);
  assert.ok(empty.startsWith("<svg ") && empty.endsWith("</svg>\n"));
  assert.ok(!/NaN|undefined|Infinity/.test(empty));
});

Deno.test("tickStep() gives two to six round steps up to any number", () => {
  for (let highest = 0.0123; highest < 1e6; highest *= 1.37) {
    const step = tickStep(highest);
    assert.match(step.toExponential(), /^[125](?:e|\.0)/);
    assert.ok(highest / step <= 6 && highest / step >= 2, `${highest} by ${step}`);
  }
});
