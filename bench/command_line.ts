/**
 * What the benchmark is asked to do. Pure.
 *
 * @module
 */

export const PARTS = ["forwarding", "workers", "storm", "control", "rooms", "join"] as const;
export type Part = (typeof PARTS)[number];
export const ENGINES = ["native", "portable", "werift", "c"] as const;

/** The parsed command line. */
export interface BenchOptions {
  readonly parts: readonly Part[];
  /** Scenarios by name; all if absent. */
  readonly scenarios?: readonly string[];
  readonly engines: readonly string[];
  /** Seconds; then nothing else is measured. */
  readonly soak?: number;
  readonly isJson: boolean;
  /** Where the report's files go. */
  readonly out: string;
  /** Handed to the SFU's process. */
  readonly flags: readonly string[];
}

export const USAGE = `deno task bench [options]
  --json                  ends with everything measured, as one line of JSON
  --only=${PARTS.join("|")}
                          these parts (separated by commas) instead of all
  --scenario=NAME,…       of the forwarding part, only these
  --engine=${ENGINES.join(",")}
                          of the forwarding part, only these
  --soak=SECONDS          a soak instead of everything else; of one --engine, native by default
  --out=DIRECTORY         for report.json and report.svg (bench/results)
  --cpu-prof              writes a V8 CPU profile of each SFU process into the working directory`;

const MAX_SOAK_S = 24 * 3600;

/** Reads the arguments, or says what is wrong with them. */
export function readCommandLine(
  args: readonly string[],
  scenarioNames: readonly string[],
): BenchOptions | string {
  const values = new Map<string, string>();
  for (const arg of args) {
    const [, name = "", value = ""] = /^--([a-z-]+)(?:=(.*))?$/.exec(arg) ?? [];
    if (!KNOWN.has(name)) return `Unknown argument "${arg}"`;
    values.set(name, value);
  }
  const lists = {
    only: listOf(values, "only", PARTS),
    scenario: listOf(values, "scenario", scenarioNames),
    engine: listOf(values, "engine", ENGINES),
  };
  for (const list of Object.values(lists)) if (typeof list === "string") return list;
  const soak = values.get("soak");
  if (soak !== undefined && !(Number(soak) >= 1 && Number(soak) <= MAX_SOAK_S)) {
    return `--soak takes seconds from 1 to ${MAX_SOAK_S}; got "${soak}"`;
  }
  return {
    parts: (lists.only ?? PARTS) as readonly Part[],
    ...(lists.scenario === undefined ? {} : { scenarios: lists.scenario as readonly string[] }),
    engines: (lists.engine ?? ENGINES) as readonly string[],
    ...(soak === undefined ? {} : { soak: Number(soak) }),
    isJson: values.has("json"),
    out: values.get("out") || "bench/results",
    flags: values.has("cpu-prof") ? ["--cpu-prof"] : [],
  };
}

const KNOWN = new Set(["json", "only", "scenario", "engine", "soak", "out", "cpu-prof"]);

function listOf(
  values: ReadonlyMap<string, string>,
  name: string,
  allowed: readonly string[],
): readonly string[] | string | undefined {
  const items = values.get(name)?.split(",");
  const wrong = items?.find((item) => !allowed.includes(item));
  if (wrong !== undefined) return `--${name} takes ${allowed.join(", ")}; got "${wrong}"`;
  return items;
}
