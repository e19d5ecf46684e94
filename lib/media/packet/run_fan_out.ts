/**
 * The run of one up-track on its way to its receivers, which may go on step by step: what several
 * tracks have for the same connection is to leave side by side.
 *
 * Contract: who was there when the first receiver was served gets all of the run once, and nobody
 * else any of it. No allocation.
 *
 * @module
 */
import type { PacketReceiver } from "./forwarding_ports.ts";
import { PacketRun } from "./packet_run.ts";

/** Of receivers that have none: behind all others, which are numbered from 0 on. */
const LAST_PLACE = 2 ** 31 - 1;

/** One up-track's run and how far it has been handed out. */
export class RunFanOut {
  readonly run: PacketRun = new PacketRun();
  /** Who gets it, in the order of their places; absent before the first is looked at. */
  #receivers: readonly PacketReceiver[] | undefined;
  /** So many of them have it. */
  #served = 0;

  /** Whether somebody has it, so that nothing can be added. */
  get hasBegun(): boolean {
    return this.#served > 0;
  }

  /** Gives it to those of `audience` who pass packets on, who come first there. */
  passOn(audience: readonly PacketReceiver[], now: number): void {
    if (this.run.length === 0) return;
    const receivers = this.#receivers ??= audience;
    while (this.#served < receivers.length && receivers[this.#served]!.passesOn === true) {
      this.#serveNext(receivers, now);
    }
  }

  /** Place of who is to be served next; `Infinity` if nobody is. */
  nextPlace(audience: readonly PacketReceiver[]): number {
    if (this.run.length === 0) return Infinity;
    const receivers = this.#receivers ??= audience;
    return this.#served < receivers.length ? placeOf(receivers[this.#served]!) : Infinity;
  }

  /** Gives it to those who are next and have this place. @returns Place of who is next then. */
  serve(place: number, now: number): number {
    const receivers = this.#receivers;
    if (receivers === undefined) return Infinity;
    // Who is served may have the run ended.
    while (this.#served < receivers.length && this.#receivers === receivers) {
      const next = placeOf(receivers[this.#served]!);
      if (next !== place) return next;
      this.#serveNext(receivers, now);
    }
    return Infinity;
  }

  /** Gives it to all who do not have it yet, and begins another one. */
  finish(audience: readonly PacketReceiver[], now: number): void {
    if (this.run.length > 0) {
      const receivers = this.#receivers ??= audience;
      while (this.#served < receivers.length) this.#serveNext(receivers, now);
      this.run.clear();
    }
    this.#receivers = undefined;
    this.#served = 0;
  }

  /** A throw is a bug on the way to this receiver: the others get their packets all the same. */
  #serveNext(receivers: readonly PacketReceiver[], now: number): void {
    const receiver = receivers[this.#served++]!;
    const { run } = this;
    try {
      for (let i = 0; i < run.length; i++) receiver.forward(run.at(i), now);
    } catch (error) {
      receiver.failed(error);
    }
  }
}

/** Where a receiver stands among those of all tracks. */
export function placeOf({ place }: PacketReceiver): number {
  return place ?? LAST_PLACE;
}
