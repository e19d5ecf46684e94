/**
 * What `roomwire top` shows: lines of a terminal, each exactly as wide as it is.
 *
 * Pure; everything that comes from others is made harmless (`terminal_text.ts`).
 *
 * @module
 */
import type { ClusterFigures } from "../../watch/figures.ts";
import { shortRate } from "./short_figures.ts";
import { columnsOf, fitted } from "./terminal_text.ts";
import { type TopColumn, type TopTable, topTable } from "./top_tables.ts";
import { chosenIndex, orderedRows, type TopView } from "./top_view.ts";

/** Columns and lines. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** How the stream is. */
export interface TopLife {
  /** Whom it comes from, in words. */
  readonly source: string;
  readonly isLive: boolean;
  /** What somebody should know of the way to it; absent if all is well. */
  readonly warning?: string;
}

/** What is drawn, and how it is emphasised; `plain` for pipes. */
export type TopStyle = "plain" | "colours" | "no-colours";

const RESET = "\x1b[0m";
const INVERSE = "\x1b[7m";
const BOLD = "\x1b[1m";
const RED = "\x1b[31m";
/** Between two columns. */
const GAP = 1;
/** Lines above and below the rows. */
const FRAME_LINES = 5;
const KEYS = "q quit  ↑↓ choose  enter open  esc back  / find  <> sort  i invert  r rooms  n nodes";

/** How many rows fit. */
export function pageLength({ rows }: TerminalSize): number {
  return Math.max(1, rows - FRAME_LINES);
}

/** The whole screen. */
export function topScreen(
  state: ClusterFigures | undefined,
  view: TopView,
  life: TopLife,
  size: TerminalSize,
  style: TopStyle,
): string[] {
  const { columns: width } = size;
  const head = [
    styled(fitted(titleLine(state, view, life), width), BOLD, style),
    fitted(sumsLine(state), width),
    fitted(life.warning ?? "", width),
  ];
  const foot = fitted(view.isFinding ? `/${view.find}_` : KEYS, width);
  if (state === undefined) return filled([...head, fitted("Waiting…", width)], foot, size);
  const table = topTable(state, view.page, view.identity);
  const rows = orderedRows(table, view.order);
  const chosen = chosenIndex(view, table, rows);
  const length = pageLength(size);
  const first = Math.max(0, Math.min(chosen - Math.floor(length / 2), rows.length - length));
  const shown = columnsThatFit(table, width);
  const lines = rows.slice(first, first + length).map((row, index) =>
    rowLine(shown, row, width, first + index === chosen, style)
  );
  const header = styled(headerLine(shown, view, table, width), INVERSE, style);
  return filled([...head, header, ...lines], foot, size);
}

/** Everything once, for a pipe: nodes, rooms, and the participants of a room. */
export function topText(state: ClusterFigures, views: readonly TopView[], life: TopLife): string {
  const parts = views.map((view) => {
    const table = topTable(state, view.page, view.identity);
    const rows = orderedRows(table, view.order);
    const width = wholeWidth(table);
    const shown = columnsThatFit(table, width);
    return [
      headerLine(shown, view, table, width),
      ...rows.map((row) => rowLine(shown, row, width, false, "plain")),
    ].map((line) => line.trimEnd()).join("\n");
  });
  const head = [titleLine(state, views.at(-1)!, life), sumsLine(state), life.warning ?? ""];
  const title = head.filter((line) => line !== "").map((line) => fitted(line, 200).trimEnd());
  return `${[title.join("\n"), ...parts].join("\n\n")}\n`;
}

/** Wide enough for all that is said. */
function wholeWidth({ columns: [first, ...others], rows }: TopTable): number {
  const longest = rows.reduce<number>(
    (most, row) => Math.max(most, columnsOf(first!.text(row))),
    0,
  );
  return others.reduce((sum, { width }) => sum + GAP + width, Math.max(first!.width, longest));
}

