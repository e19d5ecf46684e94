/**
 * One member as a sender: how far its messages came, what it may send, and whether its client may
 * be read.
 *
 * @module
 */
import { SendAllowance } from "./send_allowance.ts";

/** Why a client is not read, a bit each. */
export const HOLD = {
  /** It has sent more than it may. */
  rate: 1,
  /** A reader here, or on another engine, cannot follow. */
  reader: 2,
  readerAfar: 4,
  /** There is no room on the way to another engine. */
  lane: 8,
  /** Other nodes cannot follow. */
  nodes: 16,
} as const;

/** A sender. Its client is read unless there is a reason to hold it; there may be several. */
export class DataSender {
  /** Highest reliable sequence that came. */
  lastSequence = 0;
  readonly allowance = new SendAllowance();
  #heldBy = 0;

  /** @param setHeld Stops, or goes on, reading its client's reliable messages. */
  constructor(private readonly setHeld: (held: boolean) => void) {}

  /** One reason to hold its client holds, or does no longer. */
  hold(reason: number, held: boolean): void {
    const before = this.#heldBy;
    this.#heldBy = held ? before | reason : before & ~reason;
    if ((before === 0) !== (this.#heldBy === 0)) this.setHeld(this.#heldBy !== 0);
  }
}
