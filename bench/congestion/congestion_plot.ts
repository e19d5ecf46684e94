/**
 * What flows did with a bottleneck over time: small charts side by side. Pure; plain SVG 1.1 that
 * any browser shows.
 *
 * @module
 */
import { escapeXml, tickStep } from "../report/plot.ts";
import { type CongestionRow, POINT_MS } from "./congestion_bench.ts";

const WIDTH = 960;
const COLUMNS = 2;
const PANEL = { width: 400, height: 150 };
const LEFT = 50;
const TOP = 60;
const GAP = { x: 70, y: 70 };
/** Of flows; colours that also differ in brightness. */
const COLOURS = ["#1b6ca8", "#e07b39", "#7fb8e0", "#7a5195", "#58a55c"];
const CAPACITY = "#bdbdbd";
/** Those that say more than their line of the table. */
const DRAWN = [
  "5.1",
  "5.2",
  "5.4",
  "5.6",
  "5.8",
  "join-5",
  "breakdown",
  "starved",
  "stalls",
  "tcp",
];

/** Draws capacity, estimates (thin) and what arrived (thick) of some cases. */
export function drawCongestion(rows: readonly CongestionRow[]): string {
  const drawn = rows.filter(({ name }) => DRAWN.includes(name));
  const lines = Math.ceil(drawn.length / COLUMNS);
  const height = TOP + lines * (PANEL.height + GAP.y);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" ` +
    `viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    text(LEFT, 22, "Mbit/s over seconds: capacity (grey), estimates (thin), arrived (thick)", 15),
    ...drawn.flatMap((row, i) => {
      const left = LEFT + (i % COLUMNS) * (PANEL.width + GAP.x);
      const top = TOP + Math.floor(i / COLUMNS) * (PANEL.height + GAP.y);
      return drawPanel(row, left, top);
    }),
    "</svg>",
    "",
  ].join("\n");
}

function drawPanel({ name, title, lines }: CongestionRow, left: number, top: number): string[] {
  const { capacity, estimates, received } = lines;
  const highest = Math.max(...capacity, ...received.flat()) * 1.2;
  const step = tickStep(highest);
  const seconds = capacity.length * POINT_MS / 1_000;
  const secondStep = tickStep(seconds);
  const x = (i: number) => left + PANEL.width * i / Math.max(1, capacity.length - 1);
  const y = (mbps: number) => top + PANEL.height * (1 - Math.min(mbps, highest) / highest);
  const line = (values: readonly number[], colour: string, width: number) =>
    `<polyline fill="none" stroke="${colour}" stroke-width="${width}" points="${
      values.map((value, i) => `${fixed(x(i))},${fixed(y(value))}`).join(" ")
    }"/>`;
  const ticks = Array.from({ length: Math.floor(highest / step) + 1 }, (_, i) => i * step);
  const times = Array.from(
    { length: Math.floor(seconds / secondStep) + 1 },
    (_, i) => i * secondStep,
  );
  return [
    text(left, top - 8, `${name}: ${title}`, 12),
    ...ticks.flatMap((value) => [
      `<line x1="${left}" x2="${left + PANEL.width}" y1="${fixed(y(value))}" ` +
      `y2="${fixed(y(value))}" stroke="#eeeeee"/>`,
      text(left - 6, y(value) + 4, `${Number(value.toPrecision(3))}`, 10, "end"),
    ]),
    ...times.map((at) =>
      text(x(at * 1_000 / POINT_MS), top + PANEL.height + 14, `${at}`, 10, "middle")
    ),
    line(capacity, CAPACITY, 2),
    ...estimates.map((values, i) => line(values, COLOURS[i % COLOURS.length]!, 0.7)),
    ...received.map((values, i) => line(values, COLOURS[i % COLOURS.length]!, 1.6)),
  ];
}

function text(x: number, y: number, value: string, size: number, anchor = "start"): string {
  return `<text x="${fixed(x)}" y="${fixed(y)}" font-size="${size}" text-anchor="${anchor}">` +
    `${escapeXml(value)}</text>`;
}

function fixed(value: number): string {
  return `${Number(value.toFixed(1))}`;
}
