/**
 * The demo page: joins the room of the token in `#token=…&name=…` (or `?token=…`) on the server that
 * served the page, and runs the call until the person leaves.
 *
 * @module
 */
import { connectProblem, deviceProblem, disconnectProblem } from "./plain_words.js";
import { showTiles } from "./tiles.js";

const { Room, RoomEvent } = globalThis.LivekitClient;

/** Topic of chat messages among the room's data packets. */
const CHAT_TOPIC = "demo-chat";

const element = (id) => document.getElementById(id);

/** @type {import("livekit-client").Room | undefined} */
let room;

/** The page's own address as a signalling URL. */
function serverUrl() {
  const { protocol, host } = globalThis.location;
  return `${protocol === "https:" ? "wss:" : "ws:"}//${host}`;
}

/** Parameters of the fragment, which no server sees, or else of the query. */
function linkParameters() {
  const fragment = new URLSearchParams(globalThis.location.hash.slice(1));
  const query = new URLSearchParams(globalThis.location.search);
  const read = (key) => fragment.get(key) ?? query.get(key) ?? "";
  return { token: read("token"), name: read("name") };
}

async function join(token, { name, microphone, camera }) {
  tellProblem(undefined);
  setJoining(true);
  const joining = new Room({ adaptiveStream: true, dynacast: true });
  room = joining;
  listen(joining);
  showTiles(joining, element("stage"), element("sounds"), name);
  try {
    await joining.connect(serverUrl(), token);
  } catch (error) {
    console.warn("join failed", error);
    if (room === joining) room = undefined;
    setJoining(false);
    tellProblem(connectProblem(error));
    return;
  }
  setJoining(false);
  document.body.dataset.view = "call";
  element("place").textContent = joining.name;
  document.title = `${joining.name} – Roomwire demo`;
  if (microphone) await toggle("microphone", true);
  if (camera) await toggle("camera", true);
  renderControls();
}

function setJoining(joining) {
  const button = element("join-button");
  button.disabled = joining;
  button.textContent = joining ? "Joining…" : "Join";
}

/** The three things a person can send, with the SDK's calls for them. */
const SENDABLE = {
  microphone: {
    isOn: () => room.localParticipant.isMicrophoneEnabled,
    set: (on) => room.localParticipant.setMicrophoneEnabled(on),
  },
  camera: {
    isOn: () => room.localParticipant.isCameraEnabled,
    set: (on) => room.localParticipant.setCameraEnabled(on),
  },
  screen: {
    isOn: () => room.localParticipant.isScreenShareEnabled,
    set: (on) => room.localParticipant.setScreenShareEnabled(on, { audio: true }),
  },
};

async function toggle(device, on) {
  const button = element(`${device}-button`);
  button.disabled = true;
  try {
    await SENDABLE[device].set(on);
  } catch (error) {
    console.warn(`${device} failed`, error);
    tellProblem(deviceProblem(error, device));
  } finally {
    button.disabled = false;
    renderControls();
  }
}

function renderControls() {
  if (!room) return;
  for (const [device, { isOn }] of Object.entries(SENDABLE)) {
    const button = element(`${device}-button`);
    const on = isOn();
    button.ariaPressed = String(on);
    if (device === "screen") continue;
    button.dataset.off = String(!on);
    const icon = device === "camera" ? "#icon-camera" : "#icon-mic";
    button.querySelector("use").setAttribute("href", on ? icon : `${icon}-off`);
  }
  element("alone").hidden = room.remoteParticipants.size > 0;
}

function listen(room) {
  for (
    const event of [
      RoomEvent.ParticipantConnected,
      RoomEvent.ParticipantDisconnected,
      RoomEvent.LocalTrackPublished,
      RoomEvent.LocalTrackUnpublished,
      RoomEvent.TrackMuted,
      RoomEvent.TrackUnmuted,
    ]
  ) room.on(event, renderControls);
  room
    .on(RoomEvent.SignalReconnecting, () => tellConnection("Reconnecting…"))
    .on(RoomEvent.Reconnecting, () => tellConnection("Reconnecting…"))
    .on(RoomEvent.Reconnected, () => tellConnection(undefined))
    .on(RoomEvent.AudioPlaybackStatusChanged, () => {
      element("sound-banner").hidden = room.canPlaybackAudio;
    })
    .on(RoomEvent.DataReceived, (payload, participant, _kind, topic) => {
      if (topic !== CHAT_TOPIC) return;
      addMessage(participant?.name || participant?.identity || "Server", decode(payload));
    })
    .on(RoomEvent.Disconnected, (reason) => end(room, disconnectProblem(reason)));
}

/** Back to the join form, with the token kept for another try. */
function end(ended, problem) {
  if (room !== ended || document.body.dataset.view !== "call") return;
  room = undefined;
  document.body.dataset.view = "join";
  element("join-title").textContent = problem ? "The call ended" : "You left the room";
  element("join-hint").textContent = "Join again with the same token, or paste another one.";
  element("place").textContent = "";
  element("sound-banner").hidden = true;
  element("sounds").replaceChildren();
  element("chat-log").replaceChildren();
  tellConnection(undefined);
  tellProblem(problem);
  element("join-button").focus();
}

function tellProblem(text) {
  element("problem-text").textContent = text ?? "";
  element("problem-banner").hidden = text === undefined;
}

function tellConnection(text) {
  element("connection-banner").textContent = text ?? "";
  element("connection-banner").hidden = text === undefined;
}

const decode = (payload) => new TextDecoder().decode(payload);

function addMessage(from, text) {
  const item = document.createElement("li");
  const author = document.createElement("b");
  author.textContent = from;
  item.append(author, text);
  const log = element("chat-log");
  log.append(item);
  log.scrollTop = log.scrollHeight;
  element("chat-button").dataset.unread = String(element("chat").hidden);
}

function openChat(open) {
  element("chat").hidden = !open;
  element("chat-button").ariaExpanded = String(open);
  if (!open) return;
  element("chat-button").dataset.unread = "false";
  element("chat-field").focus();
}

async function sendMessage(event) {
  event.preventDefault();
  const field = element("chat-field");
  const text = field.value.trim();
  if (text === "" || !room) return;
  field.value = "";
  try {
    const payload = new TextEncoder().encode(text);
    await room.localParticipant.publishData(payload, { reliable: true, topic: CHAT_TOPIC });
    addMessage("You", text);
  } catch (error) {
    console.warn("message failed", error);
    field.value = text;
    tellProblem("The message could not be sent. Try again.");
  }
}

for (const device of Object.keys(SENDABLE)) {
  element(`${device}-button`).addEventListener("click", () => {
    toggle(device, !SENDABLE[device].isOn());
  });
}
element("leave-button").addEventListener("click", () => room?.disconnect());
element("chat-button").addEventListener("click", () => openChat(element("chat").hidden));
element("chat-form").addEventListener("submit", sendMessage);
element("chat").addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  openChat(false);
  element("chat-button").focus();
});
element("problem-dismiss").addEventListener("click", () => tellProblem(undefined));
element("sound-allow").addEventListener("click", () => room?.startAudio());

const { token: linkToken, name: linkName } = linkParameters();
element("join-form").addEventListener("submit", (event) => {
  event.preventDefault();
  join(element("token-field").value.trim(), {
    name: linkName,
    microphone: element("start-microphone").checked,
    camera: element("start-camera").checked,
  });
});
if (linkToken !== "") {
  element("token-field").value = linkToken;
  join(linkToken, { name: linkName, microphone: true, camera: true });
}
