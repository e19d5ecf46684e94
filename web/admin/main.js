/**
 * The operators' page: a way in, the stream, and the pages that show it. A token in the fragment
 * (`#token=…`) is taken out of the address at once.
 *
 * @module
 */
import { element } from "../elements.js";
import { say } from "../notices.js";
import { applyTheme } from "../theme.js";
import { ConfigurationPage } from "./configuration_page.js";
import { prepareConfirmation } from "./confirm.js";
import { Entrance } from "./entrance.js";
import { NodePage } from "./node_page.js";
import { Overview } from "./overview.js";
import { RecordingPage } from "./recording_page.js";
import { RoomPage } from "./room_page.js";
import { readRoute } from "./route.js";
import { keepToken, operatorToken } from "./session.js";
import { Watch } from "./watch.js";

const SECTIONS = ["entrance", "rooms", "room", "nodes", "recordings", "configuration"];
const TITLES = {
  rooms: "Rooms",
  nodes: "Nodes",
  recordings: "Recordings",
  configuration: "Configuration",
};
const LIFE = { live: "Live", away: "Reconnecting" };
/** Whoever types a name is not asked for after each letter, ms. */
const FIND_PAUSE_MS = 250;

applyTheme();
prepareConfirmation();
const overview = new Overview();
const roomPage = new RoomPage();
const nodePage = new NodePage();
const recordingPage = new RecordingPage();
const configurationPage = new ConfigurationPage();
const entrance = new Entrance(enter);

/** @type {Watch | undefined} */
let watch;
/** @type {any} */
let state;
let route = readRoute(globalThis.location.hash);
let life = "";

if (route.token !== undefined) {
  keepToken(route.token);
  history.replaceState(null, "", "/admin#/rooms");
  route = readRoute("#/rooms");
}
element("clear-banner").hidden = globalThis.isSecureContext;
element("skip").addEventListener("click", (event) => {
  event.preventDefault();
  element("main").focus();
});
element("sign-out").addEventListener("click", () => leave());
globalThis.addEventListener("hashchange", () => {
  route = readRoute(globalThis.location.hash);
  if (route.token === undefined) return watch === undefined ? undefined : show();
  keepToken(route.token);
  history.replaceState(null, "", "/admin#/rooms");
  leave(operatorToken());
  enter();
});
for (const id of ["find-room", "find-participant"]) {
  let timer;
  element(id).addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, FIND_PAUSE_MS);
  });
}
if (operatorToken() === "") leave();
else enter();

/** Looks, by the token there is. */
function enter() {
  watch?.close();
  watch = new Watch({ onState: update, onLife: tellLife });
  element("sign-out").hidden = element("tabs").hidden = element("live").hidden = false;
  show();
  ask();
  watch.open();
}

/** Forgets the token, unless another one is given, and asks for one. */
function leave(token = "", problem = "") {
  watch?.close();
  watch = undefined;
  state = undefined;
  keepToken(token);
  recordingPage.show(false);
  if (token !== "") return;
  element("sign-out").hidden = element("tabs").hidden = element("live").hidden = true;
  showSection("entrance");
  document.title = "Roomwire operators";
  entrance.show(problem);
}

function tellLife(now) {
  if (now === "refused") return leave("", "Sign in again: the token is not valid any more.");
  if (now === life) return;
  const isBack = life === "away" && now === "live";
  life = now;
  element("live").dataset.state = now;
  element("live-words").textContent = LIFE[now];
  if (now === "away") say("The connection to the server is lost, it is being made again");
  if (isBack) say("Connected");
}

function ask() {
  const { page, room, participant } = route;
  watch?.ask(
    page === "room"
      ? { room, participant, findRoom: room, findParticipant: element("find-participant").value }
      : { findRoom: element("find-room").value },
  );
}

function update(now) {
  state = now;
  if (route.page === "rooms") overview.update(state);
  if (route.page === "nodes") nodePage.update(state);
  if (route.page === "room") roomPage.update(state);
}

/** Shows the page of the address. */
function show() {
  const { page, room, participant } = route;
  const isOther = element(page).hidden;
  showSection(page);
  document.title = `${page === "room" ? room : TITLES[page]} – Roomwire operators`;
  for (const tab of element("tabs").children) {
    const isHere = tab.dataset.tab === (page === "room" ? "rooms" : page);
    if (isHere) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  recordingPage.show(page === "recordings");
  if (page === "configuration") configurationPage.show();
  if (isOther) element(`${page}-title`).focus();
  if (page === "room") roomPage.show(room, participant);
  ask();
  if (state !== undefined) update(state);
}

function showSection(page) {
  document.body.dataset.view = page;
  for (const id of SECTIONS) element(id).hidden = id !== page;
}
