/**
 * The kinds of values a configuration key can have, each with its wording for "expected …" and its
 * default. Durations come in as Go writes them (`500ms`, `7.5s`, `2m`) and go out as milliseconds.
 *
 * @module
 */
import { z } from "zod";

const GO_DURATION = /^[+-]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h))+$/;
const DURATION_TERM = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/g;
const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  "µs": 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds of a Go duration string, or `undefined` if it is none. `"0"` needs no unit. */
export function parseGoDuration(text: string): number | undefined {
  if (text === "0") return 0;
  if (!GO_DURATION.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(DURATION_TERM)) {
    total += Number(amount) * UNIT_MS[unit!]!;
  }
  return text.startsWith("-") ? -total : total;
}

/** `true` or `false`. */
export function flag(initial: boolean) {
  return z.boolean({ error: "true or false" }).default(initial);
}

/** A switch that may stay undecided. */
export function optionalFlag() {
  return z.boolean({ error: "true or false" }).optional();
}

export function text(initial = "") {
  return z.string({ error: "text" }).default(initial);
}

/** One of a few words; the empty word (unset) is allowed if it is among them. */
export function choice<const T extends readonly [string, ...string[]]>(
  words: T,
  initial: T[number],
) {
  const named = words.filter((word) => word !== "").join(", ");
  return z.enum(words, { error: `one of ${named}` }).default(initial as never);
}

export function textList(initial: readonly string[] = []) {
  return z.array(z.string({ error: "text" }), { error: "a list of texts" }).default([...initial]);
}

const COUNT = "a whole number, 0 or more";
/** A whole number from 0 up. */
export function count(initial: number) {
  return z.int({ error: COUNT }).nonnegative({ error: COUNT }).default(initial);
}

const LIMIT = "a whole number, 0 or -1 for no limit";
/** A whole number from 0 up; what is below 0 becomes 0, which is no limit. */
export function limit(initial: number) {
  return z.int({ error: LIMIT }).transform((value) => Math.max(0, value)).prefault(initial);
}

/** As {@linkcode limit}, with a default that depends on what it limits. */
export function optionalLimit() {
  return z.int({ error: LIMIT }).transform((value) => Math.max(0, value)).optional();
}

const LEVELS: Readonly<Record<string, "" | "debug" | "info" | "warn" | "error">> = {
  "": "",
  debug: "debug",
  info: "info",
  warn: "warn",
  warning: "warn",
  error: "error",
  dpanic: "error",
  panic: "error",
  fatal: "error",
};
const LEVEL = "one of debug, info, warn, error";
/** A log level in either case, with zap's other words; empty if unset. */
export function level() {
  return z.string({ error: LEVEL }).transform((value, context) => {
    const word = value.toLowerCase();
    if (Object.hasOwn(LEVELS, word)) return LEVELS[word]!;
    context.addIssue({ code: "custom", message: LEVEL });
    return z.NEVER;
  }).prefault("").describe("debug, info, warn, error");
}

/** A whole number that may be negative. */
export function integer(initial: number) {
  return z.int({ error: "a whole number" }).default(initial);
}

export function decimal(initial: number) {
  return z.number({ error: "a number" }).default(initial);
}

const BYTE = "a whole number, 0 to 255";
export function byte(initial: number) {
  return z.int({ error: BYTE }).min(0, { error: BYTE }).max(255, { error: BYTE }).default(initial);
}

const PORT = "a port, 0 to 65535";
/** A port number; 0 usually means "off". */
export function port(initial: number) {
  return z.int({ error: PORT }).min(0, { error: PORT }).max(65535, { error: PORT }).default(
    initial,
  );
}

const DURATION = 'a duration such as "500ms", "7.5s" or "2m"';
function durationValue() {
  return z.union([z.string(), z.literal(0)], { error: DURATION }).transform((value, context) => {
    const parsed = parseGoDuration(String(value));
    if (parsed !== undefined) return parsed;
    context.addIssue({ code: "custom", message: DURATION });
    return z.NEVER;
  });
}

/** Milliseconds out of a Go duration; `initial` is written the same way. */
export function duration(initial: string) {
  return durationValue().prefault(initial);
}

/** Milliseconds, or absent if unset. */
export function optionalDuration() {
  return durationValue().optional().describe("duration");
}

/** A list of Go durations. */
export function durationList(initial: readonly string[]) {
  return z.array(durationValue(), { error: "a list of durations" }).prefault([...initial]);
}

/** First and last port of a range, the same twice for a single port. */
export interface PortRange {
  readonly start: number;
  readonly end: number;
}

const PORT_RANGE = 'a port, or a range such as "7882-7892"';
/** `N` or `"A-B"` with A < B; absent if unset. */
export function portRange() {
  return z.union([z.number(), z.string()], { error: PORT_RANGE })
    .transform((value, context): PortRange => {
      const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(String(value));
      const start = Number(match?.[1] ?? NaN);
      const end = match?.[2] === undefined ? start : Number(match[2]);
      const ordered = match?.[2] === undefined || end > start;
      if (Number.isNaN(start) || end > 65535 || start > 65535 || !ordered) {
        context.addIssue({ code: "custom", message: PORT_RANGE });
        return z.NEVER;
      }
      return { start, end };
    }).optional();
}

const WORKERS = '"auto", or a whole number, 0 or more';
/** How many threads: a number, or as many as make sense. */
export function workers() {
  return z.union([z.number(), z.string()], { error: WORKERS })
    .transform((value, context): "auto" | number => {
      if (value === "auto") return value;
      if (/^\d{1,3}$/.test(String(value))) return Number(value);
      context.addIssue({ code: "custom", message: WORKERS });
      return z.NEVER;
    }).prefault("auto").describe("auto or number");
}

/** A map with free names. */
export function mapOf<T extends z.ZodType>(value: T, expected: string) {
  return z.record(z.string(), value, { error: expected });
}

/** A map from layer number (0, 1, 2) to settings. */
export function perLayer<T extends z.ZodType>(value: T) {
  return mapOf(value, "a map from layer number to settings");
}

/** A group of keys; unknown keys are refused, a missing group has all its defaults. */
export function section<T extends z.ZodRawShape>(shape: T) {
  return z.strictObject(shape, { error: "a group of keys" }).prefault({} as never);
}

/** A list of groups of keys. */
export function sectionList<T extends z.ZodRawShape>(shape: T) {
  return z.array(z.strictObject(shape, { error: "a group of keys" }), {
    error: "a list of groups of keys",
  });
}
