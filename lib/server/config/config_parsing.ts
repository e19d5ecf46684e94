/**
 * Turns configuration from outside into a frozen, complete {@linkcode Config}, or into one
 * {@linkcode ConfigError} that lists every problem, one line each: where, which key, what was
 * expected. Pure; reading files, flags and the environment is `config_loading.ts`.
 *
 * @module
 */
import { isMap, isScalar, isSeq } from "yaml";
import { z } from "zod";
import { ConfigError } from "./config_error.ts";
import {
  type Config,
  configKeys,
  type ConfigSchema,
  configSchema,
  unwrap,
} from "./config_schema.ts";
import { nearestName } from "./nearest_name.ts";
import { parseYaml } from "./yaml_document.ts";

export { ConfigError } from "./config_error.ts";
export type { Config } from "./config_schema.ts";

/** A value set from a flag or an environment variable, over what the file says. */
export interface ConfigOverride {
  /** Key, dotted: `rtc.tcp_port`. */
  readonly path: string;
  readonly value: unknown;
  /** How to name the place in a problem: `--port`, `LIVEKIT_PORT`. */
  readonly origin: string;
}

/** Says where the value of a path was written: `livekit.yaml:12`, `--port`, or `config`. */
type Locate = (path: readonly PropertyKey[], isKey: boolean) => string;

/**
 * Parses configuration that is already a plain object, for embedding.
 *
 * @throws {ConfigError} with every problem.
 */
export function parseConfig(raw: unknown): Config {
  return validate(raw, () => "config");
}

/**
 * Parses YAML text with overrides on top.
 *
 * @param source Name of the text for problems: the file's name, or `LIVEKIT_CONFIG`.
 * @param options.strict `false` ignores unknown keys instead of refusing them.
 * @throws {ConfigError} with every problem; each names its line.
 */
export function parseConfigText(
  text: string,
  source: string,
  overrides: readonly ConfigOverride[] = [],
  options: { readonly strict?: boolean } = {},
): Config {
  return parseWrittenConfig(text, source, overrides, options).config;
}

/** A configuration, and which of its keys somebody set. */
export interface WrittenConfig {
  readonly config: Config;
  /** Keys of the schema, dotted, whatever their value. */
  readonly written: ReadonlySet<string>;
}

/** The same with the keys that were set. Throws alike. */
export function parseWrittenConfig(
  text: string,
  source: string,
  overrides: readonly ConfigOverride[],
  { strict = true }: { readonly strict?: boolean },
): WrittenConfig {
  const { document, lines } = parseYaml(text, configSchema());
  if (document.errors.length > 0) {
    throw new ConfigError(document.errors.map((error) => {
      const { line } = lines.linePos(error.pos[0]);
      return `${source}:${line}: ${error.message.split("\n")[0]}`;
    }));
  }
  let raw: unknown;
  try {
    raw = document.toJS();
  } catch (error) {
    // Only an alias that expands without end gets here.
    throw new ConfigError([`${source}: ${error instanceof Error ? error.message : error}`]);
  }
  if (raw === null || raw === undefined) raw = {};
  for (const { path, value } of overrides) setAt(raw, path.split("."), value);
  const lineOf = (path: readonly PropertyKey[], isKey: boolean): string => {
    const joined = path.join(".");
    const override = overrides.findLast((candidate) => candidate.path === joined);
    if (override !== undefined) return override.origin;
    const offset = findOffset(document.contents, path, isKey);
    return offset === undefined ? source : `${source}:${lines.linePos(offset).line}`;
  };
  const config = validate(strict ? raw : withoutUnknownKeys(raw), lineOf);
  const written = configKeys().map(({ path }) => path)
    .filter((path) => (valueAt(raw, path.split(".")) ?? null) !== null);
  return { config, written: new Set(written) };
}

function validate(raw: unknown, locate: Locate): Config {
  const result = configSchema().safeParse(withoutNulls(raw, 0));
  const problems = result.success
    ? crossChecks(result.data, locate)
    : result.error.issues.flatMap((issue) => describe(issue, raw, locate)).sort(byLine);
  if (!result.success || problems.length > 0) throw new ConfigError(problems);
  return deepFreeze(normalise(result.data));
}

