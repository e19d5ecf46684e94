/**
 * One participant in detail: what it sends and receives, and what can be done.
 *
 * @module
 */
import { button, element } from "../elements.js";
import { ban, move, muteTrack, remove } from "./actions.js";
import { bitrate, calledOf, duration, milliseconds, percent, sourceWords } from "./figures.js";
import { rate } from "./overview.js";
import { roomPath } from "./route.js";
import { LiveTable, write } from "./table.js";

/** Below the list of a room. */
export class PersonPanel {
  #room = "";
  #identity;
  #person;
  #sends;
  #receives;

  constructor() {
    const keyOf = ({ key }) => key;
    this.#sends = new LiveTable(element("sends-table"), this.#sendColumns(), {
      caption: "What it sends",
      keyOf,
    });
    this.#receives = new LiveTable(element("receives-table"), RECEIVE_COLUMNS, {
      caption: "What it receives",
      keyOf,
      sortBy: 0,
    });
    this.#onClick("person-move", move);
    this.#onClick("person-remove", remove);
    this.#onClick("person-ban", ban);
  }

  /**
   * @param {string} room
   * @param {string | undefined} identity nothing to take the panel away
   */
  show(room, identity) {
    const isNew = identity !== undefined && identity !== this.#identity;
    this.#room = room;
    this.#identity = identity;
    element("person").hidden = identity === undefined;
    element("person-close").setAttribute("href", roomPath(room));
    if (!isNew) return;
    this.#person = undefined;
    write(element("person-title"), identity);
    this.#sends.update([]);
    this.#receives.update([]);
    element("person-title").focus();
  }

  /**
   * @param {readonly any[]} people
   * @param {Record<string, any>} received
   * @param {number} nowMs
   */
  update(people, received, nowMs) {
    if (this.#identity === undefined) return;
    const person = people.find(({ identity }) => identity === this.#identity);
    this.#person = person;
    for (const id of ["person-move", "person-remove", "person-ban"]) {
      element(id).disabled = person === undefined;
    }
    write(element("person-facts"), facts(person, nowMs));
    if (person !== undefined) write(element("person-title"), calledOf(person));
    const sent = person === undefined ? [] : sentRows(person);
    this.#sends.update(sent);
    element("sends-nothing").hidden = sent.length > 0;
    const rows = Object.entries(received).map(([key, track]) => ({ key, ...track }));
    this.#receives.update(rows);
    element("receives-nothing").hidden = rows.length > 0;
  }

  #onClick(id, act) {
    element(id).addEventListener("click", () => {
      if (this.#person !== undefined) act(this.#room, this.#person);
    });
  }

  #sendColumns() {
    return [
      { title: "Track", text: ({ title }) => title },
      { title: "Codec", text: ({ codec = "" }) => codec, isExtra: true },
      { title: "Size", text: ({ size = "" }) => size, isExtra: true },
      { title: "Bit rate", text: ({ inBps }) => bitrate(inBps), isNumber: true },
      { title: "Loss", text: ({ inLoss }) => percent(inLoss), isNumber: true },
      { title: "Action", fill: (cell, row) => this.#fillMute(cell, row) },
    ];
  }

  /** Layers have no button, and muted tracks a word. */
  #fillMute(cell, { track, sid, title }) {
    if (track === undefined) return;
    if (track.isMuted) return write(cell, "muted");
    if (cell.querySelector("button") !== null) return;
    const mute = button("quiet", "Mute", () => {
      if (this.#person !== undefined) muteTrack(this.#room, this.#person, sid, track);
    });
    mute.setAttribute("aria-label", `Mute ${title}`);
    cell.replaceChildren(mute);
  }
}

const RECEIVE_COLUMNS = [
  { title: "From", text: ({ identity }) => identity, sort: ({ identity }) => identity },
  { title: "Track", text: ({ source }) => sourceWords(source), sort: ({ source }) => source },
  {
    title: "Layer",
    text: ({ layer, kind }) => layer === undefined ? "nothing" : kind === "audio" ? "" : `${layer}`,
    sort: ({ layer }) => layer,
    isNumber: true,
  },
  { ...rate("Bit rate", "outBps"), isExtra: false },
  {
    title: "Repairs",
    text: ({ repairedPerS }) => repairedPerS === undefined ? "–" : `${repairedPerS}/s`,
    sort: ({ repairedPerS }) => repairedPerS,
    isNumber: true,
    isExtra: true,
  },
];

/** A row for each track, and below it one for each layer where there are several. */
function sentRows({ tracks }) {
  return Object.entries(tracks).flatMap(([sid, track]) => {
    const { width, height, codec, inBps, inLoss, source, name, layers } = track;
    const title = name === "" ? sourceWords(source) : `${sourceWords(source)}: ${name}`;
    const size = width === undefined ? "" : `${width} × ${height}`;
    const all = Object.entries(layers);
    return [
      { key: sid, sid, title, track, size, codec, inBps, inLoss },
      ...(all.length < 2 ? [] : all.map(([layer, figures]) => ({
        key: `${sid} ${layer}`,
        title: `Layer ${layer} of ${title}`,
        ...figures,
      }))),
    ];
  });
}

function facts(person, nowMs) {
  if (person === undefined) return "Not here now.";
  const estimate = person.estimateBps === undefined
    ? []
    : [`estimate ${bitrate(person.estimateBps)}, held by ${person.limitedBy}`];
  return [
    person.state,
    ...(person.kind === "standard" ? [] : [person.kind]),
    ...(person.isHidden ? ["hidden"] : []),
    `here for ${duration(nowMs - person.joinedAtMs)}`,
    ...(person.quality === undefined ? [] : [`${person.quality} (${person.score})`]),
    `round trip ${milliseconds(person.rttMs)}`,
    `loss ${percent(person.inLoss)} from it, ${percent(person.outLoss)} to it`,
    ...estimate,
    ...(person.queueMs === undefined ? [] : [`queue ${milliseconds(person.queueMs)}`]),
    ...(person.path === undefined ? [] : [`over ${person.path}`]),
    person.client,
    `on ${person.node}`,
  ].join(" · ");
}
