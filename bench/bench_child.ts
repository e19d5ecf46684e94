/**
 * Programs of the benchmark as child processes: one JSON line in is a call, one JSON line out its
 * answer. Both ends are here, so that they cannot disagree.
 *
 * @module
 */
import type { IceCredentials, MediaAddress } from "../lib/base/media_vocabulary.ts";

/** The longest a child may take to end, ms. */
const EXIT_LIMIT_MS = 3_000;

/** Where one client connects. */
export interface Endpoint {
  readonly server: MediaAddress;
  readonly remote: IceCredentials;
}

/** What all clients have in common, for the SFU's side of the descriptions. */
export interface ClientParameters {
  /** Of the one certificate of all clients, `sha-256`. */
  readonly fingerprint: string;
  readonly clientUfrag: string;
}

/** What an SFU under test answers. Connections are numbered from 0 as they are opened. */
export interface SfuCalls {
  /** Opens connections; number 0 is the publisher's. */
  open(options: ClientParameters & { count: number }): Promise<Endpoint[]>;
  /** Subscribes these connections, whose clients are connected. */
  subscribe(options: { connections: number[] }): Promise<Nothing>;
  /** Ends connections whose client did not get through. */
  close(options: { connections: number[] }): Promise<Nothing>;
  /** CPU time of this process and packets forwarded by it in a window of `ms`. */
  measure(options: { ms: number }): Promise<Measurement>;
}

export interface Measurement {
  readonly cpuMicros: number;
  readonly wallMs: number;
  readonly forwarded: number;
  readonly rssBytes: number;
  /** Counters that explain a loss, if the SFU has such. */
  readonly drops: Readonly<Record<string, number>>;
}

/** What the process with all clients answers. */
export interface ClientCalls {
  hello(options: Nothing): Promise<ClientParameters>;
  /** Connects one client to each endpoint and tells which of them did not get through, by place. */
  connect(options: { first: number; endpoints: Endpoint[] }): Promise<{ failed: number[] }>;
  /** Publishes slowly until every subscriber has had a packet; tells the numbers of those without. */
  probe(options: Nothing): Promise<{ silent: number[] }>;
  /** Forgets these clients. */
  drop(options: { connections: number[] }): Promise<Nothing>;
  /** Starts publishing, and counting anew. */
  publish(options: { packetsPerSecond: number }): Promise<Nothing>;
  /** Stops; answers when nothing has arrived for a moment. */
  stop(options: Nothing): Promise<{ published: number; received: number }>;
}

export type Nothing = Record<string, never>;

export type Calls<T> = { [Name in keyof T]: (options: never) => Promise<unknown> };

/** Answers calls from standard input until it ends. */
export async function answerCalls<T extends Calls<T>>(handlers: T): Promise<never> {
  const lines = linesOf(Deno.stdin.readable);
  for await (const line of lines) {
    const { call, options } = JSON.parse(line) as { call: keyof T; options: never };
    const answer = await handlers[call](options);
    await Deno.stdout.write(new TextEncoder().encode(`${JSON.stringify(answer)}\n`));
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

  /** Runs `script` of this folder. */
  constructor(script: string, denoFlags: readonly string[] = []) {
    this.#process = new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", ...denoFlags, new URL(script, import.meta.url).pathname],
      cwd: new URL("..", import.meta.url),
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#input = this.#process.stdin.getWriter();
    this.#output = linesOf(this.#process.stdout);
    running.add(this);
    this.#process.status.then(() => running.delete(this));
  }

  /** @throws {Error} if the child has ended. */
  async call<Name extends keyof T>(
    call: Name,
    options: Parameters<T[Name]>[0],
  ): Promise<Awaited<ReturnType<T[Name]>>> {
    const ended = () => new Error(`The process ended before it answered "${String(call)}"`);
    await this.#input.write(new TextEncoder().encode(`${JSON.stringify({ call, options })}\n`))
      .catch((cause) => {
        throw Object.assign(ended(), { cause });
      });
    const { value, done } = await this.#output.next();
    if (done === true) throw ended();
    return JSON.parse(value) as Awaited<ReturnType<T[Name]>>;
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
