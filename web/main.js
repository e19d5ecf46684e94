/**
 * The demo: from a link into a room and back. `/demo/<room>` names the room; a token comes in the
 * fragment (`#token=…&name=…`), which no server sees and which is taken out of the address at once,
 * or from the server where that gives them.
 *
 * @module
 */
import { Call } from "./call.js";
import { Chat } from "./chat.js";
import { Controls } from "./controls.js";
import { element } from "./elements.js";
import { joinWords } from "./failure_words.js";
import { openInvitation, prepareInvitation } from "./invitation.js";
import { Moderation } from "./moderation.js";
import { setOwnName } from "./names.js";
import { tellProblem } from "./notices.js";
import { People } from "./people.js";
import { pathOfRoom, readClaims, readPlace } from "./place.js";
import { keepTokenOfTab, preference, tokenOfTab } from "./preferences.js";
import { PreJoin } from "./pre_join.js";
import { askForToken, givesTokens } from "./server_calls.js";
import { openSettings, prepareSettings } from "./settings.js";
import { applyTheme } from "./theme.js";
import { listenForShortcuts } from "./shortcuts.js";
import { Stage } from "./stage.js";
import { TileMenu, toggleFullScreen } from "./tile_menu.js";

/** @type {Call | undefined} */
let call;
/** Who is in or was last. */
let last = { room: "", name: "", token: "" };

applyTheme();
const place = readPlace(globalThis.location);
if (place.token !== "") keepTokenOfTab(place.room, place.token);
hideToken(place.room);
const serverGives = givesTokens();

const theCall = () => call;
const moderation = new Moderation(theCall);
const stage = new Stage((tile) => menu.open(tile));
const menu = new TileMenu(stage, moderation);
const chat = new Chat(theCall);
const people = new People(moderation);
const controls = new Controls(theCall, { chat, people });
const preJoin = new PreJoin(enter);

/** A token in the address would be in the history, in screenshots, and in what people pass on. */
function hideToken(room) {
  history.replaceState(null, "", pathOfRoom(room));
}

/** A reload is the same person; another tab is not. */
function tokenOfReload(room) {
  const [navigation] = performance.getEntriesByType("navigation");
  return navigation?.type === "reload" ? tokenOfTab(room) : "";
}

async function showEntrance({ title, hint } = {}) {
  const gives = await serverGives;
  const token = last.token || place.token || tokenOfReload(place.room);
  const claims = readClaims(token);
  const room = claims?.room || last.room || place.room;
  const isUnreadable = token !== "" && claims === undefined;
  preJoin.show({
    room,
    token: isUnreadable ? "" : token,
    needsToken: isUnreadable || (token === "" && !gives),
    name: element("name-field").value || place.name || preference("name"),
    claims,
    title,
    hint,
  });
  if (isUnreadable) tellProblem("What the link brought is no access token. Ask for a new link.");
}

/** @param {import("./pre_join.js").Entrance} entrance @returns {Promise<boolean>} */
async function enter({ room, name, token, tracks }) {
  const given = token === "" || isOver(token) ? await renewed(room, name) : token;
  if (given === undefined) {
    if (token !== "") tellProblem(joinWords({ status: 401, body: "expired" }));
    return false;
  }
  const claims = readClaims(given);
  const roomName = claims?.room || room;
  setOwnName(claims?.name || name);
  chat.forget();
  controls.closeAll();
  call = new Call(given, {
    parts: [stage, chat, people],
    changed: () => {
      controls.render();
      chat.renderForm();
    },
    ended: (words) => left(words),
    renewToken: () => renewed(roomName, name),
  });
  const refusal = await call.enter(tracks);
  if (refusal !== undefined) {
    call = undefined;
    // One that the server gave may be had again, one that somebody sent may not.
    if (token === "") keepTokenOfTab(roomName, "");
    tellProblem(refusal);
    return false;
  }
  last = { room: roomName, name, token: given };
  keepTokenOfTab(roomName, given);
  showCall(roomName);
  return true;
}

/** @param {string} token @returns {boolean} whether its time is up, and the server gives others */
function isOver(token) {
  return (readClaims(token)?.expiresAt ?? Infinity) < Date.now();
}

/** @returns {Promise<string | undefined>} a token of the server's; if it gives none, that is told */
async function renewed(room, name) {
  if (!await serverGives) return undefined;
  const answer = await askForToken(room, name || "Guest");
  if ("token" in answer) return answer.token;
  tellProblem(joinWords(answer));
  return undefined;
}

function showCall(room) {
  document.body.dataset.view = "call";
  hideToken(room);
  document.title = `${room} – Roomwire`;
  element("place").textContent = room;
  element("call-title").textContent = `Call in ${room}`;
  controls.render();
  stage.render();
  element("call-title").focus();
}

/** @param {string | undefined} words why, if nobody here meant it */
async function left(words) {
  last = { ...last, token: call?.token ?? last.token };
  call = undefined;
  if (document.fullscreenElement !== null) document.exitFullscreen();
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  controls.closeAll();
  await showEntrance({
    title: words === undefined ? "You left the room" : "The call ended",
    hint: words === undefined ? `You can join ${last.room} again.` : "",
  });
  tellProblem(words);
  element("join-title").focus();
}

const invite = async () => openInvitation(last.room, await serverGives);
const fullScreen = () => toggleFullScreen(document.documentElement);
prepareInvitation();
prepareSettings(async (kind, deviceId) => {
  if (call !== undefined) await call.choose(kind, deviceId);
  else if (kind !== "speaker") await preJoin.devices.choose(kind, deviceId);
});
for (const id of ["invite-button", "alone-invite", "more-invite"]) {
  element(id).addEventListener("click", invite);
}
for (const id of ["preview-settings", "more-settings"]) {
  element(id).addEventListener("click", openSettings);
}
for (const id of ["view-button", "more-view"]) {
  element(id).addEventListener("click", () => stage.toggleView());
}
element("more-full").hidden = !document.fullscreenEnabled;
element("more-full").addEventListener("click", fullScreen);
element("others-button").addEventListener("click", () => controls.togglePanel("people"));
for (const closer of document.querySelectorAll("[data-dismisses]")) {
  closer.addEventListener("click", () => element(closer.dataset.dismisses).close());
}
listenForShortcuts({
  microphone: () => controls.toggle("microphone"),
  camera: () => controls.toggle("camera"),
  screen: () => controls.toggle("screen"),
  chat: () => controls.togglePanel("chat"),
  people: () => controls.togglePanel("people"),
  view: () => stage.toggleView(),
  full: fullScreen,
});
await showEntrance();
