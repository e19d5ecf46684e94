/**
 * Ends WebSockets whose peer is gone. All are looked at together: a timer for each would wake the
 * main thread for everybody that does nothing.
 *
 * Contract: from the last sign of life of a peer until its end it takes between two thirds of the
 * idle time and all of it, and in between it was asked (ping, RFC 6455 §5.5.2). Who says something
 * by itself often enough is not asked.
 *
 * @module
 */
import type { Cancel, Timers } from "../../base/platform.ts";

/** Looks in the idle time: in one nothing was heard since the one before, then it is asked. */
const LOOKS = 3;

/** As much of a WebSocket as is used here. */
export interface LivingSocket {
  on(event: "pong" | "message" | "close", listener: () => void): void;
  ping(): void;
  terminate(): void;
}

/** What is known of one peer. */
interface Life {
  readonly socket: LivingSocket;
  isHeard: boolean;
  isAsked: boolean;
}

/** The WebSockets of one server. Has a timer while there is one of them. */
export class SocketLives {
  readonly #lives = new Set<Life>();
  #cancelLook: Cancel | undefined;

  /** @param idleTimeoutS Seconds that a peer may give no sign of life. */
  constructor(readonly idleTimeoutS: number, private readonly timers: Timers) {}

  /** Looks after `socket` until it is closed. */
  watch(socket: LivingSocket): void {
    const life: Life = { socket, isHeard: true, isAsked: false };
    const heard = () => void (life.isHeard = true);
    socket.on("pong", heard);
    socket.on("message", heard);
    socket.on("close", () => {
      this.#lives.delete(life);
      if (this.#lives.size > 0) return;
      this.#cancelLook?.();
      this.#cancelLook = undefined;
    });
    this.#lives.add(life);
    if (this.#cancelLook === undefined) this.#lookLater();
  }

  #lookLater(): void {
    this.#cancelLook = this.timers.after(this.idleTimeoutS * 1_000 / LOOKS, () => {
      this.#lookLater();
      for (const life of this.#lives) look(life);
    });
  }
}

function look(life: Life): void {
  const { socket, isHeard, isAsked } = life;
  if (!isHeard && isAsked) return socket.terminate();
  life.isAsked = !isHeard;
  life.isHeard = false;
  if (life.isAsked) socket.ping();
}
