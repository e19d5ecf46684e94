/**
 * The nodes.
 *
 * @module
 */
import { element } from "../elements.js";
import { bitrate, duration, megabytes, percent, sum } from "./figures.js";
import { rate } from "./overview.js";
import { draw, Histories } from "./sparkline.js";
import { LiveTable } from "./table.js";

/** The page of all nodes. */
export class NodePage {
  #histories = new Histories();
  #table;
  #nowMs = 0;

  constructor() {
    this.#table = new LiveTable(element("nodes-table"), this.#columns(), {
      caption: "Nodes",
      keyOf: ({ id }) => id,
      sortBy: 0,
    });
  }

  /** @param {any} state of the stream */
  update({ nodes, self, atMs }) {
    this.#nowMs = atMs;
    const all = Object.entries(nodes).map(([id, node]) => ({ id, isSelf: id === self, ...node }));
    this.#histories.note(
      new Map(all.map(({ id, inBps, outBps }) => [id, sum([inBps, outBps])])),
    );
    this.#table.update(all);
  }

  #columns() {
    return [
      {
        title: "Node",
        text: ({ id, isSelf, region }) =>
          [id, region, isSelf ? "you are connected here" : ""].filter(Boolean).join(", "),
        sort: ({ id }) => id,
      },
      {
        title: "State",
        text: ({ state }) => state,
        state: ({ state }) => state,
        sort: ({ state }) => state,
      },
      number("Cores", ({ cpu }) => cpu, percent),
      number("Memory", ({ memoryBytes }) => memoryBytes, megabytes, true),
      number("Rooms", ({ rooms }) => rooms, String, true),
      number("People", ({ participants }) => participants, String),
      rate("Receiving", "inBps"),
      rate("Sending", "outBps"),
      {
        title: "Last minute",
        fill: (cell, { id }) => draw(cell, this.#histories.of(id)),
        isExtra: true,
      },
      { title: "Links", text: linkWords, isExtra: true },
      {
        title: "Up",
        text: ({ startedAtMs }) => duration(this.#nowMs - startedAtMs),
        sort: ({ startedAtMs }) => -startedAtMs,
        isNumber: true,
        isExtra: true,
      },
      { title: "Version", text: ({ version = "" }) => version, isExtra: true },
    ];
  }
}

function number(title, valueOf, words, isExtra = false) {
  return { title, text: (node) => words(valueOf(node)), sort: valueOf, isNumber: true, isExtra };
}

/** How many other nodes are reached, and how far the furthest is. */
function linkWords({ links = {} }) {
  const all = Object.values(links);
  if (all.length === 0) return "none";
  const up = all.filter(({ isUp }) => isUp);
  const furthest = Math.max(0, ...up.map(({ rttMs = 0 }) => rttMs));
  const waiting = sum(all.map(({ queuedBytes }) => queuedBytes)) ?? 0;
  const queue = waiting > 100_000 ? `, ${bitrate(waiting * 8)} behind` : "";
  return `${up.length} of ${all.length} up, ${furthest} ms${queue}`;
}
