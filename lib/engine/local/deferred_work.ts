/**
 * Work that media must not wait for, above all the steps of DTLS handshakes, which take a
 * millisecond of cryptography each: a crowd that joins at once would otherwise stand between a
 * call's packets and their subscribers.
 *
 * Steps run in the order they were deferred, for a short while after each batch of packets has been
 * sent on, and in turns of their own while nothing is received.
 *
 * @module
 */
import type { Cancel, Clock, Timers } from "../../base/platform.ts";

/** How long steps may hold up the next batch, µs; the step during which it is over is finished. */
const TURN_US = 2_000;

/**
 * Steps in the order they were deferred, each run once, in short turns. A step that throws ends no
 * other; after `close` none runs.
 */
export class DeferredWork {
  #steps: (() => void)[] = [];
  /** First of `#steps` that has not run. */
  #next = 0;
  #cancelTurn: Cancel | undefined;

  /** @param failed Told of a step's throw, which ends nothing else. */
  constructor(
    private readonly clock: Pick<Clock, "nowUs">,
    private readonly timers: Timers,
    private readonly failed: (error: unknown) => void,
  ) {}

  /** Steps that wait. */
  get length(): number {
    return this.#steps.length - this.#next;
  }

  /** Runs `step` soon. */
  defer(step: () => void): void {
    this.#steps.push(step);
    this.#planTurn();
  }

  /** Gives what waits its share of time now. */
  run(): void {
    if (this.length === 0) return;
    const until = this.clock.nowUs() + TURN_US;
    do {
      const step = this.#steps[this.#next++]!;
      try {
        step();
      } catch (error) {
        this.failed(error);
      }
    } while (this.length > 0 && this.clock.nowUs() < until);
    if (this.length > 0) return this.#planTurn();
    this.#steps = [];
    this.#next = 0;
  }

  /** Drops what waits. */
  close(): void {
    this.#cancelTurn?.();
    this.#steps = [];
    this.#next = 0;
  }

  #planTurn(): void {
    this.#cancelTurn ??= this.timers.after(0, () => {
      this.#cancelTurn = undefined;
      this.run();
    });
  }
}
