/**
 * The lines of the forwarding table, the most telling ones first: time may run out.
 *
 * @module
 */
import { CLimit } from "../limit/c_limit.ts";
import type { Percentiles } from "../load/latency_histogram.ts";
import type { Run } from "../report/summary.ts";
import type { Sfu } from "./forwarding_line.ts";
import { measureRun } from "./measured_run.ts";
import { type Scenario, scenarioOf } from "./scenarios.ts";

const ROOMWIRE = { script: "engine_process.ts", workers: 0 } as const;

/** The SFUs by the names of the command line. */
export const SFUS: Readonly<Record<string, Sfu>> = {
  native: { ...ROOMWIRE, engine: "native", native: "require" },
  portable: { ...ROOMWIRE, engine: "portable", native: "off" },
  werift: { engine: "werift", script: "werift_process.ts", native: "off", workers: 0 },
};

/** Which engines are measured under which scenario; the C loop's rate follows those before it. */
const LINES: readonly (readonly [scenario: string, engines: readonly string[]])[] = [
  ["video-100", ["native", "portable", "werift", "c"]],
  ["frames-100", ["native", "c"]],
  ["video-10", ["native", "portable", "werift", "c"]],
  ["video-1000", ["native", "portable", "c"]],
  ["audio-300", ["native", "portable"]],
  ["meeting-20", ["native", "portable"]],
  ["meeting-50", ["native", "portable"]],
  ["data-20", ["native", "portable"]],
];
/** The C loop's packets per second if no engine was measured. */
const C_LOOP_RATE = 60_000;

/** What the table needs from outside. */
export interface TableOptions {
  readonly scenarios?: readonly string[];
  readonly engines: readonly string[];
  readonly flags: readonly string[];
  readonly baseline: Percentiles;
  /** Time for the next line, ms; `undefined` if there is not enough. */
  readonly lineLimitMs: () => number | undefined;
  readonly onRun: (run: Run) => void;
  readonly onMissing: (scenario: string, engine: string, reason: string) => void;
}

/** Measures line by line; each is reported as soon as it is there. */
export async function measureTable(options: TableOptions): Promise<void> {
  const wantsC = options.engines.includes("c");
  const limit = wantsC ? await CLimit.build() : "not asked for";
  await using built = typeof limit === "string" ? undefined : limit;
  for (const [name, engines] of LINES) {
    if (options.scenarios?.includes(name) === false) continue;
    const scenario = scenarioOf(name)!;
    let rate: number | undefined;
    for (const engine of engines) {
      if (!options.engines.includes(engine)) continue;
      if (engine === "c") {
        await measureC(built ?? limit as string, scenario, rate ?? C_LOOP_RATE, options);
        continue;
      }
      const limitMs = options.lineLimitMs();
      const { baseline, flags } = options;
      const run = limitMs === undefined
        ? "no time left"
        : await measureRun(SFUS[engine]!, scenario, { limitMs, baseline, flags });
      if (typeof run === "string") {
        options.onMissing(name, engine, run);
        continue;
      }
      options.onRun(run);
      // The native engine's, if there is one: it is the one to be compared.
      rate ??= run.packets_per_s;
    }
  }
}

/** Without segmentation, and with it where bursts are long enough to profit. */
async function measureC(
  built: CLimit | string,
  scenario: Scenario,
  rate: number,
  options: TableOptions,
): Promise<void> {
  for (const segments of [false, true]) {
    const name = segments ? "c_gso" : "c";
    let run: Run | string = built as string;
    if (options.lineLimitMs() === undefined) run = "no time left";
    else if (typeof built !== "string") {
      run = await built.measure(scenario, rate, segments).catch((error: Error) => error.message);
    }
    if (typeof run === "string") options.onMissing(scenario.name, name, run);
    else options.onRun(run);
  }
}
