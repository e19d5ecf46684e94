/**
 * A configuration as it may be shown: every key with its value, and a word in place of secrets.
 *
 * Contract: a key whose name says that it holds a secret, and everything below it, is never shown,
 * nor are the credentials of an address. What is shown can be read by whoever may see rooms.
 *
 * @module
 */
import { recordReads } from "./config_effects.ts";
import { isInEffect } from "./config_effects.ts";
import { type Config, parseConfig } from "./config_parsing.ts";
import { configKeys } from "./config_schema.ts";

/** In place of a secret. */
const REDACTED = "<secret>";

/**
 * Names of keys that hold secrets, also within messages of rooms' presets: credentials of object
 * stores go by several names there.
 */
const SECRET_NAME =
  /passw|secret|credential|token|access_?key|account_?key|api_?secret|private|^keys$|stream_?key/i;
/** Names of files hold none. */
const FILE_NAME = /_file$/;
/** `scheme://user:password@host`. */
const USER_INFO = /^([a-z][a-z\d+.-]*:\/\/)[^/?#@]*@/i;
const MAX_DEPTH = 12;

/** One key. */
export interface ShownKey {
  /** Dotted. */
  readonly path: string;
  /** JSON, without secrets. */
  readonly value: unknown;
  readonly isDefault: boolean;
  /** Somebody reads it. */
  readonly hasEffect: boolean;
}

/** All keys, in the order of the schema. */
export function shownConfig(config: Config): readonly ShownKey[] {
  const { plain, read } = recordReads(config);
  const defaults = parseConfig({});
  return configKeys().map(({ path }) => {
    const value = valueAt(plain, path);
    return {
      path,
      value: shown(path.split(".").at(-1)!, value, 0),
      isDefault: JSON.stringify(value) === JSON.stringify(valueAt(defaults, path)),
      hasEffect: isInEffect(path, read),
    };
  });
}

/**
 * The same for a report that may be shown to strangers: of an address somebody else answers at only
 * the host, because paths may be passwords, and no default.
 */
export function reportedConfig(config: Config): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    shownConfig(config).filter(({ isDefault }) => !isDefault)
      .map(({ path, value }) => [path, withoutPaths(value)]),
  );
}

/** `text` with every secret of the configuration taken out, wherever it came from. */
export function withoutSecrets(text: string, config: Config): string {
  const secrets = new Set<string>();
  collectSecrets("", recordReads(config).plain, false, secrets);
  // The longest first: one may be the beginning of another.
  const ordered = [...secrets].sort((a, b) => b.length - a.length);
  return ordered.reduce((made, one) => made.replaceAll(one, REDACTED), text);
}

/** Secrets, as they stand in JSON. Words of a few letters are in everything. */
const SHORTEST_SECRET = 8;

function collectSecrets(name: string, value: unknown, isSecret: boolean, into: Set<string>): void {
  const hidden = isSecret || (SECRET_NAME.test(name) && !FILE_NAME.test(name));
  if (typeof value === "string") {
    const found = hidden ? value : USER_INFO.exec(value)?.[0].split("://")[1]?.slice(0, -1) ?? "";
    if (found.length >= SHORTEST_SECRET) into.add(JSON.stringify(found).slice(1, -1));
    return;
  }
  if (typeof value !== "object" || value === null) return;
  const plain = "toJson" in value && typeof value.toJson === "function" ? value.toJson() : value;
  for (const [key, member] of Object.entries(plain as object)) {
    collectSecrets(Array.isArray(plain) ? name : key, member, hidden, into);
  }
}

function withoutPaths(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutPaths);
  if (typeof value !== "string") return value;
  return value.replace(/^(https?:\/\/[^/?#]*)[/?#].+$/i, "$1/…");
}

/** @param name The key that the value has, or that the list has which it is in. */
function shown(name: string, value: unknown, depth: number): unknown {
  if (value === undefined || value === null) return undefined;
  if (SECRET_NAME.test(name) && !FILE_NAME.test(name)) return secret(name, value);
  if (typeof value === "string") return value.replace(USER_INFO, `$1${REDACTED}@`);
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object") return value;
  if (depth >= MAX_DEPTH) return REDACTED;
  if (Array.isArray(value)) return value.map((member) => shown(name, member, depth + 1));
  // Messages of the protocol say what they are in JSON.
  const plain = "toJson" in value && typeof value.toJson === "function" ? value.toJson() : value;
  return Object.fromEntries(
    Object.entries(plain as object).map(([key, member]) => [key, shown(key, member, depth + 1)]),
  );
}

/** Whether there is one; of keys the names, which are no secrets. */
function secret(name: string, value: unknown): unknown {
  if (name === "keys" && typeof value === "object") {
    return Object.fromEntries(Object.keys(value!).map((key) => [key, REDACTED]));
  }
  return value === "" ? "" : REDACTED;
}

function valueAt(root: unknown, path: string): unknown {
  let value = root;
  for (const name of path.split(".")) {
    value = (value as Record<string, unknown> | undefined)?.[name];
  }
  return value;
}
