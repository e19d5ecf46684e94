/**
 * The client at the other end of a carried request: to the node that serves it a socket like any
 * client's, and to the node that the client has reached the session's end of it.
 *
 * @module
 */
import type { SignalSocket } from "../../signalling/signal_socket.ts";
import type { CarriedChannel } from "./carried_channel.ts";
import type { CarriedMessage } from "./carried_message.ts";

/** RFC 6455 §7.4.1: the endpoint is going away; here, the node at the other end. */
const GOING_AWAY = 1001;

/** Messages both ways until one of both sides closes. */
export class CarriedSession implements SignalSocket {
  readonly #channel: CarriedChannel;
  #onMessage: ((data: Uint8Array | string) => void) | undefined;
  #onClose: ((code?: number, reason?: string) => void) | undefined;
  /** What came before somebody listened. */
  readonly #early: (Uint8Array | string)[] = [];
  #closed: { readonly code: number; readonly reason: string } | undefined;
  #isEnded = false;

  /** @param channel With nothing but frames ahead. */
  constructor(channel: CarriedChannel) {
    this.#channel = channel;
    channel.onMessage = (message) => this.#receive(message);
    channel.onEnd = () => this.#ended(GOING_AWAY, "");
  }

  set onMessage(listener: (data: Uint8Array | string) => void) {
    this.#onMessage = listener;
    for (const data of this.#early.splice(0)) listener(data);
  }

  set onClose(listener: (code?: number, reason?: string) => void) {
    this.#onClose = listener;
    if (this.#closed !== undefined) listener(this.#closed.code, this.#closed.reason);
  }

  get bufferedAmount(): number {
    return this.#channel.bufferedAmount;
  }

  send(data: Uint8Array | string): void {
    if (!this.#isEnded) this.#channel.send({ kind: "frame", data });
  }

  close(code: number, reason: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#channel.send({ kind: "close", code, reason });
    this.#channel.end();
  }

  #receive(message: CarriedMessage): void {
    if (this.#isEnded) return;
    if (message.kind === "close") {
      this.#channel.end();
      return this.#ended(message.code, message.reason);
    }
    if (message.kind !== "frame") return;
    if (this.#onMessage === undefined) this.#early.push(message.data);
    else this.#onMessage(message.data);
  }

  #ended(code: number, reason: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#closed = { code, reason };
    this.#onClose?.(code, reason);
  }
}