/** Orders `file:12: …` by line; problems without a line keep their place before them. */
function byLine(a: string, b: string): number {
  const line = (problem: string) => Number(/^[^ ]*?:(\d+): /.exec(problem)?.[1] ?? 0);
  return line(a) - line(b);
}

function describe(issue: z.core.$ZodIssue, raw: unknown, locate: Locate): string[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const path = [...issue.path, key];
      return `${locate(path, true)}: ${path.join(".")}: unknown key${hintFor(path)}`;
    });
  }
  const where = `${locate(issue.path, false)}: ${issue.path.join(".") || "(document)"}`;
  return [`${where}: expected ${issue.message}, got ${show(valueAt(raw, issue.path), issue.path)}`];
}

/** `, did you mean "…"?` for a near miss among the siblings, or a key at home in another group. */
function hintFor(path: readonly PropertyKey[]): string {
  const name = String(path.at(-1));
  const elsewhere = configKeys().map((key) => key.path).filter((known) =>
    known.split(".").at(-1) === name
  );
  const near = nearestName(name, namesAt(path.slice(0, -1))) ??
    (elsewhere.length === 1 ? elsewhere[0] : undefined);
  return near === undefined ? "" : `, did you mean "${near}"?`;
}

/** The keys that the schema has at a path; empty where names are free. */
function namesAt(path: readonly PropertyKey[]): string[] {
  let schema: z.ZodType | undefined = configSchema();
  for (const name of path) {
    const inner: z.ZodType = unwrap(schema);
    if (inner instanceof z.ZodObject) schema = inner.shape[String(name)] as z.ZodType | undefined;
    else if (inner instanceof z.ZodArray) schema = inner.element as z.ZodType;
    else if (inner instanceof z.ZodRecord) schema = inner.valueType as z.ZodType;
    else return [];
    if (schema === undefined) return [];
  }
  const inner = unwrap(schema);
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
}

/** Rules between keys. */
function crossChecks(config: Config, locate: Locate): string[] {
  const problems: string[] = [];
  const report = (path: string, text: string) =>
    problems.push(`${locate(path.split("."), false)}: ${path}: ${text}`);
  const { prometheus, rtc, webhook } = config;
  if ((prometheus.username === "") !== (prometheus.password === "")) {
    report("prometheus", "expected both username and password, or neither");
  }
  if (rtc.force_tcp && rtc.tcp_port === 0) {
    report(
      "rtc.force_tcp",
      "expected rtc.tcp_port to be set, too: without it no transport is left",
    );
  }
  reportSharedPorts(config, report);
  if (rtc.port_range_end < rtc.port_range_start) {
    report("rtc.port_range_end", "expected a port not below rtc.port_range_start");
  }
  if (webhook.urls.length > 0 && webhook.api_key === "") {
    report("webhook.urls", "expected webhook.api_key to be set, too");
  }
  return problems;
}

/** The system would blame another program for a port that this one has taken twice. */
function reportSharedPorts(config: Config, report: (path: string, text: string) => void): void {
  const prometheus = config.prometheus.port === 0 ? "prometheus_port" : "prometheus.port";
  const takenBy = new Map<number, string>();
  const ports = [
    ["port", config.port],
    ["rtc.tcp_port", config.rtc.tcp_port],
    [prometheus, config.prometheus.port || config.prometheus_port],
  ] as const;
  for (const [path, port] of ports) {
    if (port === 0) continue;
    const other = takenBy.get(port);
    if (other !== undefined) report(path, `expected another TCP port than ${other} has, ${port}`);
    takenBy.set(port, path);
  }
}

