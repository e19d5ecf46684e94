/**
 * Runs shell commands of pages as a reader would: in a folder that looks like a clone, with the
 * ports that pages name, which are free in a network namespace of its own.
 *
 * @module
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createServerNamespace, type ServerNamespace } from "../wire/server_namespace.ts";
import type { PageCode } from "./page_code.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
/** A server says so once it is up. */
const UP = /\blistening\b/i;
const UP_WITHIN_MS = 40_000;
const ENDS_WITHIN_MS = 20_000;
/** A shell, and Deno where a program does not ask for the signal, end by SIGINT itself. */
const INTERRUPTED = 130;

/** A place for the commands of pages. */
export class PageShell implements AsyncDisposable {
  readonly #folder: string;
  readonly #network: ServerNamespace;

  private constructor(folder: string, network: ServerNamespace) {
    this.#folder = folder;
    this.#network = network;
  }

  static async open(): Promise<PageShell> {
    const network = await createServerNamespace(["IPv4"]);
    const folder = await Deno.makeTempDir({ prefix: "roomwire_pages_" });
    for await (const { name } of Deno.readDir(ROOT)) {
      await Deno.symlink(join(ROOT, name), join(folder, name));
    }
    const programs = join(folder, "programs");
    await Deno.mkdir(programs);
    await Deno.symlink(Deno.execPath(), join(programs, "deno"));
    // What npx would fetch is this very Deno.
    const npx =
      '#!/bin/sh\n[ "$1" = -y ] && [ "${2%@*}" = deno ] || exit 64\nshift 2\nexec deno "$@"\n';
    await Deno.writeTextFile(join(programs, "npx"), npx, { mode: 0o755 });
    return new PageShell(folder, network);
  }

  /** Puts a file there that later commands read. */
  async write(name: string, text: string): Promise<void> {
    await Deno.writeTextFile(join(this.#folder, name), `${text}\n`);
  }

  /** A program in that place, with a process group of its own. */
  #start(program: string, ...args: string[]) {
    const [command, ...rest] = this.#network.place.command("setsid", program, ...args);
    return new Deno.Command(command!, {
      args: rest,
      cwd: this.#folder,
      env: {
        PATH: `${join(this.#folder, "programs")}:${Deno.env.get("PATH")}`,
        NO_COLOR: "1",
        DENO_NO_UPDATE_CHECK: "1",
      },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  /** Runs a block of shell commands. @returns What is wrong with how it went, or `undefined`. */
  async run({ text, serves }: PageCode): Promise<string | undefined> {
    // Ctrl-C reaches the shell, too.
    const expected = serves ? INTERRUPTED : 0;
    return await this.#finish(this.#start("sh", "-eu", "-c", text), serves, expected);
  }

  /** Runs a program in Deno that goes on until it is stopped. */
  async serve(name: string, text: string): Promise<string | undefined> {
    await this.write(name, text);
    const args = ["run", "-A", "--node-modules-dir=manual", name];
    return await this.#finish(this.#start("deno", ...args), true, INTERRUPTED);
  }

  async #finish(child: Deno.ChildProcess, serves: boolean, status: number) {
    let said = "";
    let isUp = () => {};
    const up = new Promise<void>((resolve) => isUp = resolve);
    const read = async (stream: ReadableStream<Uint8Array>) => {
      for await (const part of stream.pipeThrough(new TextDecoderStream())) {
        said += part;
        if (UP.test(said)) isUp();
      }
    };
    const output = Promise.all([read(child.stdout), read(child.stderr)]);
    const interrupt = async (signal: string) => {
      await new Deno.Command("kill", { args: [`-${signal}`, "--", `-${child.pid}`] }).output();
    };
    let timer = setTimeout(() => interrupt("KILL"), UP_WITHIN_MS);
    if (serves) {
      await Promise.race([up, child.status]);
      clearTimeout(timer);
      if (!UP.test(said)) {
        // It has ended, and may have left others behind.
        await interrupt("KILL");
        await output;
        return `it did not come up:\n${said}`;
      }
      timer = setTimeout(() => interrupt("KILL"), ENDS_WITHIN_MS);
      await interrupt("INT");
    }
    const { code } = await child.status;
    clearTimeout(timer);
    await output;
    return code === status ? undefined : `status ${code} in place of ${status}:\n${said}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
    await this.#network[Symbol.asyncDispose]();
  }
}
