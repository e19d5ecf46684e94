/**
 * The stream of the server's state: a snapshot, then merge patches, on a socket that is made anew
 * whenever it ends.
 *
 * @module
 */
import { applyMergePatch } from "./merge_patch.js";
import { operatorToken } from "./session.js";

/** Pauses between two attempts grow up to this, ms. */
const LONGEST_PAUSE_MS = 10_000;
const FIRST_PAUSE_MS = 500;
/** Nothing for so long, and the socket is taken for dead, ms. */
const SILENT_AFTER_MS = 20_000;

/** What the server says when it ends a stream because of its token. */
const TOKEN_OVER = "the token has expired";

/** What the server is like, for as long as somebody looks. */
export class Watch {
  #socket;
  #question = {};
  #state;
  #pauseMs = FIRST_PAUSE_MS;
  #timer;
  #silence;
  #isEnded = false;

  /**
   * @param {{ onState: (state: any) => void, onLife: (life: "live" | "away" | "refused") => void }}
   *   listener
   */
  constructor(listener) {
    this.listener = listener;
  }

  /** What is to be shown from now on. */
  ask(question) {
    if (JSON.stringify(question) === JSON.stringify(this.#question)) return;
    this.#question = question;
    if (this.#socket?.readyState === WebSocket.OPEN) this.#sendQuestion();
  }

  open() {
    const { protocol, host } = globalThis.location;
    const url = `${protocol === "https:" ? "wss:" : "ws:"}//${host}/admin/stream`;
    const socket = new WebSocket(url, ["roomwire.admin", `bearer.${operatorToken()}`]);
    this.#socket = socket;
    let wasOpen = false;
    socket.onopen = () => {
      wasOpen = true;
      this.#pauseMs = FIRST_PAUSE_MS;
      this.#sendQuestion();
    };
    socket.onmessage = ({ data }) => {
      this.#heard();
      const { type, state, patch } = JSON.parse(data);
      this.#state = type === "snapshot" ? state : applyMergePatch(this.#state, patch);
      this.listener.onLife("live");
      this.listener.onState(this.#state);
    };
    socket.onclose = ({ reason }) => {
      if (this.#socket !== socket || this.#isEnded) return;
      clearTimeout(this.#silence);
      this.listener.onLife("away");
      if (reason === TOKEN_OVER) return this.listener.onLife("refused");
      this.#again(wasOpen);
    };
    this.#heard();
  }

  close() {
    this.#isEnded = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#silence);
    this.#socket?.close();
  }

  #sendQuestion() {
    this.#socket.send(JSON.stringify(this.#question));
  }

  #heard() {
    clearTimeout(this.#silence);
    const socket = this.#socket;
    this.#silence = setTimeout(() => socket.close(), SILENT_AFTER_MS);
  }

  /** A browser does not say why a socket was refused, so the token is tried out. */
  async #again(wasOpen) {
    if (!wasOpen && await isRefused()) return this.listener.onLife("refused");
    if (this.#isEnded) return;
    this.#timer = setTimeout(() => this.open(), this.#pauseMs);
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2);
  }
}

async function isRefused() {
  try {
    const headers = { "Authorization": `Bearer ${operatorToken()}` };
    const { status } = await fetch("/admin/stream", { headers });
    return status === 401 || status === 403 || status === 404;
  } catch {
    return false;
  }
}
