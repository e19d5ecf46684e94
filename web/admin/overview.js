/**
 * Everything at a glance: sums over all nodes, and the rooms.
 *
 * @module
 */
import { element, make } from "../elements.js";
import { bitrate, counted, duration, percent, qualityRank, sum } from "./figures.js";
import { roomPath } from "./route.js";
import { draw, Histories } from "./sparkline.js";
import { link, LiveTable, write } from "./table.js";

const CARDS = [
  { name: "participants", title: "Participants", text: (all) => String(all.participants) },
  { name: "rooms", title: "Rooms", text: (all) => String(all.rooms) },
  { name: "inBps", title: "Receiving", text: (all) => bitrate(all.inBps) },
  { name: "outBps", title: "Sending", text: (all) => bitrate(all.outBps) },
  { name: "cpu", title: "Busiest node", text: (all) => `${percent(all.cpu)} of its cores` },
];

/** The first page. */
export class Overview {
  #histories = new Histories();
  #rates = new Histories();
  #cards = new Map();
  #table;
  #nowMs = 0;

  constructor() {
    for (const { name, title } of CARDS) {
      const value = make("dd", "card-value");
      const line = make("dd", "card-line");
      element("cards").append(make("div", "card", make("dt", "", title), value, line));
      this.#cards.set(name, { value, line });
    }
    this.#table = new LiveTable(element("rooms-table"), this.#columns(), {
      caption: "Rooms",
      keyOf: ({ sid }) => sid,
      sortBy: 1,
      descending: true,
    });
  }

  /** @param {any} state of the stream */
  update(state) {
    this.#nowMs = state.atMs;
    this.#updateCards(state);
    const rooms = Object.entries(state.rooms).map(([sid, room]) => ({ sid, ...room }));
    this.#rates.note(new Map(rooms.map((room) => [room.sid, sum([room.inBps, room.outBps])])));
    this.#table.update(rooms);
    const isCut = rooms.length < state.roomCount;
    const count = isCut
      ? `The ${rooms.length} largest of ${counted(state.roomCount, "room")}: find others by name.`
      : counted(rooms.length, "room");
    write(element("rooms-count"), count);
    element("rooms-nothing").hidden = rooms.length > 0;
  }

  #updateCards({ nodes, roomCount }) {
    const all = Object.values(nodes);
    const values = {
      participants: sum(all.map(({ participants }) => participants)) ?? 0,
      rooms: roomCount,
      inBps: sum(all.map(({ inBps }) => inBps)),
      outBps: sum(all.map(({ outBps }) => outBps)),
      cpu: Math.max(0, ...all.map(({ cpu }) => cpu)),
    };
    this.#histories.note(new Map(Object.entries(values)));
    for (const { name, text } of CARDS) {
      const { value, line } = this.#cards.get(name);
      write(value, text(values));
      draw(line, this.#histories.of(name));
    }
  }

  #columns() {
    return [
      {
        title: "Room",
        fill: (cell, { name }) => link(cell, roomPath(name), name),
        sort: ({ name }) => name,
      },
      {
        title: "People",
        text: ({ participants }) => String(participants),
        sort: ({ participants }) => participants,
        isNumber: true,
      },
      {
        title: "State",
        text: ({ isLocked, isRecorded }) =>
          [isLocked ? "locked" : "", isRecorded ? "recorded" : ""].filter(Boolean).join(", "),
        isExtra: true,
      },
      {
        title: "Quality",
        text: ({ quality = "" }) => quality,
        state: ({ quality = "" }) => quality,
        sort: ({ quality }) => qualityRank(quality),
      },
      { title: "Tracks", text: tracks, sort: (room) => room.tracks, isNumber: true, isExtra: true },
      rate("Receiving", "inBps"),
      rate("Sending", "outBps"),
      {
        title: "Last minute",
        fill: (cell, { sid }) => draw(cell, this.#rates.of(sid)),
        isExtra: true,
      },
      {
        title: "Age",
        text: ({ createdAtMs }) => duration(this.#nowMs - createdAtMs),
        sort: ({ createdAtMs }) => -createdAtMs,
        isNumber: true,
        isExtra: true,
      },
    ];
  }
}

/** A column of a bit rate. */
export function rate(title, name) {
  return {
    title,
    text: (item) => bitrate(item[name]),
    sort: (item) => item[name],
    isNumber: true,
    isExtra: true,
  };
}

function tracks(room) {
  return String(room.tracks);
}
