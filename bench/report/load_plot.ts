/**
 * The cost per packet over the load, on a logarithmic scale of packets per second. Pure; plain SVG
 * 1.1 that any browser shows.
 *
 * @module
 */
import type { LoadRow } from "../real_loads/load_measurement.ts";
import { medianOf } from "./load_summary.ts";
import { escapeXml, tickStep } from "./plot.ts";

const WIDTH = 960;
const PLOT_HEIGHT = 360;
const MARGIN = { top: 64, right: 24, bottom: 56, left: 64 };
const HEIGHT = MARGIN.top + PLOT_HEIGHT + MARGIN.bottom;
const PLOT_WIDTH = WIDTH - MARGIN.left - MARGIN.right;

/** Colours that also differ in brightness. */
const SERVERS: readonly (readonly [server: string, colour: string, label: string])[] = [
  ["roomwire", "#1b6ca8", "Roomwire"],
  ["portable", "#7fb8e0", "Roomwire, portable"],
  ["peer", "#e07b39", "the other server"],
];

interface Point {
  readonly title: string;
  readonly perSecond: number;
  readonly micros: number;
}

/** Draws all lines with packets; data messages, which cost more by far, are left out. */
export function drawLoads(rows: readonly LoadRow[]): string {
  const series = SERVERS.map(([server, colour, label]) => ({
    colour,
    label,
    points: pointsOf(rows, server),
  })).filter(({ points }) => points.length > 0);
  const all = series.flatMap(({ points }) => points);
  const highest = Math.max(1, ...all.map(({ micros }) => micros));
  const step = tickStep(highest);
  const top = step * Math.ceil(highest / step);
  const decades = all.map(({ perSecond }) => Math.log10(perSecond));
  const from = Math.floor(Math.min(3, ...decades));
  const to = Math.ceil(Math.max(4, ...decades));
  const x = (perSecond: number) =>
    MARGIN.left + PLOT_WIDTH * (Math.log10(perSecond) - from) / (to - from);
  const y = (micros: number) => MARGIN.top + PLOT_HEIGHT * (1 - micros / top);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" ` +
    `viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(MARGIN.left, 22, "CPU time per packet at a subscriber, µs, over packets/s", "start", 15),
    ...series.flatMap(({ colour, label }, i) => [
      `<rect x="${MARGIN.left + i * 170}" y="34" width="12" height="12" fill="${colour}"/>`,
      text(MARGIN.left + i * 170 + 17, 44, label, "start"),
    ]),
    ...linesAcross(step, top, y),
    ...decadeLines(from, to, x),
    ...series.flatMap(({ colour, points }) => drawSeries(points, colour, x, y)),
    "</svg>",
    "",
  ].join("\n");
}

function pointsOf(rows: readonly LoadRow[], server: string): Point[] {
  const names = [...new Set(rows.map(({ scenario }) => scenario))];
  return names.filter((name) => !name.startsWith("data-")).flatMap((name) => {
    const micros = medianOf(rows, name, server, ({ us_per_packet }) => us_per_packet);
    const perSecond = medianOf(rows, name, server, ({ received_per_s }) => received_per_s);
    const { title } = rows.find(({ scenario }) => scenario === name)!;
    return micros === undefined || perSecond === undefined ? [] : [{ title, perSecond, micros }];
  }).sort((a, b) => a.perSecond - b.perSecond);
}

function drawSeries(
  points: readonly Point[],
  colour: string,
  x: (perSecond: number) => number,
  y: (micros: number) => number,
): string[] {
  const path = points.map(({ perSecond, micros }) => `${fixed(x(perSecond))},${fixed(y(micros))}`);
  return [
    `<polyline points="${path.join(" ")}" fill="none" stroke="${colour}" stroke-width="1.5"/>`,
    ...points.flatMap(({ title, perSecond, micros }) => [
      `<circle cx="${fixed(x(perSecond))}" cy="${fixed(y(micros))}" r="4" fill="${colour}">` +
      `<title>${escapeXml(`${title}: ${micros.toFixed(1)} µs`)}</title></circle>`,
      text(x(perSecond), y(micros) - 8, `${title} ${micros.toFixed(1)}`, "middle", 9),
    ]),
  ];
}

function linesAcross(step: number, top: number, y: (micros: number) => number): string[] {
  const lines: string[] = [];
  for (let micros = 0; micros <= top + step / 2; micros += step) {
    lines.push(
      `<line x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${fixed(y(micros))}" ` +
        `y2="${fixed(y(micros))}" stroke="#e5e5e5"/>`,
      text(MARGIN.left - 8, y(micros) + 4, `${Number(micros.toPrecision(6))}`, "end"),
    );
  }
  return lines;
}

function decadeLines(from: number, to: number, x: (perSecond: number) => number): string[] {
  const bottom = MARGIN.top + PLOT_HEIGHT;
  return Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i)).flatMap((perSecond) => [
    `<line x1="${fixed(x(perSecond))}" x2="${fixed(x(perSecond))}" y1="${MARGIN.top}" ` +
    `y2="${bottom}" stroke="#e5e5e5"/>`,
    text(x(perSecond), bottom + 18, perSecond.toLocaleString("en"), "middle"),
  ]);
}

function text(x: number, y: number, value: string, anchor: string, size = 12): string {
  return `<text x="${fixed(x)}" y="${fixed(y)}" text-anchor="${anchor}" font-size="${size}">` +
    `${escapeXml(value)}</text>`;
}

function fixed(value: number): string {
  return `${Number(value.toFixed(2))}`;
}
