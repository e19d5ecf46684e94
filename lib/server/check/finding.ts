/**
 * What `roomwire check` found out, one sentence each, with what to do about it.
 *
 * @module
 */

/**
 * `problem`: something does not work. `warning`: it works, but not well, or not for long.
 * `unknown`: it cannot be known from inside, or not now.
 */
export type FindingState = "ok" | "warning" | "problem" | "unknown";

/** One thing that was looked at. */
export interface Finding {
  /** What it is about, a word: `ports`. */
  readonly topic: string;
  readonly state: FindingState;
  readonly what: string;
  /** What to do; absent where everything is well. */
  readonly fix?: string;
}

/** All is well. */
export function ok(topic: string, what: string): Finding {
  return { topic, state: "ok", what };
}

/** Something does not work. */
export function problem(topic: string, what: string, fix: string): Finding {
  return { topic, state: "problem", what, fix };
}

/** It works, but not well, or not for long. */
export function warning(topic: string, what: string, fix: string): Finding {
  return { topic, state: "warning", what, fix };
}

/** Nobody in here can tell. */
export function unknown(topic: string, what: string, fix: string): Finding {
  return { topic, state: "unknown", what, fix };
}

/** Columns before the text. */
const STATE_WIDTH = 9;
const TOPIC_WIDTH = 14;
const MARGIN = " ".repeat(STATE_WIDTH + TOPIC_WIDTH);

/** For people: a line for each, with what to do below it, and the sum of it all. */
export function findingsText(findings: readonly Finding[]): string {
  const lines = findings.flatMap(({ topic, state, what, fix }) => {
    const line = `${state.padEnd(STATE_WIDTH)}${topic.padEnd(TOPIC_WIDTH)}${what}`;
    return fix === undefined ? [line] : [line, `${MARGIN}→ ${fix}`];
  });
  const count = (state: FindingState) => findings.filter((one) => one.state === state).length;
  const sum = [
    plural(count("problem"), "problem"),
    plural(count("warning"), "warning"),
    `${count("unknown")} that cannot be known from here`,
    `${count("ok")} in order`,
  ].join(", ");
  return `${[...lines, "", sum].join("\n")}\n`;
}

/** For programs. */
export function findingsJson(findings: readonly Finding[]): string {
  return `${JSON.stringify({ ok: !hasProblem(findings), findings }, null, 2)}\n`;
}

/** Whether something does not work. */
export function hasProblem(findings: readonly Finding[]): boolean {
  return findings.some(({ state }) => state === "problem");
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
