/**
 * Programs of the benchmark as child processes: a JSON line on standard input is a call, a marked
 * line on standard error its answer. Both ends are here, so that they cannot disagree. Standard
 * output is left to V8, which writes its trace of garbage collections there.
 *
 * @module
 */
import { type Collection, readCollections } from "./collections.ts";

/** The longest a child may take to end, ms. */
const EXIT_LIMIT_MS = 3_000;
/** Begins an answer; other lines on standard error are passed on. */
const ANSWER = "\u0001answer ";

export type Nothing = Record<string, never>;

export type Calls<T> = { [Name in keyof T]: (options: never) => Promise<unknown> };

/** Answers calls from standard input until it ends. */
export async function answerCalls<T extends Calls<T>>(handlers: T): Promise<never> {
  const lines = linesOf(Deno.stdin.readable);
  for await (const line of lines) {
    const { call, options } = JSON.parse(line) as { call: keyof T; options: never };
    const answer = await handlers[call](options)
      .then((value) => ({ value }), (error) => ({ error: String(error?.message ?? error) }));
    const bytes = new TextEncoder().encode(`${ANSWER}${JSON.stringify(answer)}\n`);
    for (let at = 0; at < bytes.length;) at += await Deno.stderr.write(bytes.subarray(at));
  }
  Deno.exit(0);
}

const running = new Set<{ kill(): void }>();

/** Ends every child at once, for a benchmark that is given up. */
export function killAllChildren(): void {
  for (const child of running) child.kill();
}

/** A running child. Dispose it to end it. */
export class BenchChild<T extends Calls<T>> implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: AsyncGenerator<string>;
  readonly #trace: Promise<string>;

  /** Runs `script` of this folder. */
  constructor(script: string, denoFlags: readonly string[] = []) {
    this.#process = new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", ...denoFlags, new URL(script, import.meta.url).pathname],
      cwd: new URL("..", import.meta.url),
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = this.#process.stdin.getWriter();
    this.#output = linesOf(this.#process.stderr);
    this.#trace = new Response(this.#process.stdout).text();
    running.add(this);
    this.#process.status.then(() => running.delete(this));
  }

  /** @throws {Error} if the call fails there, or the child has ended. */
  async call<Name extends keyof T>(
    call: Name,
    options: Parameters<T[Name]>[0],
  ): Promise<Awaited<ReturnType<T[Name]>>> {
    const ended = () => new Error(`The process ended before it answered "${String(call)}"`);
    await this.#input.write(new TextEncoder().encode(`${JSON.stringify({ call, options })}\n`))
      .catch((cause) => {
        throw Object.assign(ended(), { cause });
      });
    for (;;) {
      const { value: line, done } = await this.#output.next();
      if (done === true) throw ended();
      if (!line.startsWith(ANSWER)) {
        console.error(line);
        continue;
      }
      const { value, error } = JSON.parse(line.slice(ANSWER.length));
      if (error !== undefined) throw new Error(error);
      return value as Awaited<ReturnType<T[Name]>>;
    }
  }

  /**
   * Garbage collections of the whole run, if it was started with V8's `--trace-gc`. Ends the child.
   */
  async collections(): Promise<Collection[]> {
    await this[Symbol.asyncDispose]();
    return readCollections(await this.#trace);
  }

  /** Ends the child at once; calls that wait for it are rejected. Idempotent. */
  kill(): void {
    if (running.has(this)) this.#process.kill("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A child whose standard input ends exits by itself, unless it is too busy to notice.
    const limit = setTimeout(() => this.kill(), EXIT_LIMIT_MS);
    await this.#input.close().catch(() => {});
    await this.#process.status;
    clearTimeout(limit);
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}
