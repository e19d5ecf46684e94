/**
 * A log in a worker that writes into the main thread's: lines are messages.
 *
 * Fields that cannot be cloned between threads (functions, sockets) become text.
 *
 * @module
 */
import type { Log, LogLevel } from "../../base/platform.ts";
import type { LogLine } from "./worker_messages.ts";

type Fields = Readonly<Record<string, unknown>>;

/** The worker's end. */
export function messageLog(post: (line: LogLine) => void, bindings: Fields = {}): Log {
  const at = (level: LogLevel) => (message: string, fields: Fields = {}) =>
    post({ type: "log", level, message, fields: cloneable({ ...bindings, ...fields }) });
  return {
    child: (more) => messageLog(post, { ...bindings, ...more }),
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
  };
}

/** The main thread's end. */
export function writeLine(log: Log, { level, message, fields }: LogLine): void {
  log[level](message, fields);
}

function cloneable(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => {
      try {
        return [name, structuredClone(value)];
      } catch {
        return [name, String(value)];
      }
    }),
  );
}
