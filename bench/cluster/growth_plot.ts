/**
 * How a cluster's figures grow with its nodes: small charts side by side, nodes on a logarithmic
 * scale. Pure; plain SVG 1.1 that any browser shows.
 *
 * @module
 */
import { escapeXml, tickStep } from "../report/plot.ts";
import type { HourFigures, LossesFigures } from "./cluster_figures.ts";
import { quantile, totalOf } from "./cluster_tables.ts";

const WIDTH = 960;
const HEIGHT = 560;
const PANEL = { width: 400, height: 180 };
const LEFT = 60;
const TOP = 56;
const GAP = { x: 70, y: 90 };
/** Colours that also differ in brightness. */
const COLOURS = ["#1b6ca8", "#e07b39", "#7fb8e0"];

interface Series {
  readonly label: string;
  readonly values: readonly number[];
}

interface Panel {
  readonly title: string;
  readonly series: readonly Series[];
}

/** Draws one chart for each thing that grows; both lists in the same order of sizes. */
export function drawGrowth(
  hours: readonly HourFigures[],
  losses: readonly LossesFigures[],
): string {
  const nodes = hours.map((hour) => hour.nodes);
  const panels = panelsOf(hours, losses);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" ` +
    `viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(LEFT, 22, "A cluster's busiest hour, over its nodes (1,000 people each)", "start", 15),
    ...panels.flatMap((panel, i) => {
      const left = LEFT + (i % 2) * (PANEL.width + GAP.x);
      const top = TOP + Math.floor(i / 2) * (PANEL.height + GAP.y) + 24;
      return drawPanel(panel, nodes, left, top);
    }),
    "</svg>",
    "",
  ].join("\n");
}

function panelsOf(hours: readonly HourFigures[], losses: readonly LossesFigures[]): Panel[] {
  const each = (pick: (hour: HourFigures) => number) => hours.map(pick);
  const back = losses.map(({ hundredth }) => quantile(hundredth.backAfterNoticeMs, 0.99) / 1000);
  return [
    {
      title: "Redis, % of its thread",
      series: [
        { label: "mean", values: each(({ mean }) => mean.us / 1e4) },
        { label: "busiest second", values: each(({ peak }) => peak.us / 1e4) },
      ],
    },
    {
      title: "Sent by a node over links, thousands of messages/s",
      series: [
        { label: "all", values: each((hour) => totalOf(hour.traffic).messages / hour.nodes / 1e3) },
        {
          label: "quality",
          values: each((hour) => hour.traffic.quality.messages / hour.nodes / 1e3),
        },
      ],
    },
    {
      title: "Media that a node sends, Gbit/s",
      series: [
        { label: "to people", values: each((hour) => hour.media.deliveredBits / hour.nodes / 1e9) },
        { label: "to nodes", values: each((hour) => hour.media.relayedBits / hour.nodes / 1e9) },
      ],
    },
    {
      title: "After the loss of 1 % of the nodes, s",
      series: [
        { label: "clients back (p99)", values: back },
        {
          label: "all buried",
          values: losses.map(({ hundredth }) => (hundredth.buriedAfterMs ?? 0) / 1000),
        },
      ],
    },
  ];
}

function drawPanel(
  { title, series }: Panel,
  nodes: readonly number[],
  left: number,
  top: number,
): string[] {
  const highest = Math.max(1e-9, ...series.flatMap(({ values }) => values));
  const step = tickStep(highest);
  const most = step * Math.ceil(highest / step);
  const [from, to] = [Math.log10(nodes[0]!), Math.log10(nodes.at(-1)!)];
  const x = (count: number) =>
    left + PANEL.width * (to > from ? (Math.log10(count) - from) / (to - from) : 0.5);
  const y = (value: number) => top + PANEL.height * (1 - value / most);
  const ticks = Array.from({ length: Math.round(most / step) + 1 }, (_, i) => i * step);
  return [
    text(left, top - 22, title, "start", 13),
    ...series.map(({ label }, i) =>
      `<text x="${fixed(left + i * 140)}" y="${fixed(top - 7)}" fill="${COLOURS[i]}">` +
      `${escapeXml(label)}</text>`
    ),
    ...ticks.flatMap((value) => [
      `<line x1="${left}" x2="${left + PANEL.width}" y1="${fixed(y(value))}" ` +
      `y2="${fixed(y(value))}" stroke="#e5e5e5"/>`,
      text(left - 6, y(value) + 4, `${Number(value.toPrecision(6))}`, "end", 10),
    ]),
    ...nodes.map((count) =>
      text(x(count), top + PANEL.height + 16, count.toLocaleString("en"), "middle", 10)
    ),
    ...series.flatMap(({ label, values }, i) => drawLine(label, values, nodes, COLOURS[i]!, x, y)),
  ];
}

function drawLine(
  label: string,
  values: readonly number[],
  nodes: readonly number[],
  colour: string,
  x: (count: number) => number,
  y: (value: number) => number,
): string[] {
  const points = values.map((value, i) => `${fixed(x(nodes[i]!))},${fixed(y(value))}`);
  return [
    `<polyline points="${points.join(" ")}" fill="none" stroke="${colour}" stroke-width="1.5"/>`,
    ...values.map((value, i) =>
      `<circle cx="${fixed(x(nodes[i]!))}" cy="${fixed(y(value))}" r="3.5" fill="${colour}">` +
      `<title>${escapeXml(`${label}: ${value.toPrecision(3)}`)}</title></circle>`
    ),
  ];
}

function text(x: number, y: number, value: string, anchor: string, size = 12): string {
  return `<text x="${fixed(x)}" y="${fixed(y)}" text-anchor="${anchor}" font-size="${size}">` +
    `${escapeXml(value)}</text>`;
}

function fixed(value: number): string {
  return `${Number(value.toFixed(2))}`;
}