function titleLine(
  state: ClusterFigures | undefined,
  { page, room = "", identity = "", find }: TopView,
  { source, isLive }: TopLife,
): string {
  const time = state === undefined ? "" : new Date(state.atMs).toISOString().slice(11, 19);
  const place = page === "participant" ? `${room} / ${identity}` : page === "room" ? room : page;
  const found = find === "" ? "" : ` with "${find}"`;
  return `roomwire top  ${source}  ${isLive ? `${time} UTC` : "reconnecting"}  ${place}${found}`;
}

function sumsLine(state: ClusterFigures | undefined): string {
  if (state === undefined) return "";
  const nodes = Object.values(state.nodes);
  const sum = (of: (node: typeof nodes[number]) => number | undefined) => {
    const known = nodes.map(of).filter((value) => value !== undefined);
    return known.length === 0 ? undefined : known.reduce((total, value) => total + value, 0);
  };
  const silent = nodes.filter((node) => node.state === "silent").length;
  const shown = Object.keys(state.rooms).length;
  const people = state.participantCount ?? 0;
  const listed = Object.keys(state.participants ?? {}).length;
  return [
    `nodes ${nodes.length}${silent === 0 ? "" : ` (${silent} silent)`}`,
    `rooms ${state.roomCount}${shown < state.roomCount ? ` (${shown} listed)` : ""}`,
    `people ${sum(({ participants }) => participants) ?? 0}` +
    (listed < people ? ` (${listed} of ${people} listed)` : ""),
    `in ${shortRate(sum(({ inBps }) => inBps))}`,
    `out ${shortRate(sum(({ outBps }) => outBps))}`,
  ].join("  ");
}

interface ShownColumn {
  readonly column: TopColumn<unknown>;
  readonly index: number;
  readonly width: number;
}

/** The first one always, and as many of the others as fit; the first gets what is left. */
function columnsThatFit({ columns }: TopTable, width: number): ShownColumn[] {
  const [first, ...others] = columns;
  let used = Math.min(width, first!.width);
  const shown: ShownColumn[] = [];
  for (const [index, column] of others.entries()) {
    if (used + GAP + column.width > width) break;
    used += GAP + column.width;
    shown.push({ column, index: index + 1, width: column.width });
  }
  const rest = Math.min(width, first!.width) + Math.max(0, width - used);
  return [{ column: first!, index: 0, width: rest }, ...shown];
}

function headerLine(
  shown: readonly ShownColumn[],
  { order }: TopView,
  { columns }: TopTable,
  width: number,
): string {
  const sorted = columns[order.column] === undefined ? 0 : order.column;
  const cells = shown.map(({ column, index, width: cell }) => {
    const arrow = index === sorted ? (order.isDescending ? "↓" : "↑") : "";
    return fitted(`${column.title}${arrow}`, cell, column.isNumber ? "right" : "left");
  });
  return fitted(cells.join(" ".repeat(GAP)), width);
}

function rowLine(
  shown: readonly ShownColumn[],
  row: unknown,
  width: number,
  isChosen: boolean,
  style: TopStyle,
): string {
  const cells = shown.map(({ column, width: cell }) => {
    const text = fitted(column.text(row), cell, column.isNumber ? "right" : "left");
    const isRed = column.isBad?.(row) === true && !isChosen && style === "colours";
    return isRed ? styled(text, RED, style) : text;
  });
  const line = cells.join(" ".repeat(GAP));
  const used = shown.reduce((sum, column) => sum + column.width, GAP * (shown.length - 1));
  const whole = line + " ".repeat(Math.max(0, width - used));
  return isChosen ? styled(whole, INVERSE, style) : whole;
}

/** As many lines as there are, the last of which is the foot. */
function filled(lines: string[], foot: string, { columns, rows }: TerminalSize): string[] {
  const empty = " ".repeat(Math.max(0, columns));
  const above = lines.slice(0, Math.max(0, rows - 1));
  while (above.length < rows - 1) above.push(empty);
  return [...above, foot];
}

function styled(text: string, sequence: string, style: TopStyle): string {
  return style === "plain" ? text : `${sequence}${text}${RESET}`;
}
