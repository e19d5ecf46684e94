/**
 * Tables that are brought up to date every second: rows and cells stay the same elements, so that
 * focus and selection survive, and only what is new is written.
 *
 * @module
 */
import { button, make } from "../elements.js";
import { ordered } from "./order.js";

/** Rows at first, and more at each press: hundreds that change every second keep a browser busy. */
const ROWS = 100;

/**
 * @template T
 * @typedef {object} Column
 * @property {string} title
 * @property {(item: T) => string} [text] what the cell says
 * @property {(cell: HTMLElement, item: T) => void} [fill] what it has instead of a text
 * @property {(item: T) => number | string | undefined} [sort] absent: not sorted by
 * @property {boolean} [isNumber]
 * @property {boolean} [isExtra] left out where there is little room
 * @property {(item: T) => string} [state] for colours, beside what the cell says
 */

/** @template T */
export class LiveTable {
  #body = document.createElement("tbody");
  #rows = new Map();
  #items = [];
  #sorted;
  #isDescending = false;
  #headers = [];
  #most = ROWS;
  #more = button("quiet more", "", () => this.#showMore());

  /**
   * @param {HTMLTableElement} table empty, alone in its frame
   * @param {readonly Column<T>[]} columns the first names the row
   * @param {{ caption: string, keyOf: (item: T) => string, sortBy?: number, descending?: boolean }}
   *   options
   */
  constructor(table, columns, { caption, keyOf, sortBy, descending = false }) {
    this.columns = columns;
    this.keyOf = keyOf;
    this.#sorted = sortBy;
    this.#isDescending = descending;
    const head = document.createElement("thead");
    const row = document.createElement("tr");
    for (const [index, column] of columns.entries()) {
      const cell = make("th", classOf(column));
      cell.scope = "col";
      if (column.sort === undefined) cell.textContent = column.title;
      else {
        const sorter = make("button", "sorter", column.title);
        sorter.type = "button";
        sorter.addEventListener("click", () => this.#sortBy(index));
        cell.append(sorter);
      }
      this.#headers.push(cell);
      row.append(cell);
    }
    head.append(row);
    table.replaceChildren(make("caption", "visually-hidden", caption), head, this.#body);
    this.#more.hidden = true;
    table.parentElement.after(this.#more);
    this.#showOrder();
  }

  /** @param {readonly T[]} items */
  update(items) {
    this.#items = items;
    this.#arrange();
  }

  #rowOf(key) {
    let row = this.#rows.get(key);
    if (row === undefined) {
      row = document.createElement("tr");
      for (const [index, column] of this.columns.entries()) {
        const cell = make(index === 0 ? "th" : "td", classOf(column));
        if (index === 0) cell.scope = "row";
        row.append(cell);
      }
      this.#rows.set(key, row);
    }
    return row;
  }

  #fill(row, item) {
    for (const [index, { text, fill, state }] of this.columns.entries()) {
      const cell = row.children[index];
      if (fill !== undefined) fill(cell, item);
      else write(cell, text(item));
      if (state === undefined) continue;
      const word = state(item);
      if (cell.dataset.state !== word) cell.dataset.state = word;
    }
  }

  #sortBy(index) {
    // What is counted is asked for the most of it.
    this.#isDescending = this.#sorted === index
      ? !this.#isDescending
      : this.columns[index].isNumber === true;
    this.#sorted = index;
    this.#showOrder();
    this.#arrange();
  }

  #showOrder() {
    for (const [index, header] of this.#headers.entries()) {
      if (index === this.#sorted) {
        header.setAttribute("aria-sort", this.#isDescending ? "descending" : "ascending");
      } else header.removeAttribute("aria-sort");
    }
  }

  #arrange() {
    const sort = this.columns[this.#sorted]?.sort;
    const items = sort === undefined
      ? this.#items
      : ordered(this.#items, sort, this.#isDescending, this.keyOf);
    const focused = this.#body.contains(document.activeElement)
      ? document.activeElement
      : undefined;
    const shown = this.#shownOf(items, focused);
    const keys = new Set(shown.map(this.keyOf));
    for (const [key, row] of this.#rows) {
      if (keys.has(key)) continue;
      row.remove();
      this.#rows.delete(key);
    }
    for (const [index, item] of shown.entries()) {
      const row = this.#rowOf(this.keyOf(item));
      this.#fill(row, item);
      if (this.#body.children[index] !== row) {
        this.#body.insertBefore(row, this.#body.children[index] ?? null);
      }
    }
    // Who stands on a row that moved goes along.
    if (focused !== undefined && document.activeElement !== focused) {
      focused.focus({ preventScroll: true });
    }
    const left = items.length - shown.length;
    this.#more.hidden = left === 0;
    write(this.#more, `Show ${Math.min(left, ROWS)} more of ${items.length}`);
  }

  /** The first of them, and the one on which somebody stands. */
  #shownOf(items, focused) {
    const shown = items.slice(0, this.#most);
    if (focused === undefined || shown.length === items.length) return shown;
    const isFocused = (item) => this.#rows.get(this.keyOf(item))?.contains(focused) === true;
    return shown.concat(items.slice(this.#most).filter(isFocused));
  }

  #showMore() {
    const before = this.#body.children.length;
    this.#most += ROWS;
    this.#arrange();
    // The button may be gone: who has pressed it goes on with what has come.
    this.#body.children[before]?.querySelector("a, button")?.focus();
  }
}

/**
 * Writes a text where it is another one.
 *
 * @param {HTMLElement} holder
 * @param {string} text
 */
export function write(holder, text) {
  if (holder.textContent !== text) holder.textContent = text;
}

/**
 * A link that names a row.
 *
 * @param {HTMLElement} cell
 * @param {string} href
 * @param {string} text
 */
export function link(cell, href, text) {
  let anchor = cell.firstElementChild;
  if (anchor === null) {
    anchor = document.createElement("a");
    cell.append(anchor);
  }
  if (anchor.getAttribute("href") !== href) anchor.setAttribute("href", href);
  write(anchor, text);
}

function classOf({ isNumber = false, isExtra = false }) {
  return [isNumber ? "number" : "", isExtra ? "extra" : ""].filter((word) => word !== "").join(" ");
}
