/**
 * The server's stream (`/admin/stream`) as `roomwire top` reads it: kept as one state, on a socket
 * that is made anew whenever it ends.
 *
 * @module
 */
import { SfuError } from "../../base/errors.ts";
import type { Cancel, Timers } from "../../base/platform.ts";
import type { ClusterFigures, WatchQuestion } from "../../watch/figures.ts";
import { applyMergePatch } from "../../watch/merge_patch.ts";

/** Pauses between two attempts grow up to this, ms. */
const LONGEST_PAUSE_MS = 10_000;
const FIRST_PAUSE_MS = 500;
/** Nothing for so long, and the socket is taken for dead, ms. */
const SILENT_AFTER_MS = 20_000;

/** As much of a WebSocket as is used here. */
export interface StreamSocket {
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  onerror: ((event: Event) => void) | null;
  send(text: string): void;
  close(): void;
}

/** How the server is reached. */
export interface TopServer {
  /** Opens the stream with a token of its own. */
  readonly connect: () => Promise<StreamSocket>;
  /** Why it is not to be had: HTTP status and words; `undefined` if the server does not answer. */
  readonly refusal: () => Promise<{ readonly status: number; readonly words: string } | undefined>;
}

/** Who reads. */
export interface TopListener {
  /** @param isChange Whether it follows another of the same question: only then there are rates. */
  onState(state: ClusterFigures, isChange: boolean): void;
  onAway(): void;
  /** It is not to be had, now or ever. */
  onRefused(error: SfuError): void;
}

/** Reads until it is closed, or refused. */
export class TopStream {
  readonly #server: TopServer;
  readonly #timers: Timers;
  readonly #listener: TopListener;
  #question: WatchQuestion;
  #socket: StreamSocket | undefined;
  #isOpen = false;
  #wasEverOpen = false;
  #state: unknown;
  #pauseMs = FIRST_PAUSE_MS;
  #cancelSilence: Cancel | undefined;
  #cancelRetry: Cancel | undefined;
  #isEnded = false;

  constructor(server: TopServer, timers: Timers, listener: TopListener, question: WatchQuestion) {
    this.#server = server;
    this.#timers = timers;
    this.#listener = listener;
    this.#question = question;
  }

  /** Connects; never rejects. */
  async open(): Promise<void> {
    let socket: StreamSocket;
    try {
      socket = await this.#server.connect();
    } catch {
      return await this.#lost(false);
    }
    if (this.#isEnded) return socket.close();
    this.#socket = socket;
    socket.onerror = () => {};
    socket.onopen = () => {
      this.#isOpen = this.#wasEverOpen = true;
      this.#pauseMs = FIRST_PAUSE_MS;
      this.#heard();
      socket.send(JSON.stringify(this.#question));
    };
    socket.onmessage = ({ data }) => this.#read(data);
    socket.onclose = () => {
      if (this.#socket !== socket || this.#isEnded) return;
      const wasOpen = this.#isOpen;
      this.#isOpen = false;
      void this.#lost(wasOpen);
    };
  }

  /** Something else is wanted from now on. */
  ask(question: WatchQuestion): void {
    if (JSON.stringify(question) === JSON.stringify(this.#question)) return;
    this.#question = question;
    if (this.#isOpen) this.#socket!.send(JSON.stringify(question));
  }

  close(): void {
    this.#isEnded = true;
    this.#cancelSilence?.();
    this.#cancelRetry?.();
    this.#socket?.close();
  }

  #read(data: unknown): void {
    if (this.#isEnded) return;
    this.#heard();
    const message = parsedObject(data);
    if (message.type === "snapshot") this.#state = message.state;
    else if (message.type === "change") this.#state = applyMergePatch(this.#state, message.patch);
    if (isState(this.#state)) this.#listener.onState(this.#state, message.type === "change");
  }

  #heard(): void {
    this.#cancelSilence?.();
    const socket = this.#socket;
    this.#cancelSilence = this.#timers.after(SILENT_AFTER_MS, () => socket?.close());
  }

  async #lost(wasOpen: boolean): Promise<void> {
    this.#cancelSilence?.();
    if (this.#isEnded) return;
    this.#listener.onAway();
    const refusal = wasOpen ? undefined : await this.#server.refusal();
    if (this.#isEnded) return;
    if (refusal !== undefined && refusal.status >= 400 && refusal.status < 500) {
      return this.#listener.onRefused(refused(refusal));
    }
    // Who was never there is not waited for.
    if (!this.#wasEverOpen) {
      const error = new SfuError("address_not_available", "the server does not answer");
      return this.#listener.onRefused(error);
    }
    this.#cancelRetry = this.#timers.after(this.#pauseMs, () => void this.open());
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2);
  }
}

function refused({ status, words }: { readonly status: number; readonly words: string }): SfuError {
  if (status === 404) {
    const hint = "it has nothing for operators: set admin.enabled or admin.password there";
    return new SfuError("permission_denied", hint);
  }
  return new SfuError("permission_denied", `the server refuses (${status}): ${words}`);
}

function parsedObject(data: unknown): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(String(data));
    return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
  } catch {
    return {};
  }
}

/** Both ends are of this program; what a stranger says under its address must not end it. */
function isState(value: unknown): value is ClusterFigures {
  const state = value as Partial<ClusterFigures> | undefined;
  return typeof state?.nodes === "object" && state.nodes !== null &&
    typeof state.rooms === "object" && state.rooms !== null &&
    typeof state.atMs === "number" && Number.isFinite(state.atMs) &&
    typeof state.roomCount === "number";
}