/** Keys that only set another one, and what that is. */
export const SUCCESSORS: Readonly<Record<string, string>> = {
  "log_level": "logging.level",
  "prometheus_port": "prometheus.port",
  "key_file": "keys",
  "room.max_metadata_size": "limit.max_metadata_size",
  "room.max_room_name_length": "limit.max_room_name_length",
  "room.max_participant_identity_length": "limit.max_participant_identity_length",
};

/** Moves deprecated keys to their successors and applies what `development` implies. */
function normalise(config: z.output<ConfigSchema>): z.output<ConfigSchema> {
  for (const [old, successor] of Object.entries(SUCCESSORS)) {
    const value = valueAt(config, old.split("."));
    // The port was renamed for its group, and there the new name wins.
    const wins = old !== "key_file" && (old !== "prometheus_port" || config.prometheus.port === 0);
    if (wins && value !== 0 && value !== "") setAt(config, successor.split("."), value);
  }
  const { logging } = config;
  if (logging.level === "") logging.level = config.development ? "debug" : "info";
  return config;
}

/** A copy without the keys that the schema does not know, for `--disable-strict-config`. */
function withoutUnknownKeys(raw: unknown): unknown {
  const copy = structuredClone(raw);
  const result = configSchema().safeParse(withoutNulls(copy, 0));
  for (const issue of result.error?.issues ?? []) {
    if (issue.code !== "unrecognized_keys") continue;
    const parent = valueAt(copy, issue.path);
    if (isPlainObject(parent)) { for (const key of issue.keys) delete parent[key]; }
  }
  return copy;
}

/** Deeper than any key of the schema; an alias to its own parent would never end. */
const MAX_DEPTH = 32;

/** A key without a value (`redis:`) is a key that is not there, as in Go. */
function withoutNulls(value: unknown, depth: number): unknown {
  if (depth > MAX_DEPTH) throw new ConfigError([`config: nested more than ${MAX_DEPTH} deep`]);
  if (Array.isArray(value)) return value.map((member) => withoutNulls(member, depth + 1));
  if (!isPlainObject(value)) return value;
  const kept = Object.entries(value).filter(([, member]) => member !== null);
  return Object.fromEntries(
    kept.map(([name, member]) => [name, withoutNulls(member, depth + 1)]),
  );
}

function findOffset(
  root: unknown,
  path: readonly PropertyKey[],
  isKey: boolean,
): number | undefined {
  let node = root;
  let offset: number | undefined;
  for (const [depth, name] of path.entries()) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === name);
      if (pair === undefined) return offset;
      const last = isKey && depth === path.length - 1;
      // The key's line is what the reader looks for; a value may begin on the next one.
      offset = (pair.key as { range?: [number, number, number] }).range?.[0] ?? offset;
      if (last) return offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(name)];
      offset = (node as { range?: [number, number, number] } | undefined)?.range?.[0] ?? offset;
    } else return offset;
  }
  return offset;
}

const SECRET_KEY = /key|secret|password|credential/i;

/** The value as it was written, shortened; secrets only by their kind. */
function show(value: unknown, path: readonly PropertyKey[]): string {
  if (value === undefined || value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a group of keys";
  const kind = typeof value === "string" ? "text" : `a ${typeof value}`;
  if (path.some((name) => SECRET_KEY.test(String(name)))) return kind;
  if (typeof value !== "string") return String(value);
  const short = value.length > 40 ? `${value.slice(0, 40)}…` : value;
  return `"${short.replaceAll(/\s+/g, " ")}"`;
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const name of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) {
      return undefined;
    }
    value = (value as Record<PropertyKey, unknown>)[name];
  }
  return value;
}

function setAt(root: unknown, path: readonly string[], value: unknown): void {
  let node = root;
  for (const [depth, name] of path.entries()) {
    // A file of the wrong shape is reported by the schema; there is nothing to put an override in.
    if (!isPlainObject(node)) return;
    if (depth === path.length - 1) {
      node[name] = value;
      return;
    }
    if (node[name] === undefined || node[name] === null) node[name] = {};
    node = node[name];
  }
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function deepFreeze<T>(value: T): T {
  if ((Array.isArray(value) || isPlainObject(value)) && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}
