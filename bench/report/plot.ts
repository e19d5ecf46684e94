/**
 * The cost per packet as a bar chart: scenarios side by side, one bar per engine. Pure; plain SVG
 * 1.1 that any browser shows.
 *
 * @module
 */
import type { Run } from "./summary.ts";

const WIDTH = 960;
const PLOT_HEIGHT = 320;
const MARGIN = { top: 64, right: 24, bottom: 56, left: 64 };
const HEIGHT = MARGIN.top + PLOT_HEIGHT + MARGIN.bottom;
/** Share of a scenario's width that its bars fill. */
const FILLED = 0.8;
/** A bar that is lower than this is drawn this high, px. */
const MIN_BAR = 1;
/** Lines across, not counting the lowest. */
const MAX_TICKS = 6;

/** In the order of bars; colours that also differ in brightness. */
const ENGINES: readonly (readonly [engine: string, colour: string, label: string])[] = [
  ["c_gso", "#bdbdbd", "C loop, segmented"],
  ["c", "#737373", "C loop"],
  ["native", "#1b6ca8", "Roomwire, native"],
  ["portable", "#7fb8e0", "Roomwire, portable"],
  ["werift", "#e07b39", "werift"],
];

/** Draws all runs without workers. An empty list gives an empty chart. */
export function drawReport(runs: readonly Run[]): string {
  const drawn = runs.filter((run) => run.workers === 0);
  const scenarios = [...new Map(drawn.map(({ scenario, title }) => [scenario, title]))];
  const engines = ENGINES.filter(([engine]) => drawn.some((run) => run.engine === engine));
  const step = tickStep(Math.max(1, ...drawn.map((run) => run.cpu_us_per_packet)));
  const top = step * Math.ceil(Math.max(1, ...drawn.map((run) => run.cpu_us_per_packet)) / step);
  const y = (micros: number) => MARGIN.top + PLOT_HEIGHT * (1 - micros / top);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" ` +
    `viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(MARGIN.left, 22, "CPU time per forwarded packet, µs (less is better)", "start", 15),
    ...legend(engines),
  ];
  for (let micros = 0; micros <= top + step / 2; micros += step) {
    parts.push(
      `<line x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${fixed(y(micros))}" ` +
        `y2="${fixed(y(micros))}" stroke="#e5e5e5"/>`,
      text(MARGIN.left - 8, y(micros) + 4, `${Number(micros.toPrecision(6))}`, "end"),
    );
  }
  const width = (WIDTH - MARGIN.left - MARGIN.right) / Math.max(1, scenarios.length);
  for (const [place, [scenario, title]] of scenarios.entries()) {
    const left = MARGIN.left + place * width;
    const own = drawn.filter((run) => run.scenario === scenario);
    parts.push(...bars(own, left + width * (1 - FILLED) / 2, width * FILLED, engines, y));
    parts.push(...label(title, left + width / 2));
  }
  return [...parts, "</svg>", ""].join("\n");
}

/** Text as SVG takes it. */
export function escapeXml(value: string): string {
  return value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;").replaceAll("'", "&#39;");
}

/** 1, 2 or 5 times a power of ten, so that a few lines reach `highest`. */
export function tickStep(highest: number): number {
  const power = 10 ** Math.floor(Math.log10(highest / MAX_TICKS));
  return [1, 2, 5, 10].map((factor) => factor * power)
    .find((step) => highest / step <= MAX_TICKS) ?? 10 * power;
}

function bars(
  runs: readonly Run[],
  left: number,
  width: number,
  engines: typeof ENGINES,
  y: (micros: number) => number,
): string[] {
  const present = engines.filter(([engine]) => runs.some((run) => run.engine === engine));
  // As wide as if all engines were there, so that scenarios look alike.
  const barWidth = width / engines.length;
  const start = left + (width - barWidth * present.length) / 2;
  return present.flatMap(([engine, colour], i) => {
    const { cpu_us_per_packet: micros } = runs.find((run) => run.engine === engine)!;
    const height = Math.max(MIN_BAR, y(0) - y(micros));
    const x = start + i * barWidth;
    return [
      `<rect x="${fixed(x + 1)}" y="${fixed(y(0) - height)}" width="${fixed(barWidth - 2)}" ` +
      `height="${fixed(height)}" fill="${colour}"><title>${escapeXml(engine)}</title></rect>`,
      text(x + barWidth / 2, y(0) - height - 3, micros.toFixed(1), "middle", 9),
    ];
  });
}

/** In two lines, where there is a comma. */
function label(title: string, x: number): string[] {
  const y = MARGIN.top + PLOT_HEIGHT + 18;
  return title.split(", ").map((line, i) => text(x, y + i * 15, line, "middle", 11));
}

function legend(engines: typeof ENGINES): string[] {
  return engines.flatMap(([, colour, name], i) => {
    const x = MARGIN.left + i * 150;
    return [
      `<rect x="${x}" y="34" width="12" height="12" fill="${colour}"/>`,
      text(x + 17, 44, name, "start"),
    ];
  });
}

function text(x: number, y: number, value: string, anchor: string, size = 12): string {
  return `<text x="${fixed(x)}" y="${fixed(y)}" text-anchor="${anchor}" font-size="${size}">` +
    `${escapeXml(value)}</text>`;
}

function fixed(value: number): string {
  return `${Number(value.toFixed(2))}`;
}
