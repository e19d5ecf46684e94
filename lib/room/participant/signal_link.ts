/**
 * One client's end of the signalling, across the sockets it uses one after the other.
 *
 * Contract: a message goes to the newest socket or to none; what a client may have missed because
 * its socket was gone, or was dead without anybody knowing, is sent again when it resumes, in
 * order. Kept are those messages that no other part of a resume repeats; each says a fact or ends a
 * question, so that hearing it twice changes nothing.
 *
 * @module
 */
import type { Clock } from "../../base/platform.ts";
import { encodedMessage } from "../context/encoded_message.ts";
import type { SignalMessage, SignalSink } from "../context/signal_message.ts";

/** On their way when the last sign of life left the client, ms: a slow network's round trip. */
const IN_FLIGHT_MS = 1_000;
/** Messages kept for one client; more than any honest one misses in the time it may be away. */
const MAX_KEPT = 512;
/** The same in bytes as they are sent; the newest message is kept whatever it weighs. */
const MAX_KEPT_BYTES = 256 * 1024;
/** A client that pings every five seconds and is silent this long is not listening either, ms. */
const SILENT_AFTER_MS = 12_500;
/** Longest round trip believed, ms. */
const MAX_RTT_MS = 60_000;
/** How long a client under test can ask for its next sockets to be dropped, ms, and how many. */
const DROP_WINDOW_MS = 5_000;
const MAX_SILENT_DROPS = 3;

/**
 * Not kept: what opens or ends a session, what a resume repeats from the present state, and what
 * only concerns the moment. Offers are made anew.
 */
const NOT_KEPT: ReadonlySet<SignalMessage["case"]> = new Set<SignalMessage["case"]>([
  "join",
  "reconnect",
  "leave",
  "offer",
  "trickle",
  "update",
  "roomUpdate",
  "refreshToken",
  "pong",
  "pongResp",
  "subscribedQualityUpdate",
  "mediaSectionsRequirement",
  // A client that missed it resumes in the room it left, and is told to join anew.
  "roomMoved",
]);

/**
 * One client's signalling over all its sockets: a message goes to the newest or to none, and what
 * was missed is sent again at a resume, in order.
 */
export class SignalLink {
  #sink: SignalSink | undefined;
  /** Round trip of the signalling as the client measured it, ms; 0 before it did. */
  rttMs = 0;
  #heardAt: number;
  #pingedAt: number | undefined;
  #kept: { readonly at: number; readonly bytes: number; readonly message: SignalMessage }[] = [];
  #keptBytes = 0;
  #drops: { readonly until: number; left: number; readonly silent: boolean } | undefined;

  /** @param resumes Whether its client can ever come back on another socket. */
  constructor(sink: SignalSink, readonly clock: Clock, readonly resumes = true) {
    this.#sink = sink;
    this.#heardAt = clock.now();
  }

  /** When the client last sent anything, monotonic ms. */
  get heardAt(): number {
    return this.#heardAt;
  }

  get attached(): boolean {
    return this.#sink !== undefined;
  }

  /** The client has a socket and seems to listen. */
  get answers(): boolean {
    return this.attached && !this.silent;
  }

  /** Its pings stay away, on whichever socket: its network is down, or was until just now. */
  get silent(): boolean {
    return this.#pingedAt !== undefined && this.clock.now() - this.#pingedAt > SILENT_AFTER_MS;
  }

  /** The client sent something, perhaps a ping: what it was told some time before has arrived. */
  heard(isPing: boolean): void {
    this.#heardAt = this.clock.now();
    if (isPing) this.#pingedAt = this.#heardAt;
    if (this.#kept.length === 0) return;
    const since = this.#heardAt - IN_FLIGHT_MS;
    while (this.#kept.length > 0 && this.#kept[0]!.at <= since) this.#forgetOldest();
  }

  /** The client says how long a ping took; nonsense is passed over. */
  measured(rttMs: number): void {
    if (rttMs > 0 && rttMs <= MAX_RTT_MS) this.rttMs = rttMs;
  }

  send(message: SignalMessage): void {
    // An answer that is heard twice is an error; one without a socket was certainly not heard.
    const keeps = message.case === "answer" ? !this.attached : !NOT_KEPT.has(message.case);
    if (keeps && this.resumes) {
      this.#keep(message);
    }
    this.#sink?.send(message);
  }

  /** Bytes kept for a client that comes back. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  #keep(message: SignalMessage): void {
    const bytes = messageWeight(message);
    this.#kept.push({ at: this.clock.now(), bytes, message });
    this.#keptBytes += bytes;
    const isTooMuch = () => this.#kept.length > MAX_KEPT || this.#keptBytes > MAX_KEPT_BYTES;
    while (isTooMuch() && this.#kept.length > 1) this.#forgetOldest();
  }

  #forgetOldest(): void {
    this.#keptBytes -= this.#kept.shift()?.bytes ?? 0;
  }

  /**
   * The client is on a new socket; the one before is closed.
   *
   * @returns Whether the session may go on there; else the socket is dropped without a word, as a
   * client under test asked.
   */
  attach(sink: SignalSink): boolean {
    const before = this.#sink;
    this.#sink = sink;
    // A client that came back listens, whenever it pings next.
    this.#pingedAt = undefined;
    before?.close();
    return !this.#dropsNow(true);
  }

  /** Sends what may have been missed. */
  replay(): void {
    for (const { message } of this.#kept) this.#sink?.send(message);
    this.#dropsNow(false);
  }

  /** `sink` has ended. @returns Whether it was the socket in use. */
  detach(sink: SignalSink): boolean {
    if (sink !== this.#sink) return false;
    this.#sink = undefined;
    return true;
  }

  /**
   * Ends the socket in use, after `last` if there is one. Its owner hears of it as of any other
   * end.
   */
  end(last?: SignalMessage): void {
    if (last !== undefined) this.#sink?.send(last);
    this.#sink?.close();
  }

  /** The session is over: nothing is kept, and no socket is used any more. */
  close(): void {
    const sink = this.#sink;
    this.#sink = undefined;
    this.#kept = [];
    this.#keptBytes = 0;
    sink?.close();
  }

  /**
   * Drops the next socket as soon as everything was said on it, or, if `silent`, the next few
   * before anything is said.
   */
  dropNext(silent: boolean): void {
    const until = this.clock.now() + DROP_WINDOW_MS;
    this.#drops = { until, left: silent ? MAX_SILENT_DROPS : 1, silent };
  }

  #dropsNow(silent: boolean): boolean {
    const drops = this.#drops;
    if (drops === undefined || drops.silent !== silent) return false;
    if (--drops.left <= 0) this.#drops = undefined;
    if (this.clock.now() >= drops.until) {
      this.#drops = undefined;
      return false;
    }
    this.end();
    return true;
  }
}

/** A message and its size go together: messages do not change once they were sent. */
const weights = new WeakMap<SignalMessage, number>();

/** Bytes of `message` as it is sent, found out once however many clients it is kept for. */
function messageWeight(message: SignalMessage): number {
  let weight = weights.get(message);
  if (weight === undefined) {
    weight = encodedMessage(message).length;
    weights.set(message, weight);
  }
  return weight;
}
