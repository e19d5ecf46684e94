/**
 * Ends a room in which nobody is: some time after it was made if nobody ever came, else some time
 * after the last one left.
 *
 * @module
 */
import type { Cancel, Platform } from "../base/platform.ts";
import type { RoomSettings } from "./context/room_plan.ts";

/** One room's clock. */
export class IdleWatch {
  #cancel: Cancel | undefined;
  #since: number;
  #everOccupied = false;
  #occupied = false;

  /** Begins to count at once. @param onIdle Called when the time is over and nobody is there. */
  constructor(
    readonly platform: Pick<Platform, "clock" | "timers">,
    readonly settings: () => RoomSettings,
    readonly onIdle: () => void,
  ) {
    this.#since = platform.clock.now();
    this.restart();
  }

  /**
   * Tells whether anybody is there who keeps the room open; saying the same again changes nothing.
   */
  setOccupied(occupied: boolean): void {
    if (occupied === this.#occupied) return;
    this.#occupied = occupied;
    this.#everOccupied ||= occupied;
    this.#since = this.platform.clock.now();
    this.restart();
  }

  /** The settings may have changed; time that has passed counts. */
  restart(): void {
    this.stop();
    if (this.#occupied) return;
    const { emptyTimeoutS, departureTimeoutS } = this.settings();
    const timeoutS = this.#everOccupied ? departureTimeoutS : emptyTimeoutS;
    const { clock, timers } = this.platform;
    const wait = Math.max(0, this.#since + timeoutS * 1000 - clock.now());
    this.#cancel = timers.after(wait, this.onIdle);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
