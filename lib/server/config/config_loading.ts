/**
 * Collects configuration from where an operator puts it: a YAML file or text, flags, environment
 * variables, key files. Later beats earlier: defaults, YAML, generated flags with their variables
 * (`--rtc.tcp_port`, `LIVEKIT_RTC_TCP_PORT`), then the named flags.
 *
 * Files and environment are read through {@linkcode ConfigSources}, so tests need neither.
 *
 * @module
 */
import { z } from "zod";
import { SfuError } from "../../base/errors.ts";
import {
  type Config,
  type ConfigOverride,
  parseWrittenConfig,
  type WrittenConfig,
} from "./config_parsing.ts";
import { configKeys, unwrap } from "./config_schema.ts";
import { mapOf, text } from "./config_values.ts";
import { parseYaml } from "./yaml_document.ts";

/** What `--dev` installs when no key is configured. */
export const DEV_KEY = { apiKey: "devkey", secret: "secret" } as const;
/** Default port of all UDP media. */
export const DEFAULT_UDP_PORT = 7882;
/**
 * Shorter secrets are accepted with an error in the log, as LiveKit does (1.13.5,
 * `pkg/config/config.go`).
 */
export const MIN_SECRET_LENGTH = 32;

/** The outside world as far as configuration needs it. */
export interface ConfigSources {
  readonly env: (name: string) => string | undefined;
  /** Text and permission bits (`null` where the system has none). Throws what the system throws. */
  readonly readFile: (path: string) => { readonly text: string; readonly mode: number | null };
}

/** Values of the command line, by flag; absent if not given. */
export interface CommandLineValues {
  readonly config?: string;
  readonly configBody?: string;
  readonly keys?: string;
  readonly dev?: boolean;
  /** Ignores unknown keys of the YAML text. */
  readonly disableStrictConfig?: boolean;
  /** Named flags and generated ones, already as overrides. */
  readonly overrides: readonly ConfigOverride[];
}

const KEYS_FORMAT =
  'Could not parse keys, it needs to be exactly, "key: secret", including the space';

/**
 * Reads everything and validates it.
 *
 * @throws {SfuError} `invalid_config`, `unreadable_file` or `missing_keys`, with text for the
 *   operator.
 */
export function loadConfig(values: CommandLineValues, sources: ConfigSources): Config {
  return loadWrittenConfig(values, sources).config;
}

/** The same with the keys that were set. Throws alike. */
export function loadWrittenConfig(
  values: CommandLineValues,
  sources: ConfigSources,
): WrittenConfig {
  const [body, source] = readConfigText(values, sources);
  const overrides = [...generatedOverrides(sources), ...values.overrides];
  if (values.dev) overrides.push({ path: "development", value: true, origin: "--dev" });
  const keyText = values.keys || sources.env("LIVEKIT_KEYS");
  if (keyText) {
    const origin = values.keys ? "--keys" : "LIVEKIT_KEYS";
    overrides.push({ path: "keys", value: parseKeys(keyText), origin });
  }
  const { config, written } = parseWrittenConfig(body, source, overrides, {
    strict: values.disableStrictConfig !== true,
  });
  return { config: withKeysFrom(config, sources), written };
}

function withKeysFrom(config: Config, sources: ConfigSources): Config {
  const keys = config.key_file === "" ? config.keys : readKeyFile(config.key_file, sources);
  if (Object.keys(keys).length > 0) return withKeys(config, keys);
  if (config.development) {
    const bind = config.bind_addresses.length > 0 ? config.bind_addresses : ["127.0.0.1", "::1"];
    return Object.freeze({
      ...withKeys(config, { [DEV_KEY.apiKey]: DEV_KEY.secret }),
      bind_addresses: [...bind],
    });
  }
  throw new SfuError("missing_keys", "one of key-file or keys must be provided");
}

function withKeys(config: Config, keys: Readonly<Record<string, string>>): Config {
  const { api_key } = config.webhook;
  if (api_key !== "" && !Object.hasOwn(keys, api_key)) {
    throw new SfuError("invalid_config", `webhook.api_key: expected one of the configured keys`);
  }
  return Object.freeze({ ...config, keys: Object.freeze({ ...keys }) });
}

function readConfigText(values: CommandLineValues, sources: ConfigSources): [string, string] {
  const body = values.configBody || sources.env("LIVEKIT_CONFIG");
  if (body) return [body, values.configBody ? "--config-body" : "LIVEKIT_CONFIG"];
  if (values.config) return [readOrExplain(values.config, sources).text, values.config];
  return ["", "config"];
}

