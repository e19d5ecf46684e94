/**
 * The chat: LiveKit's text streams on the topic that its own components use, so that both understand
 * each other.
 *
 * @module
 */
import { readMessage, unreadWords } from "./chat_text.js";
import { element, make } from "./elements.js";
import { notPermittedWords } from "./failure_words.js";
import { linkedText } from "./linked_text.js";
import { nameOf } from "./names.js";
import { endMentions, mention, say, tellProblem } from "./notices.js";
import { RoomEvent } from "./sdk.js";

const TOPIC = "lk.chat";
/** So much of a message is read aloud and shown in passing, characters. */
const GLANCE = 80;
/** A room tells of those who publish nothing in passing: after their first words, perhaps, ms. */
const INTRODUCTION_MS = 4000;
/** Older ones go when there are more. */
const MOST_MESSAGES = 500;

/** The panel with its messages. */
export class Chat {
  /** @type {() => import("./call.js").Call | undefined} */
  #call;
  #unread = 0;

  /** @param {() => import("./call.js").Call | undefined} call the call there is, if any */
  constructor(call) {
    this.#call = call;
    const field = element("chat-field");
    element("chat-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#send();
    });
    field.addEventListener("input", () => this.renderForm());
    this.renderForm();
  }

  /** @param {import("livekit-client").Room} room */
  show(room) {
    room.registerTextStreamHandler(TOPIC, async (reader, { identity }) => {
      try {
        const { text, isCut } = await readMessage(reader);
        const name = await nameOfSender(room, identity);
        this.#receive(name || "Server", isCut ? `${text}… (The rest was too long to show.)` : text);
      } catch (error) {
        console.warn("a message did not come completely", error);
      }
    });
  }

  /** Messages stay for those who come back. */
  clear() {}

  /** Nobody's messages are for whoever comes next. */
  forget() {
    element("chat-log").replaceChildren();
    element("chat-field").value = "";
    element("chat-empty").hidden = false;
    this.#setUnread(0);
  }

  /** What is unread has been read. */
  opened() {
    this.#setUnread(0);
    endMentions("chat");
    const scroll = element("chat-scroll");
    scroll.scrollTop = scroll.scrollHeight;
    element("chat-field").focus();
  }

  #receive(from, text) {
    const glance = `${from} writes: ${text.length > GLANCE ? `${text.slice(0, GLANCE)}…` : text}`;
    if (element("chat").hidden) {
      this.#setUnread(this.#unread + 1);
      mention(glance, "chat");
    } else {
      say(glance);
    }
    this.#add(from, text);
  }

  #add(from, text) {
    const now = new Date();
    const time = make("time", "", now.toLocaleTimeString([], { timeStyle: "short" }));
    time.dateTime = now.toISOString();
    const words = make("p", "chat-text", ...linkedText(text));
    const scroll = element("chat-scroll");
    const isAtEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 40;
    const head = make("p", "chat-head", make("b", "", from), time);
    const log = element("chat-log");
    log.append(make("li", "", head, words));
    if (log.childElementCount > MOST_MESSAGES) log.firstElementChild?.remove();
    element("chat-empty").hidden = true;
    // Whoever reads further up goes on reading.
    if (isAtEnd || from === "You") scroll.scrollTop = scroll.scrollHeight;
  }

  #setUnread(unread) {
    this.#unread = unread;
    const { badge, name } = unreadWords(unread);
    element("chat-badge").textContent = badge;
    element("chat-badge").hidden = unread === 0;
    element("chat-button").ariaLabel = name;
  }

  /** What can be written now. */
  renderForm() {
    const mayWrite = this.#call()?.mayWrite ?? true;
    const field = element("chat-field");
    field.disabled = !mayWrite;
    element("chat-send").disabled = !mayWrite || field.value.trim() === "";
    element("chat-refusal").hidden = mayWrite;
    element("chat-refusal").textContent = mayWrite ? "" : notPermittedWords("chat");
  }

  async #send() {
    const field = element("chat-field");
    const text = field.value.trim();
    const room = this.#call()?.room;
    if (text === "" || room === undefined) return;
    field.value = "";
    this.renderForm();
    try {
      await room.localParticipant.sendText(text, { topic: TOPIC });
      this.#add("You", text);
    } catch (error) {
      console.warn("message failed", error);
      if (field.value === "") field.value = text;
      tellProblem("The message could not be sent. Try again.");
    }
    this.renderForm();
  }
}

/**
 * The name of whoever sent something, also if the room has not told of them yet.
 *
 * @param {import("livekit-client").Room} room
 * @param {string} identity empty if the server sent it
 */
async function nameOfSender(room, identity) {
  const known = () => room.remoteParticipants.get(identity);
  if (identity !== "" && known() === undefined) {
    await new Promise((resolve) => {
      const onConnected = ({ identity: newcomer }) => {
        if (newcomer === identity) end();
      };
      const timer = setTimeout(end, INTRODUCTION_MS);
      function end() {
        clearTimeout(timer);
        room.off(RoomEvent.ParticipantConnected, onConnected);
        resolve();
      }
      room.on(RoomEvent.ParticipantConnected, onConnected);
    });
  }
  const participant = known();
  return participant === undefined ? identity : nameOf(participant);
}
