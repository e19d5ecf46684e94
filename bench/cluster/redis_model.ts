/**
 * Redis in the simulation: a thread, or one for each master of a Redis Cluster, that carries
 * questions out in the order in which they come, each for as long as it was measured to take
 * (`directory_costs.ts`), and counts.
 *
 * @module
 */
import { type Step, type StepCost, STEPS } from "./directory_costs.ts";

/** What came in one second. */
export interface RedisSecond {
  readonly operations: number;
  /** CPU that what came will take, µs. */
  readonly us: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** All that came of one kind. */
export interface StepTotal {
  readonly step: Step;
  readonly operations: number;
  readonly us: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

const FIELDS = 4;

export class RedisModel {
  /** Whether it counts, and takes its time; not while the cluster is filled before the hour. */
  isOn = false;
  readonly #busyUntil: Float64Array;
  #longestWaitMs = 0;
  /** Four figures for each second. */
  readonly #seconds: Float64Array;
  readonly #totals = new Map<Step, Float64Array>(
    STEPS.map((step) => [step, new Float64Array(FIELDS)]),
  );

  /** @param masters Rooms are spread over them; what is about nodes goes to the first. */
  constructor(readonly durationMs: number, readonly masters: number) {
    this.#busyUntil = new Float64Array(masters);
    this.#seconds = new Float64Array((Math.ceil(durationMs / 1000) + 60) * FIELDS);
  }

  /**
   * A question arrives.
   *
   * @param at Not before the last one's.
   * @param room What it is about; absent: nodes.
   * @returns When it is done with it, ms.
   */
  ask(step: Step, { us, bytesIn, bytesOut }: StepCost, at: number, room = 0): number {
    if (!this.isOn) return at;
    const first = Math.floor(at / 1000) * FIELDS;
    for (const [sums, from] of [[this.#seconds, first], [this.#totals.get(step)!, 0]] as const) {
      sums[from]! += 1;
      sums[from + 1]! += us;
      sums[from + 2]! += bytesIn;
      sums[from + 3]! += bytesOut;
    }
    const master = room % this.masters;
    const doneAt = Math.max(this.#busyUntil[master]!, at) + us / 1000;
    this.#busyUntil[master] = doneAt;
    this.#longestWaitMs = Math.max(this.#longestWaitMs, doneAt - at);
    return doneAt;
  }

  /** The longest that a question took since this was asked last, ms. */
  takeLongestWait(): number {
    const longest = this.#longestWaitMs;
    this.#longestWaitMs = 0;
    return longest;
  }

  second(index: number): RedisSecond {
    const [operations, us, bytesIn, bytesOut] = this.#seconds.subarray(
      index * FIELDS,
      (index + 1) * FIELDS,
    );
    return { operations: operations!, us: us!, bytesIn: bytesIn!, bytesOut: bytesOut! };
  }

  /** By kind, since the last call. */
  takeTotals(): StepTotal[] {
    return [...this.#totals].map(([step, sums]) => {
      const [operations, us, bytesIn, bytesOut] = sums;
      sums.fill(0);
      return {
        step,
        operations: operations!,
        us: us!,
        bytesIn: bytesIn!,
        bytesOut: bytesOut!,
      };
    });
  }
}
