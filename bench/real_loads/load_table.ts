/**
 * The table of loads: every scenario on every server, in turns, so that what the machine does
 * meanwhile falls on all of them.
 *
 * @module
 */
import { type LineOptions, type LoadRow, measureLoad } from "./load_measurement.ts";
import { LOAD_SCENARIOS } from "./load_scenarios.ts";
import type { ServerChoice } from "./server_under_load.ts";

/** What is measured. */
export interface LoadTableOptions extends LineOptions {
  readonly scenarios: readonly string[];
  readonly servers: readonly ServerChoice[];
  readonly repeat: number;
  /** Whether another line may begin. */
  readonly hasTime: () => boolean;
  readonly onRow: (row: LoadRow) => void;
  readonly onMissing: (what: string, reason: string) => void;
}

/** Measures all lines; what cannot be measured is told and left out. */
export async function measureLoads(options: LoadTableOptions): Promise<void> {
  const { scenarios, servers, repeat, hasTime, onRow, onMissing } = options;
  for (const scenario of LOAD_SCENARIOS.filter(({ name }) => scenarios.includes(name))) {
    for (let round = 0; round < repeat; round++) {
      for (const server of servers) {
        const what = `${scenario.name} ${server.name}`;
        if (!hasTime()) onMissing(what, "no time left");
        else {
          await measureLoad(server, scenario, options)
            .then(onRow, (error: Error) => onMissing(what, error.message));
        }
      }
    }
  }
}
