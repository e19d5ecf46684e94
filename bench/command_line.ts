/**
 * What the benchmark is asked to do. Pure.
 *
 * @module
 */
import { PROFILE_NAMES, type ProfileName } from "./real_loads/client_profiles.ts";
import { type Signalling, SIGNALLINGS } from "./real_loads/loads_calls.ts";
import { type Reach, REACHES } from "./load/client_reach.ts";
import type { Peer } from "./real_loads/server_under_load.ts";

export const PARTS = [
  "loads",
  "forwarding",
  "workers",
  "storm",
  "flood",
  "joins",
  "control",
  "rooms",
  "directory",
  "relays",
  "congestion",
  "join",
] as const;
export type Part = (typeof PARTS)[number];
export const ENGINES = ["native", "portable", "werift", "c"] as const;

/** How loads are put on servers. */
export interface LoadOptions {
  /** By name; the usual ones, or all if nothing else is measured, if absent. */
  readonly scenarios?: readonly string[];
  /** Of this project's server. */
  readonly engines: readonly ("native" | "portable")[];
  readonly profile: ProfileName;
  /** How far publishers' pacers may run ahead of their rate, ms; as the profile has it if absent. */
  readonly aheadMs?: number;
  /** From the last stream until what is measured, ms; as the scenario has it if absent. */
  readonly settleMs?: number;
  readonly signalling: Signalling;
  /** How clients reach this project's server, in turns. */
  readonly reaches: readonly Reach[];
  readonly repeat: number;
  /** Measured beside, in turns. */
  readonly peer?: Peer;
}

/** The parsed command line. */
export interface BenchOptions {
  readonly parts: readonly Part[];
  /** Scenarios of the forwarding part by name; all if absent. */
  readonly scenarios?: readonly string[];
  readonly engines: readonly string[];
  readonly loads: LoadOptions;
  /** Seconds; then nothing else is measured. */
  readonly soak?: number;
  readonly isJson: boolean;
  /** Where the report's files go. */
  readonly out: string;
  /** Handed to the runtime of the SFU's process. */
  readonly flags: readonly string[];
}

/** What may be named, and where a secret may stand that no command line should have. */
export interface BenchEnvironment {
  /** Of the forwarding part. */
  readonly scenarios: readonly string[];
  readonly loads: readonly string[];
  /** `LIVEKIT_API_KEY` and `LIVEKIT_API_SECRET`. */
  readonly env: (name: string) => string | undefined;
}

export const USAGE = `deno task bench [options]
  --json                  ends with everything measured, as one line of JSON
  --only=${PARTS.join("|")}
                          these parts (separated by commas) instead of all
  --scenario=NAME,…       of the loads and of the forwarding part, only these
  --engine=${ENGINES.join(",")}
                          of the forwarding part, only these; of the loads, native if absent
  --clients=${
  PROFILE_NAMES.join("|")
}  whose reports, feedback and checks the clients of a load send
  --ahead=MS              of a load: so far may pacers of video run ahead of their rate
  --settle=SECONDS        of a load: after so long it is measured, when V8 compiles no more
  --signalling=${SIGNALLINGS.join("|")}   of a load: two connections each, or one
  --reach=${REACHES.join(",")}
                          of a load: how clients reach this project's server, in turns
  --repeat=N              measures every load N times, servers in turns, and tells medians
  --peer=URL              puts the loads on another LiveKit-compatible server, too
  --peer-pid=N            the process of it, on this machine
  --peer-key=K --peer-secret=S
                          or LIVEKIT_API_KEY and LIVEKIT_API_SECRET
  --soak=SECONDS          a soak instead of everything else; of one --engine, native by default
  --out=DIRECTORY         for report.json and the plots (bench/results)
  --cpu-prof              writes a V8 CPU profile of each SFU process into the working directory`;

const MAX_SOAK_S = 24 * 3600;
const MAX_REPEAT = 20;
const MAX_AHEAD_MS = 1_000;
const MAX_SETTLE_S = 60;
const KNOWN = new Set([
  "json",
  "only",
  "scenario",
  "engine",
  "clients",
  "ahead",
  "settle",
  "signalling",
  "reach",
  "repeat",
  "peer",
  "peer-pid",
  "peer-key",
  "peer-secret",
  "soak",
  "out",
  "cpu-prof",
]);

type Values = ReadonlyMap<string, string>;

