/**
 * The replay page: a recording of a room, watched in the layout a viewer chooses.
 *
 * A link's words stand in the fragment, which no server sees, and are taken out of the address bar.
 *
 * @module
 */
import { element, make, setIcon } from "../elements.js";
import { linkedText } from "../linked_text.js";
import { say, tellConnection, tellProblem } from "../notices.js";
import { keepTokenOfTab, prefer, preference, tokenOfTab } from "../preferences.js";
import { clockWords, readJournal } from "./journal.js";
import { ReplayPlayer } from "./player.js";
import {
  addressOf,
  describeRecording,
  listRecordings,
  readJournalText,
  replayWords,
} from "./server.js";
import { ReplayStage } from "./stage.js";
import { applyTheme } from "../theme.js";

const STEP_MS = 5_000;
const LONG_STEP_MS = 30_000;
const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2];
const LAYOUTS = ["grid", "speaker", "screen"];
/** Each key, and what it does; they can be turned off (WCAG 2.2, 2.1.4). */
const KEYS = {
  " ": ({ player }) => player.toggle(),
  k: ({ player }) => player.toggle(),
  arrowleft: ({ player }) => player.seek(player.position - STEP_MS),
  arrowright: ({ player }) => player.seek(player.position + STEP_MS),
  j: ({ player }) => player.seek(player.position - LONG_STEP_MS),
  l: ({ player }) => player.seek(player.position + LONG_STEP_MS),
  m: ({ player }) => player.setMuted(!player.isMuted),
  c: (replay) => replay.toggleChat(),
  g: (replay) => replay.choose("grid"),
  p: (replay) => replay.choose("speaker"),
  s: (replay) => replay.choose("screen"),
  "<": (replay) => replay.stepSpeed(-1),
  ">": (replay) => replay.stepSpeed(1),
};

/** One recording on the page. */
class Replay {
  player;
  journal;
  #stage;
  #layout = LAYOUTS.includes(preference("layout")) ? preference("layout") : "speaker";
  #lastLine = -1;
  #isSeeking = false;

  constructor(journal, fileAddress) {
    this.journal = journal;
    this.#stage = new ReplayStage(journal, () => this.#render());
    this.player = new ReplayPlayer(
      journal.files,
      journal.duration,
      fileAddress,
      () => this.#render(),
    );
    this.#listen();
    this.choose(this.#layout);
    element("chat-empty").textContent = journal.chat.length === 0
      ? "Nothing was written in this recording."
      : "Nothing has been written up to here.";
    this.#render();
  }

  choose(layout) {
    if (layout !== this.#layout) say(`${layout} layout`);
    this.#layout = layout;
    prefer("layout", layout);
    for (const name of LAYOUTS) {
      element(`layout-${name}`).ariaPressed = String(name === layout);
    }
    this.#stage.unpin();
    this.#render();
  }

  toggleChat() {
    const chat = element("chat");
    chat.hidden = !chat.hidden;
    element("chat-button").ariaExpanded = String(!chat.hidden);
    this.#render();
  }

  stepSpeed(by) {
    const index = SPEEDS.indexOf(this.player.rate) + by;
    this.#setSpeed(SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, index))]);
  }

  #setSpeed(rate) {
    this.player.setRate(rate);
    element("speed-choice").value = String(rate);
  }

  #listen() {
    const { player } = this;
    element("play-button").addEventListener("click", () => player.toggle());
    element("sound-button").addEventListener("click", () => player.setMuted(!player.isMuted));
    element("chat-button").addEventListener("click", () => this.toggleChat());
    element("chat-close").addEventListener("click", () => {
      this.toggleChat();
      element("chat-button").focus();
    });
    for (const name of LAYOUTS) {
      element(`layout-${name}`).addEventListener("click", () => this.choose(name));
    }
    element("speed-choice").addEventListener("change", ({ target }) => {
      this.#setSpeed(Number(target.value));
    });
    const slider = element("seek");
    slider.addEventListener("input", () => {
      this.#isSeeking = true;
      player.seek(Number(slider.value) * 1000);
    });
    slider.addEventListener("change", () => this.#isSeeking = false);
    document.addEventListener("keydown", (event) => this.#press(event));
    new ResizeObserver(() => this.#render()).observe(element("stage"));
  }

  #press(event) {
    if (preference("shortcuts") === "off" || document.body.dataset.view !== "call") return;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.target.closest("input, textarea, select") !== null) return;
    // A button that has the focus is pressed by its own key.
    if (event.key === " " && event.target.closest("button, a") !== null) return;
    const act = KEYS[event.key.toLowerCase()];
    if (act === undefined) return;
    event.preventDefault();
    act(this);
  }

  #render() {
    const { player } = this;
    if (player === undefined) return;
    const at = player.position;
    this.#stage.render(at, this.#layout, player);
    const slider = element("seek");
    const seconds = Math.ceil(player.length / 1000);
    if (slider.max !== String(seconds)) slider.max = String(seconds);
    if (!this.#isSeeking) slider.value = String(Math.round(at / 1000));
    slider.ariaValueText = `${clockWords(at)} of ${clockWords(player.length)}`;
    put(element("time"), `${clockWords(at)} / ${clockWords(player.length)}`);
    const { isPlaying, isMuted } = player;
    element("play-button").ariaLabel = isPlaying ? "Pause" : "Play";
    put(element("play-words"), isPlaying ? "Pause" : "Play");
    setIcon(element("play-button"), isPlaying ? "pause" : "play");
    element("sound-button").ariaPressed = String(!isMuted);
    setIcon(element("sound-button"), isMuted ? "sound-off" : "sound");
    document.body.dataset.waiting = String(player.isWaiting);
    this.#renderChat(at);
    this.#renderFailures();
  }

  #renderChat(at) {
    const lines = this.journal.chat;
    const last = lines.findLastIndex((line) => line.at <= at);
    if (last === this.#lastLine) return;
    const log = element("chat-log");
    if (last < this.#lastLine) {
      while (log.childElementCount > last + 1) log.lastElementChild.remove();
    } else {
      log.append(...lines.slice(this.#lastLine + 1, last + 1).map((line) => this.#lineOf(line)));
    }
    this.#lastLine = last;
    element("chat-empty").hidden = last >= 0;
    const scroll = element("chat-scroll");
    scroll.scrollTop = scroll.scrollHeight;
  }

  #lineOf({ at, name, text, isCut, isEdited }) {
    const time = make("button", "chat-time", clockWords(at));
    time.type = "button";
    time.ariaLabel = `Go to ${clockWords(at)}`;
    time.addEventListener("click", () => this.player.seek(at));
    const head = make("p", "chat-head", make("b", "", name || "Somebody"), time);
    if (isEdited) head.append(make("span", "", "edited"));
    const words = make("p", "chat-text", ...linkedText(text));
    if (isCut) words.append(make("i", "", " (the rest was not kept)"));
    return make("li", "", head, words);
  }

  #renderFailures() {
    const { failed } = this.player;
    if (failed === this.failed) return;
    this.failed = failed;
    if (failed === 0) return;
    tellProblem(
      failed === 1
        ? "One track cannot be played by this browser. It is left out; try another browser for it."
        : `${failed} tracks cannot be played by this browser. They are left out; try another browser for them.`,
    );
  }
}

function put(holder, text) {
  if (holder.textContent !== text) holder.textContent = text;
}

/** What the address says, and what the tab remembers of it. */
function readAddress() {
  const { pathname, hash } = globalThis.location;
  const [, id = ""] = /^\/replay\/(EG_\w+)$/.exec(pathname) ?? [];
  const fragment = new URLSearchParams(hash.slice(1));
  const given = { token: fragment.get("token") ?? "", link: fragment.get("link") ?? "" };
  if (given.token !== "" || given.link !== "") {
    history.replaceState(null, "", pathname);
    remember(id, given);
    return { id, key: given };
  }
  return { id, key: recall(id) };
}

function remember(id, { token = "", link = "" }) {
  if (link !== "") keepTokenOfTab(`replay/${id}/link`, link);
  if (token !== "") keepTokenOfTab("replay", token);
}

function recall(id) {
  const link = id === "" ? "" : tokenOfTab(`replay/${id}/link`);
  return { link, token: link === "" ? tokenOfTab("replay") : "" };
}

async function start() {
  applyTheme();
  const { id, key } = readAddress();
  element("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const token = element("token-field").value.trim();
    element("token-problem").hidden = token !== "";
    element("token-field").ariaInvalid = String(token === "");
    if (token === "") return element("token-field").focus();
    remember(id, { token });
    tellProblem(undefined);
    open(id, { token });
  });
  element("shortcuts-choice").checked = preference("shortcuts") !== "off";
  element("shortcuts-choice").addEventListener("change", ({ target }) => {
    prefer("shortcuts", target.checked ? "on" : "off");
  });
  await open(id, key);
}

