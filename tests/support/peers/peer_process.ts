/**
 * A client in another language, as a process that tells what happens in lines of JSON and ends with
 * its input, so that it never outlives its test.
 *
 * @module
 */
import { eventually } from "../process/eventually.ts";

/** One line of a program: what happened, and whatever belongs to it. */
export interface PeerEvent {
  readonly event: string;
}

/** How to start a program. */
export interface PeerCommand {
  readonly program: string;
  readonly args?: readonly string[];
  readonly cwd?: string;
}

/** What a program may take to end once its input has, ms. */
const END_DEADLINE_MS = 5_000;
/** Lines of its error output in the message of a failing test. */
const LOG_LINES_SHOWN = 10;

/**
 * A process that ends with this object: dispose it to let the client leave. Its events are kept in
 * order, so a test may ask for the past.
 */
export class PeerProcess<E extends PeerEvent> implements AsyncDisposable {
  readonly events: E[] = [];
  /** Called for each event after it was put into {@linkcode events}. */
  onEvent: (event: E) => void = () => {};
  readonly #name: string;
  readonly #log: string[] = [];
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #ended: Promise<unknown>;

  /** @param name of the client in messages. */
  constructor(name: string, command: PeerCommand) {
    this.#name = name;
    const { program, args = [], cwd } = command;
    this.#process = new Deno.Command(program, {
      args: [...args],
      ...(cwd === undefined ? {} : { cwd }),
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = this.#process.stdin.getWriter();
    this.#ended = Promise.all([
      readLines(this.#process.stdout, (line) => {
        const event = parsed<E>(line);
        this.events.push(event);
        this.onEvent(event);
      }),
      readLines(this.#process.stderr, (line) => this.#log.push(line)),
      this.#process.status,
    ]);
  }

  /** Writes one line of JSON to the program. */
  async write(command: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${JSON.stringify(command)}\n`));
  }

  /** All events of one kind so far. */
  all<N extends E["event"]>(name: N): Extract<E, { event: N }>[] {
    return this.events.filter((one): one is Extract<E, { event: N }> => one.event === name);
  }

  /** The first event of a kind that `matches`, past or to come. */
  event<N extends E["event"]>(
    name: N,
    matches: (event: Extract<E, { event: N }>) => boolean = () => true,
  ): Promise<Extract<E, { event: N }>> {
    return eventually(
      `${this.#name} to say "${name}"`,
      () => this.all(name).find(matches),
      { seen: () => this.story() },
    );
  }

  /**
   * The last event of each kind and the end of the error output, for the message of a failing test.
   */
  story(): readonly unknown[] {
    const last = new Map(this.events.map((event) => [event.event, event]));
    return [...last.values(), { log: this.#log.slice(-LOG_LINES_SHOWN) }];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    const late = setTimeout(() => this.#kill(), END_DEADLINE_MS);
    await this.#ended;
    clearTimeout(late);
  }

  #kill(): void {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended, and something that it started still has its output.
    }
  }
}

/** A library's own words on the output are kept as what they are. */
function parsed<E extends PeerEvent>(line: string): E {
  try {
    return JSON.parse(line);
  } catch {
    return { event: "text", text: line } as unknown as E;
  }
}

async function readLines(
  stream: ReadableStream<Uint8Array>,
  take: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    lines.forEach(take);
  }
}
