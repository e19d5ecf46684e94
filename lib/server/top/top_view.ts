/**
 * What somebody looks at in `roomwire top`, and what keys change about it.
 *
 * Pure: keys and the rows that are shown go in, another view comes out.
 *
 * @module
 */
import type { WatchQuestion } from "../../watch/figures.ts";
import type { ParticipantRow, RoomRow, TopColumn, TopPage, TopTable } from "./top_tables.ts";

/** By which column a table is sorted. */
export interface TopOrder {
  readonly column: number;
  readonly isDescending: boolean;
}

/** A view. */
export interface TopView {
  readonly page: TopPage;
  /** Of pages `room` and `participant`. */
  readonly room?: string;
  readonly identity?: string;
  /** Only what has this in its name. */
  readonly find: string;
  /** Its text is being typed. */
  readonly isFinding: boolean;
  readonly order: TopOrder;
  /** Key of the row that is chosen; the first one if it is not there. */
  readonly chosen?: string;
}

const ORDER: Readonly<Record<TopPage, TopOrder>> = {
  rooms: { column: 1, isDescending: true },
  room: { column: 0, isDescending: false },
  participant: { column: 0, isDescending: false },
  nodes: { column: 0, isDescending: false },
};
const MAX_FIND = 64;
const COLLATOR = new Intl.Collator("en", { numeric: true });

/** A page as it is shown at first. */
export function viewOf(page: TopPage, more: Partial<TopView> = {}): TopView {
  return { page, find: "", isFinding: false, order: ORDER[page], ...more };
}

/** What the stream is asked for. */
export function questionOf({ page, room, identity, find }: TopView): WatchQuestion {
  const named = find === ""
    ? {}
    : page === "rooms"
    ? { findRoom: find }
    : { findParticipant: find };
  if (page === "participant") return { room: room!, participant: identity! };
  return page === "room" ? { room: room!, ...named } : named;
}

/** Sorted by the column of a title; `undefined` if there is none. */
export function sortedBy(view: TopView, table: TopTable, title: string): TopView | undefined {
  const column = table.columns.findIndex((each) => each.title === title.toUpperCase());
  if (column < 0) return undefined;
  return { ...view, order: { column, isDescending: table.columns[column]!.isNumber === true } };
}

/** Rows in the order of the view; equal ones by their keys, so that they stand still. */
export function orderedRows({ columns, rows, keyOf }: TopTable, order: TopOrder): unknown[] {
  const { sort } = columns[order.column] ?? columns[0]!;
  return rows.toSorted((a, b) => {
    const [first, second] = [sort(a), sort(b)];
    if (first === undefined || second === undefined) {
      if (first !== second) return first === undefined ? 1 : -1;
    } else {
      const ascending = typeof first === "number" && typeof second === "number"
        ? first - second
        : COLLATOR.compare(String(first), String(second));
      if (ascending !== 0) return order.isDescending ? -ascending : ascending;
    }
    return keyOf(a) < keyOf(b) ? -1 : 1;
  });
}

/**
 * What a key makes of a view.
 *
 * @param rows As they are shown, in their order.
 * @param pageLength How many rows a page has.
 * @returns `undefined` to end.
 */
export function pressed(
  view: TopView,
  key: string,
  table: TopTable,
  rows: readonly unknown[],
  pageLength: number,
): TopView | undefined {
  if (key === "ctrl-c") return undefined;
  if (view.isFinding) return typed(view, key);
  const step = STEPS[key];
  if (step !== undefined) return chosenBy(view, step(pageLength), table, rows);
  switch (key) {
    case "q":
      return undefined;
    case "enter":
    case "right":
      return entered(view, table, rows);
    case "escape":
    case "left":
    case "backspace":
      return left(view);
    case "n":
      return viewOf("nodes");
    case "r":
      return viewOf("rooms");
    case "/":
      return view.page === "rooms" || view.page === "room" ? { ...view, isFinding: true } : view;
    case ">":
    case "<":
      return sortedBeside(view, table.columns, key === ">" ? 1 : -1);
    case "i":
      return { ...view, order: { ...view.order, isDescending: !view.order.isDescending } };
    default:
      return view;
  }
}

/** How far each key goes. */
const STEPS: Readonly<Record<string, (pageLength: number) => number>> = {
  "up": () => -1,
  "k": () => -1,
  "down": () => 1,
  "j": () => 1,
  "page-up": (pageLength) => -pageLength,
  "page-down": (pageLength) => pageLength,
  "home": () => -Infinity,
  "end": () => Infinity,
};

/** Where the chosen row is; 0 if it is gone. */
export function chosenIndex(
  { chosen }: TopView,
  { keyOf }: TopTable,
  rows: readonly unknown[],
): number {
  return Math.max(0, rows.findIndex((row) => keyOf(row) === chosen));
}

function chosenBy(view: TopView, step: number, table: TopTable, rows: readonly unknown[]): TopView {
  const index = chosenIndex(view, table, rows) + step;
  const row = rows[Math.min(rows.length - 1, Math.max(0, index))];
  return row === undefined ? view : { ...view, chosen: table.keyOf(row) };
}

function entered(view: TopView, table: TopTable, rows: readonly unknown[]): TopView {
  const row = rows[chosenIndex(view, table, rows)];
  if (row === undefined) return view;
  if (view.page === "rooms") return viewOf("room", { room: (row as RoomRow).name });
  if (view.page !== "room") return view;
  const { identity } = row as ParticipantRow;
  return viewOf("participant", { room: view.room!, identity });
}

function left(view: TopView): TopView {
  if (view.find !== "") return { ...view, find: "" };
  if (view.page === "participant") return viewOf("room", { room: view.room! });
  return view.page === "rooms" ? view : viewOf("rooms");
}

function typed(view: TopView, key: string): TopView {
  const { find } = view;
  if (key === "enter") return { ...view, isFinding: false };
  if (key === "escape") return { ...view, isFinding: false, find: "" };
  if (key === "backspace") return { ...view, find: Array.from(find).slice(0, -1).join("") };
  const isCharacter = Array.from(key).length === 1;
  return isCharacter && find.length < MAX_FIND ? { ...view, find: find + key } : view;
}

function sortedBeside(view: TopView, columns: readonly TopColumn<unknown>[], by: number): TopView {
  const column = (view.order.column + by + columns.length) % columns.length;
  return { ...view, order: { column, isDescending: columns[column]!.isNumber === true } };
}
