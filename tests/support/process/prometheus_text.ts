/**
 * Reads the Prometheus text format (version 0.0.4) strictly enough that a malformed exposition
 * fails the test that reads it.
 *
 * @module
 */

/** One line of an exposition. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A parsed exposition. */
export class PrometheusText {
  readonly types = new Map<string, string>();
  readonly samples: Sample[] = [];

  /** @throws {SyntaxError} for a line that is neither a comment nor a sample. */
  constructor(text: string) {
    if (!text.endsWith("\n")) throw new SyntaxError("the last line does not end");
    for (const line of text.split("\n")) {
      if (line === "" || line.startsWith("# HELP ")) continue;
      const type = /^# TYPE ([a-z_:][a-z0-9_:]*) (counter|gauge|histogram)$/i.exec(line);
      if (type !== null) this.types.set(type[1]!, type[2]!);
      else this.samples.push(readSample(line));
    }
  }

  /** Sum of the samples of that name whose labels include `labels`; `undefined` without any. */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    const wanted = Object.entries(labels);
    const found = this.samples.filter((sample) =>
      sample.name === name && wanted.every(([key, value]) => sample.labels[key] === value)
    );
    return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
  }
}

function readSample(line: string): Sample {
  const match = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
  if (match === null) throw new SyntaxError(`no sample: ${line}`);
  const [, name, list = "", number] = match;
  const labels: Record<string, string> = {};
  let rest = list;
  while (rest !== "") {
    const label = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\["\\n])*)"(?:,|$)/.exec(rest);
    if (label === null) throw new SyntaxError(`no label: ${rest}`);
    if (label[1]! in labels) throw new SyntaxError(`label ${label[1]} twice: ${line}`);
    labels[label[1]!] = label[2]!.replace(/\\(.)/g, (_, c) => c === "n" ? "\n" : c);
    rest = rest.slice(label[0].length);
  }
  const value = number === "+Inf" ? Infinity : number === "-Inf" ? -Infinity : Number(number);
  if (Number.isNaN(value) && number !== "NaN") throw new SyntaxError(`no number: ${line}`);
  return { name: name!, labels, value };
}
