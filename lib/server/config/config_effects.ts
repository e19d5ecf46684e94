/**
 * Which configuration keys have an effect. Nobody keeps a list: a key has one if the server reads
 * it, which {@linkcode recordReads} finds out. Every other key of the schema is accepted, so that a
 * LiveKit configuration works unchanged, and whoever sets it is told.
 *
 * @module
 */
import { adviceFor } from "./config_advice.ts";
import { type Config, parseConfig, SUCCESSORS } from "./config_parsing.ts";
import { configKeys } from "./config_schema.ts";

/** A configuration that remembers what was asked of it. */
export interface RecordedConfig {
  readonly config: Config;
  /** The same, without memory. */
  readonly plain: Config;
  /** Keys read so far, dotted. */
  readonly read: ReadonlySet<string>;
}

/** A key that was set and is not read. */
export interface IdleKey {
  readonly path: string;
  /** What to do instead. */
  readonly instead: string;
}

const records = new WeakMap<object, RecordedConfig>();

/**
 * The same configuration, which remembers its reads; what is recorded already is given back. To
 * copy a whole group is to read all of it, so name what is used, and read it while the server is
 * composed.
 */
export function recordReads(config: Config): RecordedConfig {
  const known = records.get(config);
  if (known !== undefined) return known;
  const leaves = new Set(configKeys().map(({ path }) => path));
  const read = new Set<string>();
  const recorded = { config: recorder(config, "", leaves, read), plain: config, read };
  records.set(recorded.config, recorded);
  return recorded;
}

function recorder<T extends object>(
  section: T,
  prefix: string,
  leaves: ReadonlySet<string>,
  read: Set<string>,
): T {
  // The section itself is frozen, so that a proxy of it could not give back proxies of its groups.
  return new Proxy({ ...section }, {
    get(target, name, receiver) {
      const value: unknown = Reflect.get(target, name, receiver);
      const path = prefix + String(name);
      if (leaves.has(path)) read.add(path);
      // A key that is absent is read, too.
      if (leaves.has(path) || !Object.hasOwn(target, name)) return value;
      return recorder(value as object, `${path}.`, leaves, read);
    },
    set: () => false,
    deleteProperty: () => false,
    defineProperty: () => false,
  });
}

/** Whether a key's value is used: read itself, or moved to one that is read. */
export function isInEffect(path: string, read: ReadonlySet<string>): boolean {
  return read.has(SUCCESSORS[path] ?? path);
}

/**
 * The keys that somebody set although nobody reads them, in the order of the schema. A switch that
 * is off, and an empty value that is the default, ask for nothing and are not among them.
 *
 * @param written Keys that were set.
 */
export function idleKeys(
  { plain, read }: RecordedConfig,
  written: ReadonlySet<string>,
): readonly IdleKey[] {
  const defaults = parseConfig({});
  return configKeys().map(({ path }) => path).filter((path) => {
    if (!written.has(path) || isInEffect(path, read)) return false;
    const value = valueAt(plain, path);
    return value !== false && !(isEmpty(value) && isEmpty(valueAt(defaults, path)));
  }).map((path) => ({ path, instead: adviceFor(path) }));
}

function isEmpty(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length === 0;
  return value === undefined || value === "" || value === 0;
}

function valueAt(root: unknown, path: string): unknown {
  let value = root;
  for (const name of path.split(".")) {
    value = (value as Record<string, unknown> | undefined)?.[name];
  }
  return value;
}
