/**
 * One room: who is in it and how they fare, and one of them in detail.
 *
 * @module
 */
import { element } from "../elements.js";
import { closeRoom, lock } from "./actions.js";
import { bitrate, counted, duration, milliseconds, percent, qualityRank, sum } from "./figures.js";
import { rate } from "./overview.js";
import { PersonPanel } from "./person_panel.js";
import { participantPath } from "./route.js";
import { draw, Histories } from "./sparkline.js";
import { link, LiveTable, write } from "./table.js";

/** The page of one room. */
export class RoomPage {
  #name = "";
  #isLocked = false;
  #people = 0;
  #histories = new Histories();
  #person = new PersonPanel();
  #table;

  constructor() {
    this.#table = new LiveTable(element("participants-table"), this.#columns(), {
      caption: "Participants",
      keyOf: ({ sid }) => sid,
      sortBy: 0,
    });
    element("room-lock").addEventListener("click", () => lock(this.#name, !this.#isLocked));
    element("room-close").addEventListener("click", () => closeRoom(this.#name, this.#people));
  }

  /**
   * @param {string} name
   * @param {string | undefined} participant whose details are shown
   */
  show(name, participant) {
    if (name !== this.#name) {
      this.#table.update([]);
      this.#histories = new Histories();
    }
    this.#name = name;
    write(element("room-title"), name);
    this.#person.show(name, participant);
  }

  /** @param {any} state of the stream */
  update(state) {
    const room = Object.values(state.rooms).find(({ name }) => name === this.#name);
    const people = Object.entries(state.participants ?? {})
      .map(([sid, participant]) => ({ sid, ...participant }));
    this.#isLocked = room?.isLocked === true;
    this.#people = room?.participants ?? people.length;
    this.#histories.note(
      new Map(people.map(({ sid, inBps, outBps }) => [sid, sum([inBps, outBps])])),
    );
    this.#table.update(people);
    write(element("room-facts"), roomFacts(room, state.atMs));
    write(element("room-lock"), this.#isLocked ? "Open to newcomers" : "Lock");
    const total = state.participantCount ?? 0;
    const count = people.length < total
      ? `${people.length} of ${counted(total, "participant")}: find others by name.`
      : counted(people.length, "participant");
    write(element("participants-count"), count);
    element("participants-nothing").hidden = people.length > 0;
    for (const id of ["room-lock", "room-close"]) element(id).disabled = room === undefined;
    this.#person.update(people, state.received ?? {}, state.atMs);
  }

  #columns() {
    return [
      {
        title: "Participant",
        fill: (cell, { identity, name }) => {
          const called = name === "" ? identity : name;
          link(cell, participantPath(this.#name, identity), called);
        },
        sort: ({ identity, name }) => name || identity,
      },
      {
        title: "Quality",
        text: ({ quality = "" }) => quality,
        state: ({ quality = "" }) => quality,
        sort: ({ quality }) => qualityRank(quality),
      },
      {
        title: "Round trip",
        text: ({ rttMs }) => milliseconds(rttMs),
        sort: ({ rttMs }) => rttMs,
        isNumber: true,
      },
      loss("Loss from", "inLoss"),
      loss("Loss to", "outLoss"),
      rate("Sends", "inBps"),
      rate("Receives", "outBps"),
      rate("Estimate", "estimateBps"),
      {
        title: "Last minute",
        fill: (cell, { sid }) => draw(cell, this.#histories.of(sid)),
        isExtra: true,
      },
      {
        title: "State",
        text: stateWords,
        sort: stateWords,
        isExtra: true,
      },
      { title: "Node", text: ({ node }) => node, sort: ({ node }) => node, isExtra: true },
    ];
  }
}

function loss(title, name) {
  return {
    title,
    text: (item) => percent(item[name]),
    sort: (item) => item[name],
    isNumber: true,
    isExtra: name === "inLoss",
  };
}

function stateWords({ state, kind, isHidden, isForwarded }) {
  const words = [state];
  if (kind !== "standard") words.push(kind);
  if (isHidden) words.push("hidden");
  if (isForwarded) words.push("of another room");
  return words.join(", ");
}

function roomFacts(room, nowMs) {
  if (room === undefined) return "This room is not there now.";
  const nodes = Object.keys(room.nodes);
  return [
    counted(room.participants, "participant"),
    `${counted(room.tracks, "track")}, ${counted(room.subscriptions, "subscription")}`,
    `${bitrate(room.inBps)} in, ${bitrate(room.outBps)} out`,
    `${duration(nowMs - room.createdAtMs)} old`,
    room.isLocked ? "locked" : "open to newcomers",
    ...(room.isRecorded ? ["recorded"] : []),
    nodes.length === 1 ? `on ${nodes[0]}` : `on ${nodes.length} nodes`,
  ].join(" · ");
}
