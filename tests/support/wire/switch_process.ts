/**
 * The parts of a network that are other programs: `ip`, and the switch that passes frames between
 * virtual wires.
 *
 * @module
 */
import type { WireOrder } from "../process/frame_switch.ts";

const SWITCH = new URL("../process/frame_switch.ts", import.meta.url).pathname;

/** Many steps by one process. @throws {Error} with what it says at the first one refused. */
export async function batch(
  ip: string,
  lines: readonly string[],
  namespace?: string,
): Promise<void> {
  const child = new Deno.Command(ip, {
    args: [...(namespace === undefined ? [] : ["-netns", namespace]), "-batch", "-"],
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const input = child.stdin.getWriter();
  await input.write(new TextEncoder().encode(`${lines.join("\n")}\n`));
  await input.close();
  const { success, stderr } = await child.output();
  if (!success) throw new Error(`${ip} refused: ${new TextDecoder().decode(stderr).trim()}`);
}

/** The program between ends of wires (`frame_switch.ts`). Disposing ends it. */
export class SwitchProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #answers: ReadableStreamDefaultReader<string>;
  #rest = "";
  /** Orders are given one by one. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#input = child.stdin.getWriter();
    this.#answers = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** @param interfaces The hardware address behind the n-th of them ends in n. */
  static async start(interfaces: readonly string[]): Promise<SwitchProcess> {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--allow-ffi", SWITCH, ...interfaces],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const started = new SwitchProcess(child);
    await started.#answer();
    return started;
  }

  /** Resolves when it holds. */
  order(order: WireOrder): Promise<void> {
    const done = this.#last.then(async () => {
      await this.#input.write(new TextEncoder().encode(`${JSON.stringify(order)}\n`));
      await this.#answer();
    });
    this.#last = done.catch(() => {});
    return done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last;
    await this.#input.close().catch(() => {});
    await this.#answers.cancel();
    await this.#child.status;
  }

  async #answer(): Promise<void> {
    while (!this.#rest.includes("\n")) {
      const { value, done } = await this.#answers.read();
      if (done) throw new Error("The switch between the ends has ended");
      this.#rest += value;
    }
    this.#rest = this.#rest.slice(this.#rest.indexOf("\n") + 1);
  }
}