async function open(id, key) {
  if (id === "") return await showList(key);
  const described = await describeRecording(id, key);
  if (described.link === undefined) return refuse(described.status, key);
  const text = await readJournalText(id, described.link);
  if (typeof text !== "string") return refuse(text.status, key);
  const journal = readJournal(text);
  document.title = `${journal.roomName || "Recording"} – Roomwire`;
  element("place").textContent = journal.roomName;
  const began = journal.beganAt.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  element("call-title").textContent = `Recording of ${journal.roomName}, ${began}`;
  document.body.dataset.view = "call";
  if (!journal.isWhole) {
    tellConnection("This recording was not ended properly. It is here up to its last seconds.");
  }
  if (journal.files.length === 0) {
    tellProblem("Nothing was recorded but what is written in the chat.");
  }
  globalThis.replay = new Replay(journal, (file) => addressOf(id, file.index, described.link));
  element("call-title").focus();
}

async function showList(key) {
  const answer = await listRecordings(key);
  if (answer.recordings === undefined) return refuse(answer.status, key);
  document.body.dataset.view = "join";
  element("token-form").hidden = true;
  const { recordings } = answer;
  element("recordings-hint").textContent = recordings.length === 0
    ? "No room has been recorded yet."
    : "Choose what to watch.";
  element("recordings").replaceChildren(...recordings.map(({ egressId, roomName, beganAt }) => {
    const began = new Date(beganAt).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    const link = make("a", "", make("b", "", roomName), make("span", "", began));
    link.href = `/replay/${encodeURIComponent(egressId)}`;
    return make("li", "", link);
  }));
}

function refuse(status, key) {
  document.body.dataset.view = "join";
  const needsToken = status === 401 || status === 403 || status === 404;
  element("token-form").hidden = !needsToken;
  element("recordings-hint").textContent = needsToken
    ? "Watch a recording with the access token of a host of its room."
    : "";
  const hasKey = key.token !== "" || key.link !== "";
  if (hasKey || !needsToken || status === 404) tellProblem(replayWords(status, key));
  else element("recordings-hint").textContent = replayWords(status, key);
}

await start();