/** Reads the arguments, or says what is wrong with them. */
export function readCommandLine(
  args: readonly string[],
  environment: BenchEnvironment,
): BenchOptions | string {
  const values = new Map<string, string>();
  for (const arg of args) {
    const [, name = "", value = ""] = /^--([a-z-]+)(?:=(.*))?$/.exec(arg) ?? [];
    if (!KNOWN.has(name)) return `Unknown argument "${arg}"`;
    values.set(name, value);
  }
  const { scenarios, loads: loadNames } = environment;
  const lists = {
    only: listOf(values, "only", PARTS),
    scenario: listOf(values, "scenario", [...loadNames, ...scenarios]),
    engine: listOf(values, "engine", ENGINES),
    reach: listOf(values, "reach", REACHES),
  };
  for (const list of Object.values(lists)) if (typeof list === "string") return list;
  const named = lists.scenario as readonly string[] | undefined;
  const loads = readLoads(values, named, loadNames, environment.env);
  if (typeof loads === "string") return loads;
  const soak = values.get("soak");
  if (soak !== undefined && !(Number(soak) >= 1 && Number(soak) <= MAX_SOAK_S)) {
    return `--soak takes seconds from 1 to ${MAX_SOAK_S}; got "${soak}"`;
  }
  // Who names loads, or another server to put them on, wants nothing else.
  const onlyLoads = loads.peer !== undefined || named?.every((name) => loadNames.includes(name));
  const wanted = named?.filter((name) => scenarios.includes(name));
  return {
    parts: (lists.only ?? (onlyLoads ? ["loads"] : PARTS)) as readonly Part[],
    ...(wanted === undefined ? {} : { scenarios: wanted }),
    engines: (lists.engine ?? ENGINES) as readonly string[],
    loads,
    ...(soak === undefined ? {} : { soak: Number(soak) }),
    isJson: values.has("json"),
    out: values.get("out") || "bench/results",
    flags: values.has("cpu-prof") ? ["--cpu-prof"] : [],
  };
}

function readLoads(
  values: Values,
  named: readonly string[] | undefined,
  loadNames: readonly string[],
  env: BenchEnvironment["env"],
): LoadOptions | string {
  const profile = choiceOf(values, "clients", PROFILE_NAMES);
  const signalling = choiceOf(values, "signalling", SIGNALLINGS);
  for (const choice of [profile, signalling]) if (!choice.ok) return choice.message;
  const repeat = values.get("repeat") ?? "1";
  if (!/^\d+$/.test(repeat) || Number(repeat) < 1 || Number(repeat) > MAX_REPEAT) {
    return `--repeat takes a number from 1 to ${MAX_REPEAT}; got "${repeat}"`;
  }
  const ahead = values.get("ahead");
  if (ahead !== undefined && !(/^\d+$/.test(ahead) && Number(ahead) <= MAX_AHEAD_MS)) {
    return `--ahead takes ms from 0 to ${MAX_AHEAD_MS}; got "${ahead}"`;
  }
  const settle = values.get("settle");
  if (settle !== undefined && !(/^\d+$/.test(settle) && Number(settle) <= MAX_SETTLE_S)) {
    return `--settle takes seconds from 0 to ${MAX_SETTLE_S}; got "${settle}"`;
  }
  const peer = readPeer(values, env);
  if (typeof peer === "string") return peer;
  const engines = values.get("engine")?.split(",") ?? ["native"];
  return {
    ...(named === undefined ? {} : { scenarios: named.filter((name) => loadNames.includes(name)) }),
    engines: (["native", "portable"] as const).filter((engine) => engines.includes(engine)),
    profile: profile.ok ? profile.value : PROFILE_NAMES[0],
    ...(ahead === undefined ? {} : { aheadMs: Number(ahead) }),
    ...(settle === undefined ? {} : { settleMs: Number(settle) * 1_000 }),
    signalling: signalling.ok ? signalling.value : SIGNALLINGS[0],
    reaches: REACHES.filter((reach) => (values.get("reach") ?? "udp").split(",").includes(reach)),
    repeat: Number(repeat),
    ...(peer === undefined ? {} : { peer }),
  };
}

function readPeer(values: Values, env: BenchEnvironment["env"]): Peer | string | undefined {
  const url = values.get("peer");
  if (url === undefined) return undefined;
  if (!/^wss?:\/\/[^/]+$/.test(url)) return `--peer takes ws://HOST:PORT; got "${url}"`;
  const pid = Number(values.get("peer-pid"));
  if (!Number.isInteger(pid) || pid < 1) {
    return "--peer needs --peer-pid, a process of this machine";
  }
  const key = values.get("peer-key") ?? env("LIVEKIT_API_KEY");
  const secret = values.get("peer-secret") ?? env("LIVEKIT_API_SECRET");
  if (key === undefined || secret === undefined) return "--peer needs --peer-key and --peer-secret";
  return { url, pid, key, secret };
}

function choiceOf<T extends string>(
  values: Values,
  name: string,
  allowed: readonly T[],
): { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string } {
  const given = values.get(name) ?? allowed[0]!;
  const value = allowed.find((item) => item === given);
  if (value !== undefined) return { ok: true, value };
  return { ok: false, message: `--${name} takes ${allowed.join(", ")}; got "${given}"` };
}

function listOf(
  values: Values,
  name: string,
  allowed: readonly string[],
): readonly string[] | string | undefined {
  const items = values.get(name)?.split(",");
  const wrong = items?.find((item) => !allowed.includes(item));
  if (wrong !== undefined) return `--${name} takes ${allowed.join(", ")}; got "${wrong}"`;
  return items;
}
