/**
 * A log of one JSON object a line, put together as text: two lines are a part of every join, and
 * through a library's records they cost a tenth of what the main thread does for it. What a child
 * is bound to is written once.
 *
 * Contract: every message, name and value is what {@linkcode redactText} and
 * {@linkcode redactValue} leave of it. Names stand once in a line: of a message's fields and what
 * its log is bound to, the nearest counts.
 *
 * @module
 */
import type { Log, LogLevel } from "../../base/platform.ts";
import { redactText, redactValue } from "./redaction.ts";

type Fields = Readonly<Record<string, unknown>>;

/** The lowest first. */
const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];
/** Before the fields. */
const OWN_NAMES: readonly string[] = ["@timestamp", "level", "message", "logger"];
/** Messages and names of fields are few; a text that is made anew each time is not kept. */
const MAX_KEPT_TEXTS = 512;
/** To a terminal these are commands, too, which JSON leaves as they are. */
const CONTROLS = /[\u007f-\u009f]/g;

/** What all logs of a process share. */
interface Lines {
  readonly logger: string;
  readonly lowest: number;
  readonly write: (line: string) => void;
  readonly wallMs: () => number;
}

/**
 * A log that gives each line, with its line end, to `write`.
 *
 * @param logger The name of who logs, in each line.
 * @param wallMs Unix milliseconds, read for each line.
 */
export function jsonLines(
  logger: string,
  level: LogLevel,
  write: (line: string) => void,
  wallMs: () => number,
): Log {
  return new JsonLog({
    logger: JSON.stringify(logger),
    lowest: LEVELS.indexOf(level),
    write,
    wallMs,
  });
}

class JsonLog implements Log {
  readonly #lines: Lines;
  readonly #bound: Fields;
  /** The same as it stands in a line. */
  readonly #boundText: string;

  constructor(lines: Lines, bound: Fields = {}) {
    this.#lines = lines;
    this.#bound = bound;
    this.#boundText = textOf(bound);
  }

  child(bindings: Fields): Log {
    return new JsonLog(this.#lines, { ...this.#bound, ...bindings });
  }

  debug(message: string, fields?: Fields): void {
    this.#line(0, "DEBUG", message, fields);
  }

  info(message: string, fields?: Fields): void {
    this.#line(1, "INFO", message, fields);
  }

  warn(message: string, fields?: Fields): void {
    this.#line(2, "WARN", message, fields);
  }

  error(message: string, fields?: Fields): void {
    this.#line(3, "ERROR", message, fields);
  }

  #line(level: number, name: string, message: string, fields: Fields = {}): void {
    const { lowest, logger, write, wallMs } = this.#lines;
    if (level < lowest) return;
    const at = new Date(wallMs()).toISOString();
    const head = `{"@timestamp":"${at}","level":"${name}","message":${known(message)}`;
    const rest = this.#isPlain(fields)
      ? `${this.#boundText}${textOf(fields)}`
      : textOf({ ...this.#bound, ...fields });
    write(`${head},"logger":${logger}${rest}}\n`);
  }

  /** Whether no field has the name of something that this is bound to. */
  #isPlain(fields: Fields): boolean {
    for (const name in fields) if (name in this.#bound) return false;
    return true;
  }
}

/** `,"name":value` for each field. */
function textOf(fields: Fields): string {
  let text = "";
  for (const name of Object.keys(fields)) {
    const value = valueOf(fields[name]);
    if (value === undefined) continue;
    // A line says itself what these are.
    const written = OWN_NAMES.includes(name) ? `${name}_` : name;
    text += `,${known(written)}:${value}`;
  }
  return text;
}

/** A value in JSON; `undefined` for what has none. */
function valueOf(value: unknown): string | undefined {
  if (typeof value === "string") return quoted(redactText(value));
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : "null";
  if (typeof value === "boolean") return value ? "true" : "false";
  const text = JSON.stringify(redactValue(value)) as string | undefined;
  return text === undefined ? undefined : withoutControls(text);
}

const texts = new Map<string, string>();

/** A text of the program's own, redacted and quoted once. */
function known(text: string): string {
  let written = texts.get(text);
  if (written === undefined) {
    written = quoted(redactText(text));
    if (texts.size < MAX_KEPT_TEXTS) texts.set(text, written);
  }
  return written;
}

function quoted(text: string): string {
  return withoutControls(JSON.stringify(text));
}

function withoutControls(json: string): string {
  return json.replace(CONTROLS, (one) => `\\u00${one.charCodeAt(0).toString(16)}`);
}
