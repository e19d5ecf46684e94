/**
 * Logs: one JSON object a line (`json_lines.ts`), or coloured text on a terminal, over LogTape.
 * Every message and value goes through {@linkcode redactValue} first, so no token and no address is
 * ever written.
 *
 * @module
 */
import {
  configureSync,
  getLogger,
  getTextFormatter,
  type Logger,
  type LogRecord,
} from "@logtape/logtape";
import { denoPlatform } from "../base/deno_platform.ts";
import type { Log, LogLevel } from "../base/platform.ts";
import type { Config } from "./config/config_parsing.ts";
import { jsonLines } from "./log/json_lines.ts";
import { redactText, redactValue } from "./log/redaction.ts";

/** How and where to log. */
export interface LogOptions {
  readonly level: LogLevel;
  /** `json`: one object a line; `pretty`: for people. */
  readonly format: "json" | "pretty";
  /** Colours by level in text for people. */
  readonly colour?: boolean;
  /** Takes one finished line, with its line end. */
  readonly write: (line: string) => void;
}

const CATEGORY = "roomwire";

/** LogTape calls it "warning". */
const LOGTAPE_LEVEL = {
  debug: "debug",
  info: "info",
  warn: "warning",
  error: "error",
} as const;

/**
 * Sets up the process's log. LogTape's configuration is global, so this is for the composition
 * root, once; a later call for text replaces it.
 */
export function createLog(options: LogOptions): Log {
  if (options.format === "json") {
    const { wallMs } = denoPlatform().clock;
    return jsonLines(CATEGORY, options.level, options.write, wallMs);
  }
  const colour = options.colour ?? true;
  configureSync({
    reset: true,
    sinks: { lines: (record) => options.write(prettyLine(record, colour)) },
    loggers: [
      { category: CATEGORY, sinks: ["lines"], lowestLevel: LOGTAPE_LEVEL[options.level] },
      { category: ["logtape", "meta"], sinks: ["lines"], lowestLevel: "error" },
    ],
  });
  return adapt(getLogger(CATEGORY));
}

function adapt(logger: Logger): Log {
  const at = (level: "debug" | "info" | "warn" | "error"): Log["info"] => (message, fields = {}) =>
    logger[level](literal(redactText(message)), redactFields(fields));
  return {
    child: (bindings) => adapt(logger.with(redactFields(bindings))),
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
  };
}

/** Braces are placeholders to LogTape and nothing special to us. */
function literal(message: string): string {
  return message.replace(/[{}]/g, "$&$&");
}

function redactFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return redactValue(fields) as Record<string, unknown>;
}

const prettyText = getTextFormatter({
  timestamp: "time",
  level: "FULL",
  format: ({ timestamp, level, message }) => `${timestamp} ${level} ${message}`,
});
const COLOUR: Readonly<Record<string, string>> = {
  debug: "\x1b[2m",
  info: "\x1b[32m",
  warning: "\x1b[33m",
  error: "\x1b[31m",
  fatal: "\x1b[31m",
};

/** `12:00:00.000 INFO message key=value`, coloured by level if wanted. */
function prettyLine(record: LogRecord, colour: boolean): string {
  const fields = Object.entries(record.properties)
    .map(([name, value]) => `${name}=${printable(value)}`);
  const line = prettyText(record).trimEnd();
  const tail = fields.join(" ");
  if (!colour) return tail === "" ? `${line}\n` : `${line}  ${tail}\n`;
  const dimmed = tail === "" ? "" : `  \x1b[2m${tail}\x1b[0m`;
  return `${COLOUR[record.level] ?? ""}${line}\x1b[0m${dimmed}\n`;
}

/** Text as it is, unless it would change the line or the terminal: clients name themselves. */
function printable(value: unknown): string {
  if (typeof value === "string" && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}"]/u.test(value)) return value;
  return (JSON.stringify(value) ?? "").replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u${character.codePointAt(0)!.toString(16).padStart(4, "0")}`,
  );
}

/**
 * How a process logs: as configured; if that says nothing, text where a person reads and JSON
 * elsewhere.
 */
export function logOptions(
  { logging }: Config,
  console: {
    readonly isTerminal: boolean;
    /** https://no-color.org */
    readonly noColour: boolean;
  },
): Omit<LogOptions, "write"> {
  return {
    level: logging.level as LogLevel,
    format: logging.json ?? !console.isTerminal ? "json" : "pretty",
    colour: console.isTerminal && !console.noColour,
  };
}
