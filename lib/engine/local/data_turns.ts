/**
 * Turns of data: connections that have messages to hand over or packets of SCTP to send are seen to
 * once for each batch of packets, turn of commands, or wake-up, and not once for each message, so
 * that messages share packets.
 *
 * Whoever has more messages than his share goes on in a later turn, and all come round: a crowd of
 * small messages holds up neither media nor other connections. What waits meanwhile waits in the
 * window of whoever sent it.
 *
 * @module
 */
import type { Clock } from "../../base/platform.ts";

/** A connection's data. */
export interface DataTurnTaker {
  /** Whether it stands in the line. */
  hasDataTurn: boolean;
  /** Whether {@linkcode DataTurnTaker.deliverData} has something to do. */
  readonly hasMessages: boolean;
  /** Hands over one message, if there is one. Returns whether there are more. */
  deliverData(now: number): boolean;
  /** Sends what is to be sent. */
  flushData(now: number): void;
}

/** Messages of one connection in a row; each may go to many receivers. */
const MESSAGES_IN_A_ROW = 16;
/**
 * How long handing over may take in one turn, µs; the message during which it is over is finished:
 * one to a thousand receivers takes as long as many others.
 */
const TURN_US = 4_000;

/** The line of those who have data to see to. A throw is told, and ends nobody else's turn. */
export class DataTurns<T extends DataTurnTaker> {
  #line: T[] = [];

  /** @param failed Told of a throw on behalf of a connection. */
  constructor(
    private readonly clock: Pick<Clock, "nowUs">,
    private readonly failed: (taker: T, error: unknown) => void,
  ) {}

  /** Whether somebody waits for a turn. */
  get isWaiting(): boolean {
    return this.#line.length > 0;
  }

  /** Puts a connection into the line, where it stands once. */
  add(taker: T): void {
    if (taker.hasDataTurn) return;
    taker.hasDataTurn = true;
    this.#line.push(taker);
  }

  /** One turn: messages in rounds while there is time, then everybody's packets. */
  run(now: number): void {
    if (this.#line.length === 0) return;
    const until = this.clock.nowUs() + TURN_US;
    // Whoever is sent something meanwhile joins at the end.
    const line = this.#line;
    let unserved = this.#deliver(line, until, now);
    while (unserved.length > 0 && this.clock.nowUs() < until) {
      unserved = this.#deliver(unserved, until, now);
    }
    this.#line = [];
    for (const taker of line) taker.hasDataTurn = false;
    // Before anybody sends: who has more says so then, and is to find that he waits already.
    for (const taker of unserved) this.add(taker);
    for (let i = 0; i < line.length; i++) this.#flush(line[i]!, now);
  }

  /** One round; returns those who have more, the ones who had nothing of it first. */
  #deliver(takers: T[], until: number, now: number): T[] {
    const more: T[] = [];
    let i = 0;
    // Most have only something to send: the clock is read for the others alone.
    for (let isOver = false; i < takers.length && !isOver; i++) {
      const taker = takers[i]!;
      try {
        if (!taker.hasMessages) continue;
        if (this.#deliverRow(taker, until, now)) more.push(taker);
      } catch (error) {
        this.failed(taker, error);
      }
      isOver = this.clock.nowUs() >= until;
    }
    return i < takers.length ? [...takers.slice(i), ...more] : more;
  }

  /** Returns whether it has more. */
  #deliverRow(taker: T, until: number, now: number): boolean {
    for (let i = 0; i < MESSAGES_IN_A_ROW; i++) {
      if (!taker.deliverData(now)) return false;
      if (this.clock.nowUs() >= until) return true;
    }
    return true;
  }

  #flush(taker: T, now: number): void {
    try {
      taker.flushData(now);
    } catch (error) {
      this.failed(taker, error);
    }
  }
}
