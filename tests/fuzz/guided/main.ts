/**
 * `deno task fuzz --inputs=1e8 --minutes=60`: inputs for every parser of outside bytes, bred from
 * those that reached something new in the code. Ends at whichever comes first. `--target=NAME` is
 * for one parser, `--seed=N` for another run of luck.
 *
 * What reached something new is kept in `tests/fuzz/corpus`, made small; an input that breaks a
 * parser is printed, and status 1 is the end. Not part of the gate: that only plays the corpus
 * (`corpus_test.ts`).
 *
 * @module
 */
import { SeededRandom } from "../../support/virtual/seeded_random.ts";
import { BlockCoverage } from "./block_coverage.ts";
import { readCorpus, writeCorpus } from "./corpus_files.ts";
import { firstInputs } from "./first_inputs.ts";
import { mutated } from "./input_mutation.ts";
import { PARSER_TARGETS, type ParserTarget } from "./parser_targets.ts";

/** Inputs between two looks at what has run: as many as so much time holds, ms. */
const BATCH_MS = 40;
const MIN_BATCH = 16;
const MAX_BATCH = 20_000;
/** Turn of a parser, ms. */
const TURN_MS = 2_000;
/** One input may take so long; more is a way to hold a thread. */
const SLOW_MS = 250;
const LIB = new URL("../../../lib/", import.meta.url).href;

/** One parser on its way. */
interface Hunt {
  readonly name: string;
  readonly take: ParserTarget;
  readonly corpus: Uint8Array<ArrayBuffer>[];
  inputs: number;
  /** Inputs at once, by how fast it takes them. */
  batch: number;
}

/** An input that broke a parser. */
class Broken extends Error {
  constructor(readonly hunt: string, readonly input: Uint8Array, cause: unknown) {
    super(`${hunt} breaks at ${input.toHex()}`, { cause });
  }
}

function numberOption(name: string, fallback: number): number {
  const text = Deno.args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
  const value = Number(text ?? fallback);
  if (!Number.isFinite(value) || value < 0) throw new Error(`--${name} is a number`);
  return value;
}

function run({ name, take }: Hunt, input: Uint8Array<ArrayBuffer>): void {
  let ms = timeOf(name, take, input);
  // The machine may have had something else to do; what is slow is slow again.
  for (let again = 0; again < 2 && ms > SLOW_MS; again++) ms = timeOf(name, take, input);
  if (ms > SLOW_MS) throw new Broken(name, input, new Error(`it took ${ms.toFixed()} ms`));
}

/** How long it takes, ms. */
function timeOf(name: string, take: ParserTarget, input: Uint8Array<ArrayBuffer>): number {
  const startedAt = performance.now();
  try {
    take(input);
  } catch (error) {
    throw new Broken(name, input, error);
  }
  return performance.now() - startedAt;
}

/** Keeps of `inputs` those that reach something new, found by halves. */
async function keep(
  hunt: Hunt,
  inputs: readonly Uint8Array<ArrayBuffer>[],
  coverage: BlockCoverage,
): Promise<void> {
  for (const input of inputs) run(hunt, input);
  const isSingle = inputs.length === 1;
  if (await coverage.news(hunt.name, isSingle) === 0) return;
  if (isSingle) {
    hunt.corpus.push(inputs[0]!);
    return;
  }
  const middle = inputs.length >> 1;
  await keep(hunt, inputs.slice(0, middle), coverage);
  await keep(hunt, inputs.slice(middle), coverage);
}

/** One turn of a parser. */
async function turn(hunt: Hunt, random: SeededRandom, coverage: BlockCoverage, most: number) {
  const until = performance.now() + TURN_MS;
  let left = most;
  while (performance.now() < until && left > 0) {
    const batch = Array.from(
      { length: Math.min(hunt.batch, left) },
      () => mutated(random, hunt.corpus),
    );
    const startedAt = performance.now();
    for (const input of batch) run(hunt, input);
    const perMs = batch.length / Math.max(1, performance.now() - startedAt);
    hunt.batch = Math.min(MAX_BATCH, Math.max(MIN_BATCH, Math.ceil(perMs * BATCH_MS)));
    hunt.inputs += batch.length;
    left -= batch.length;
    if (await coverage.news(hunt.name, false) > 0) await keep(hunt, batch, coverage);
  }
  return most - left;
}

/** The kept inputs, without those that reach nothing that shorter ones do not. */
async function begin(name: string, take: ParserTarget, coverage: BlockCoverage): Promise<Hunt> {
  const kept = [...readCorpus(name), ...firstInputs(name)].toSorted((a, b) => a.length - b.length);
  const hunt: Hunt = { name, take, corpus: [], inputs: 0, batch: MIN_BATCH };
  // What ran before is nobody's.
  await coverage.news("", false);
  for (const input of [new Uint8Array(), ...kept]) {
    run(hunt, input);
    if (await coverage.news(name, true) > 0 || hunt.corpus.length === 0) hunt.corpus.push(input);
  }
  return hunt;
}

async function fuzz(): Promise<void> {
  const mostInputs = numberOption("inputs", 1e6);
  const until = performance.now() + numberOption("minutes", 5) * 60_000;
  const only = Deno.args.find((arg) => arg.startsWith("--target="))?.slice("--target=".length);
  const random = new SeededRandom(numberOption("seed", Date.now() % 2 ** 31));
  const coverage = await BlockCoverage.start(LIB);
  const names = Object.keys(PARSER_TARGETS).filter((name) => only === undefined || name === only);
  if (names.length === 0) throw new Error(`There is no parser "${only}"`);
  const hunts: Hunt[] = [];
  for (const name of names) hunts.push(await begin(name, PARSER_TARGETS[name]!, coverage));
  let inputs = 0;
  try {
    while (inputs < mostInputs && performance.now() < until) {
      for (const hunt of hunts) {
        if (inputs >= mostInputs || performance.now() >= until) break;
        const share = Math.min(mostInputs - inputs, Math.ceil(mostInputs / hunts.length));
        inputs += await turn(hunt, random, coverage, share);
      }
    }
  } finally {
    for (const { name, corpus } of hunts) {
      writeCorpus(
        name,
        corpus.filter(({ length }) => length > 0),
      );
    }
    coverage.stop();
    for (const { name, inputs, corpus } of hunts) {
      const told = [
        name.padEnd(24),
        `${String(inputs).padStart(12)} inputs`,
        `${String(corpus.length).padStart(5)} kept`,
        `${String(coverage.reachedBy(name)).padStart(7)} characters of code reached`,
      ];
      console.log(told.join("  "));
    }
    console.log(`${inputs} inputs in all`);
  }
}

try {
  await fuzz();
} catch (error) {
  if (!(error instanceof Broken)) throw error;
  console.error(error.message, error.cause);
  Deno.exit(1);
}