/** `LIVEKIT_RTC_TCP_PORT` and its like, for every key with a single value. */
function generatedOverrides(sources: ConfigSources): ConfigOverride[] {
  const overrides: ConfigOverride[] = [];
  for (const { path, name, read } of generatedFlags()) {
    const text = sources.env(name);
    // An empty variable is one that is not set, as in Go.
    if (text) overrides.push({ path, value: read(text), origin: name });
  }
  return overrides;
}

/** A key that can be set by a flag of its own name. */
export interface GeneratedFlag {
  /** Key and flag name: `rtc.tcp_port`. */
  readonly path: string;
  /** Environment variable: `LIVEKIT_RTC_TCP_PORT`. */
  readonly name: string;
  /** Gives flag text the type of the key, or leaves it for the schema to refuse. */
  readonly read: (text: string) => unknown;
}

/** Every generated flag. `LIVEKIT_KEYS`-like names of lists and maps are not among them. */
export function generatedFlags(): readonly GeneratedFlag[] {
  return configKeys().filter(({ kind }) => kind === "scalar").map(({ path, schema }) => ({
    path,
    name: `LIVEKIT_${path.toUpperCase().replaceAll(".", "_")}`,
    read: readerFor(unwrap(schema)),
  }));
}

/** What Go's command lines take for a switch. */
const TRUE_TEXTS: ReadonlySet<string> = new Set(["1", "t", "T", "true", "TRUE", "True"]);
const FALSE_TEXTS: ReadonlySet<string> = new Set(["0", "f", "F", "false", "FALSE", "False"]);

function readerFor(schema: z.ZodType): (text: string) => unknown {
  if (schema instanceof z.ZodBoolean) {
    return (text) => TRUE_TEXTS.has(text) ? true : FALSE_TEXTS.has(text) ? false : text;
  }
  if (schema instanceof z.ZodNumber) {
    return (text) => text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
  }
  return (text) => text;
}

const KEY_MAP = mapOf(text(), "a map from API key to secret");

/**
 * Reads `--keys` and `LIVEKIT_KEYS`: a YAML map. Secrets and keys are text however they look, so
 * that `key: 0123` keeps its zero.
 *
 * @throws {SfuError} `invalid_config` if the text is no map, or a secret is missing or no text.
 */
export function parseKeys(text: string): Record<string, string> {
  const { document } = parseYaml(text, KEY_MAP);
  if (document.errors.length > 0) throw new SfuError("invalid_config", KEYS_FORMAT);
  let keys: unknown;
  try {
    keys = document.toJS();
  } catch {
    // Only an alias that expands without end gets here.
  }
  const parsed = KEY_MAP.safeParse(keys);
  if (!parsed.success) throw new SfuError("invalid_config", KEYS_FORMAT);
  return parsed.data;
}

function readKeyFile(path: string, sources: ConfigSources): Record<string, string> {
  const expanded = expandPath(path, sources);
  const { text, mode } = readOrExplain(expanded, sources);
  if (mode !== null && (mode & 0o007) !== 0) {
    throw new SfuError("unreadable_file", "key file others permissions must be set to 0");
  }
  return parseKeys(text);
}

/** `~/…`, `$NAME` and `${NAME}`, as LiveKit expands them (1.13.5, `pkg/config/config.go`). */
function expandPath(path: string, sources: ConfigSources): string {
  const home = sources.env("HOME") ?? "";
  return path.replace(/^~(?=\/|$)/, home).replace(
    /\$(?:\{(\w+)\}|(\w+))/g,
    (_, braced: string | undefined, bare: string | undefined) =>
      sources.env(braced ?? bare ?? "") ?? "",
  );
}

/**
 * Reads a file that the configuration names.
 *
 * @throws {SfuError} `unreadable_file`, with the reason.
 */
export function readOrExplain(
  path: string,
  sources: Pick<ConfigSources, "readFile">,
): ReturnType<ConfigSources["readFile"]> {
  try {
    return sources.readFile(path);
  } catch (error) {
    throw new SfuError("unreadable_file", `Cannot read "${path}": ${reason(error)}`, {
      cause: error,
    });
  }
}

function reason(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "no such file";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  if (error instanceof Deno.errors.IsADirectory) return "it is a directory";
  return error instanceof Error ? error.message : String(error);
}

/** Files and environment of this process. */
export const processSources: ConfigSources = {
  env: (name) => Deno.env.get(name),
  readFile: (path) => ({ text: Deno.readTextFileSync(path), mode: Deno.statSync(path).mode }),
};
