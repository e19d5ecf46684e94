/**
 * Reads the output of `deno test` runs and makes one report of several: whole files one after the
 * other while they run, and at the end what failed and the totals, in that order, so that the last
 * lines say why.
 *
 * @module
 */

/**
 * Lines of one failure that are repeated at the end: its beginning, and its end with server output.
 */
const FIRST_LINES = 30;
const LAST_LINES = 45;
/** Failures that are repeated, those that count last; the others are told in short only. */
const MAX_REPEATED = 6;
/** Characters of a failure in short. */
const MAX_SHORT = 400;
/** Last lines of a run that ended without totals. */
const LINES_OF_CRASH = 60;

// deno-lint-ignore no-control-regex -- colours
const COLOR = /\x1b\[[0-9;]*m/g;
/** Deno's last line about a run's tests. */
const TOTALS = /^(?:ok|FAILED) \| (\d+) passed(?: \((\d+) steps?\))? \| (\d+) failed(.*)$/;
/** How the name of a run of one file ends. */
const TEST_FILE = "_test.ts";
/** How a failure begins in the section of errors, and how failures are listed after it. */
const FAILURE = /^.* => \S+:\d+:\d+$/;
/** What failed outside of tests, which stands in no line of theirs. */
const UNCAUGHT = /^\S+ \(uncaught error\)$/;
const PASSED_LINE = /^(\S.*?) \.\.\. ?ok \(/;
/** With a line of its own where Deno has said meanwhile that the test takes long. */
const FAILED_LINE = /(?:\.\.\. ?|^ )FAILED \(/;
const FILE_START = /^running \d+ tests? from (\S*)/;

/** What one run of `deno test` came to. */
export interface RunSummary {
  readonly passed: number;
  readonly steps: number;
  readonly failed: number;
  /** What to say of the failures; empty if there was none. */
  readonly failures: readonly string[];
  /**
   * The files in which all of the failures lie; empty too where some lie in none, as when the run
   * did not come to its end.
   */
  readonly failedFiles: readonly string[];
  /** Names of tests that passed. */
  readonly passedTests: ReadonlySet<string>;
  /** What failed at first, and passed when it was run again. */
  readonly unsteady: readonly string[];
  /**
   * Whether each test had its turn: an uncaught error ends a file early, and a run that did not come
   * to its totals counts as one failure.
   */
  readonly isWhole: boolean;
}

/**
 * Sums a run up.
 *
 * @param name For a run that ended without totals; of a single file, its path.
 * @param output All it printed.
 * @param success Whether its status was 0. A run may fail without a failed test, by a type error.
 */
export function summarize(name: string, output: string, success: boolean): RunSummary {
  const lines = output.replaceAll(COLOR, "").split("\n");
  const totals = lines.map((line) => TOTALS.exec(line)).findLast((match) => match !== null);
  const [passed, steps, failed] = [1, 2, 3].map((group) => Number(totals?.[group] ?? 0)) as [
    number,
    number,
    number,
  ];
  const failures = failuresIn(lines);
  const passedTests = new Set(lines.flatMap((line) => PASSED_LINE.exec(line)?.[1] ?? []));
  const hasTotals = totals !== undefined;
  const isAllNamed = !lines.some((line) => UNCAUGHT.test(line));
  const isOneFile = name.endsWith(TEST_FILE);
  const told = {
    passed,
    steps,
    failed,
    failures,
    failedFiles: [],
    passedTests,
    unsteady: [],
    isWhole: hasTotals && isAllNamed,
  };
  if (success && hasTotals && failed === 0) return told;
  if (failed > 0) {
    // Which tests it ended is told for none of them, but of a single file all run again.
    if (!isAllNamed && isOneFile) return { ...told, failedFiles: [name] };
    return {
      ...told,
      failedFiles: isAllNamed && failures.length >= failed ? failedFilesIn(lines) : [],
    };
  }
  const last = lines.filter((line) => line !== "").slice(-LINES_OF_CRASH);
  // Its failures are told only at the end, to which it did not come.
  const named = lines.filter((line) => FAILED_LINE.test(line)).map((line) => `In it: ${line}`);
  return {
    ...told,
    failed: 1,
    failedFiles: isOneFile && !hasTotals ? [name] : [],
    failures: [
      [`${name} ended without success; its last lines:`, ...last, ...named].join("\n"),
      ...failures,
    ],
  };
}

/** By where they ran: where they were registered may be a helper that many files share. */
function failedFilesIn(lines: readonly string[]): string[] {
  const files = new Set<string>();
  let file = "";
  for (const line of lines) {
    file = FILE_START.exec(line)?.[1] ?? file;
    if (FAILED_LINE.test(line)) files.add(file);
  }
  return [...files];
}

/**
 * A run of which what failed was run again, alone.
 *
 * @param first The first run.
 * @param alone The run of its failed files.
 * @returns The first run with its failures where one of them failed again. Otherwise with those
 *   tests among the passed ones, and the failures told as unsteady.
 */
export function afterRunAlone(first: RunSummary, alone: RunSummary): RunSummary {
  if (alone.failed > 0 || alone.passed === 0) return first;
  // One of a single file that did not come to its end has said nothing else.
  if (!first.isWhole) return { ...alone, unsteady: first.failures };
  if (alone.passed < first.failed) return first;
  // A run that did not have each of them has shown nothing.
  const isPassed = (failure: string) => alone.passedTests.has(failedTestOf(failure));
  if (!first.failures.every(isPassed)) return first;
  return {
    ...first,
    passed: first.passed + first.failed,
    failed: 0,
    failures: [],
    failedFiles: [],
    unsteady: first.failures,
  };
}

/** Of which a failure is told: whose step it was. */
function failedTestOf(failure: string): string {
  return failure.split("\n")[0]!.replace(/(?: \.\.\. .*)? => \S+$/, "");
}

/** The entries of the section of errors. */
function failuresIn(lines: readonly string[]): string[] {
  const from = lines.lastIndexOf(" ERRORS ");
  const to = lines.lastIndexOf(" FAILURES ");
  if (from < 0 || to < from) return [];
  const entries: string[][] = [];
  for (const line of lines.slice(from + 1, to)) {
    if (FAILURE.test(line) || UNCAUGHT.test(line)) entries.push([]);
    entries.at(-1)?.push(line);
  }
  return entries.map((entry) => shortened(entry).join("\n").trimEnd());
}

function shortened(lines: readonly string[]): readonly string[] {
  const left = lines.length - FIRST_LINES - LAST_LINES;
  if (left <= 0) return lines;
  const middle = `    (${left} lines are left out here)`;
  return [...lines.slice(0, FIRST_LINES), middle, ...lines.slice(-LAST_LINES)];
}

/**
 * The end of the report: failures in full, then in a line each, then Deno's totals over all runs.
 * Who keeps only the last lines of a long output still has what failed, and why.
 *
 * @param seconds How long everything took.
 */
export function closingReport(summaries: readonly RunSummary[], seconds: number): string {
  const sum = (of: (summary: RunSummary) => number) =>
    summaries.reduce((total, summary) => total + of(summary), 0);
  const [passed, steps, failed] = [sum((s) => s.passed), sum((s) => s.steps), sum((s) => s.failed)];
  const unsteady = summaries.flatMap((summary) => summary.unsteady.map(markUnsteady));
  const all = [...unsteady, ...summaries.flatMap((summary) => summary.failures)];
  const time = `(${Math.floor(seconds / 60)}m${Math.round(seconds % 60)}s)`;
  return [
    "",
    ...all.slice(-MAX_REPEATED).flatMap((failure) => [failure, ""]),
    ...(all.length > 0 ? ["In short:", ...all.map(inShort), ""] : []),
    `${
      failed > 0 ? "FAILED" : "ok"
    } | ${passed} passed (${steps} steps) | ${failed} failed ${time}`,
  ].join("\n");
}

function markUnsteady(failure: string): string {
  return `PASSED WHEN RUN AGAIN, ALONE: ${failure}`;
}

/** What failed, and the first line of why; of a run that died, the last it said. */
function inShort(failure: string): string {
  const [name = "", ...reasons] = failure.split("\n");
  const why = reasons.at(name.endsWith(":") ? -1 : 0) ?? "";
  return `- ${name}: ${why}`.slice(0, MAX_SHORT);
}

/**
 * Passes the output of a run on in whole files, so that runs beside each other do not mix.
 *
 * What comes before the first file and after the last one is passed on, too.
 */
export class FileByFile {
  #pending = "";

  constructor(private readonly write: (text: string) => void) {}

  push(text: string): void {
    this.#pending += text;
    const lines = this.#pending.split("\n");
    const start = lines.findLastIndex((line) => FILE_START.test(line.replaceAll(COLOR, "")));
    if (start <= 0) return;
    this.write(`${lines.slice(0, start).join("\n")}\n`);
    this.#pending = lines.slice(start).join("\n");
  }

  /** Passes on what is left. */
  end(): void {
    if (this.#pending !== "") this.write(this.#pending);
    this.#pending = "";
  }
}
