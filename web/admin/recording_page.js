/**
 * Recordings of the node that the page is connected to, asked for while somebody looks.
 *
 * @module
 */
import { button, element } from "../elements.js";
import { stopRecording, watchRecording } from "./actions.js";
import { duration, fileSize } from "./figures.js";
import { isRunning, isWatchable } from "./recording_state.js";
import { call, configuration } from "./session.js";
import { LiveTable, write } from "./table.js";
import { refusalWords } from "./words.js";

const INTERVAL_MS = 5_000;

/** The page of recordings. */
export class RecordingPage {
  #timer;
  #isShown = false;
  #hasReplay = false;
  #table;

  constructor() {
    this.#table = new LiveTable(element("recordings-table"), this.#columns(), {
      caption: "Recordings",
      keyOf: ({ egress_id }) => egress_id,
      sortBy: 2,
      descending: true,
    });
  }

  /** @param {boolean} isShown */
  async show(isShown) {
    clearInterval(this.#timer);
    this.#isShown = isShown;
    if (!isShown) return;
    const known = await configuration();
    const records = known?.keys.some(({ path, isDefault }) =>
      path.startsWith("recording.") && !isDefault
    );
    this.#hasReplay = known?.hasReplay === true;
    if (records === false) return this.#tell([], "This server records nothing.");
    if (!this.#isShown) return;
    this.#ask();
    this.#timer = setInterval(() => this.#ask(), INTERVAL_MS);
  }

  async #ask() {
    const answer = await call("Egress/ListEgress", {});
    const items = answer.status === 200 ? answer.body.items ?? [] : [];
    const words = answer.status === 200
      ? "Nothing is recorded."
      : refusalWords("Recordings could not be listed", answer);
    this.#tell(items, words);
  }

  #tell(items, words) {
    this.#table.update(items);
    const nothing = element("recordings-nothing");
    nothing.hidden = items.length > 0;
    write(nothing, words);
  }

  #columns() {
    return [
      { title: "Room", text: ({ room_name }) => room_name, sort: ({ room_name }) => room_name },
      { title: "State", text: stateWords, sort: stateWords },
      {
        title: "Begun",
        text: ({ started_at }) => startWords(started_at),
        sort: ({ started_at }) => Number(started_at),
        isExtra: true,
      },
      { title: "Length", text: lengthWords, isNumber: true },
      { title: "Files", text: fileWords, isExtra: true },
      { title: "Action", fill: (cell, recording) => this.#fillAction(cell, recording) },
    ];
  }

  /** What can be done now: end it, or watch what it has become. */
  #fillAction(cell, recording) {
    const act = this.#actionFor(recording);
    if (act === undefined) return cell.replaceChildren();
    if (cell.firstElementChild?.textContent === act.title) return;
    const made = button("quiet", act.title, act.run);
    made.setAttribute("aria-label", act.label);
    cell.replaceChildren(made);
  }

  #actionFor(recording) {
    const { room_name: room } = recording;
    if (isRunning(recording)) {
      const run = async () => {
        if (await stopRecording(recording)) this.#ask();
      };
      return { title: "Stop…", label: `Stop recording ${room}`, run };
    }
    if (!this.#hasReplay || !isWatchable(recording)) return undefined;
    const run = () => watchRecording(recording);
    return { title: "Watch", label: `Watch the recording of ${room}`, run };
  }
}

function stateWords({ status, error }) {
  const word = status.replace("EGRESS_", "").toLowerCase();
  return error === "" ? word : `${word}: ${error}`;
}

function startWords(nanoseconds) {
  const ms = Number(nanoseconds) / 1e6;
  return ms === 0 ? "" : new Date(ms).toLocaleString();
}

function lengthWords({ started_at, ended_at }) {
  if (Number(started_at) === 0) return "";
  const endMs = Number(ended_at) === 0 ? Date.now() : Number(ended_at) / 1e6;
  return duration(endMs - Number(started_at) / 1e6);
}

function fileWords({ file_results = [] }) {
  return file_results.map(({ filename, size }) =>
    Number(size) === 0 ? filename : `${filename} (${fileSize(Number(size))})`
  ).join(", ");
}
