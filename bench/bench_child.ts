/**
 * Programs of the benchmark as child processes: one JSON line in is a call, one JSON line out its
 * answer. Both ends are here, so that they cannot disagree.
 *
 * @module
 */
import type { IceCredentials, MediaAddress } from "../lib/base/media_vocabulary.ts";

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

/** What an SFU under test answers. */
export interface SfuCalls {
  /** Opens connections, numbered on from the last ones; the first of all is the publisher's. */
  open(options: ClientParameters & { count: number }): Promise<Endpoint[]>;
  /** Subscribes all but the publisher; all clients are connected. */
  subscribe(options: Record<string, never>): Promise<Record<string, never>>;
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
  hello(options: Record<string, never>): Promise<ClientParameters>;
  /** Connects one client to each endpoint; the first of all is the publisher. */
  connect(options: { endpoints: Endpoint[] }): Promise<Record<string, never>>;
  /** Starts publishing. */
  publish(options: { packetsPerSecond: number }): Promise<Record<string, never>>;
  /** Stops; answers when nothing has arrived for a moment. */
  stop(options: Record<string, never>): Promise<{ published: number; received: number }>;
}

type Calls<T> = { [Name in keyof T]: (options: never) => Promise<unknown> };

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
  }

  /** @throws {Error} if the child has ended. */
  async call<Name extends keyof T>(
    call: Name,
    options: Parameters<T[Name]>[0],
  ): Promise<Awaited<ReturnType<T[Name]>>> {
    await this.#input.write(new TextEncoder().encode(`${JSON.stringify({ call, options })}\n`));
    const { value, done } = await this.#output.next();
    if (done === true) throw new Error(`The process died before it answered "${String(call)}"`);
    return JSON.parse(value) as Awaited<ReturnType<T[Name]>>;
  }

  /** Ends the child at once; calls that wait for it are rejected. */
  kill(): void {
    this.#process.kill("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    await this.#process.status;
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
