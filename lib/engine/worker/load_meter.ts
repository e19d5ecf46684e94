/**
 * How much of its time an engine was busy between two looks at it.
 *
 * Time in packets and timers is measured; what the runtime spends around them is not, but it makes
 * timers late, so a late look counts as busy, too. Pure: `nowUs` is monotonic microseconds.
 *
 * @module
 */
import type { EngineTotals } from "../local/local_engine_options.ts";
import type { EngineLoad } from "../pool/placement.ts";

/** One engine's load since the last look, from 0 to 1. `nowUs` is monotonic microseconds. */
export class LoadMeter {
  #atUs: number;
  #before: EngineTotals = { busyUs: 0, packetsOut: 0 };

  constructor(nowUs: number) {
    this.#atUs = nowUs;
  }

  /** @param intervalMs When this was due after the last look. */
  read(totals: EngineTotals, intervalMs: number, nowUs: number): EngineLoad {
    const elapsedUs = Math.max(1, nowUs - this.#atUs);
    const lateUs = Math.max(0, elapsedUs - intervalMs * 1000);
    const busyUs = totals.busyUs - this.#before.busyUs;
    const packets = totals.packetsOut - this.#before.packetsOut;
    this.#atUs = nowUs;
    this.#before = totals;
    return {
      busy: Math.min(1, Math.max(busyUs, lateUs) / elapsedUs),
      packetsOutPerS: Math.round(packets * 1e6 / elapsedUs),
    };
  }
}
