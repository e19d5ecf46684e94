/**
 * Caddy, nginx or HAProxy with a file of `deploy/`, in a folder of its own that is gone with it.
 *
 * @module
 */
import { serverProgram } from "./e2e_requirements.ts";
import { eventually } from "./eventually.ts";

/** A running program. Dispose it to end it. */
export class ProxyProgram implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #folder: string;
  readonly #said: Promise<string>;

  private constructor(child: Deno.ChildProcess, folder: string) {
    this.#child = child;
    this.#folder = folder;
    this.#said = new Response(child.stderr).text();
  }

  /**
   * @param files Contents by name; `FOLDER` in them becomes the folder.
   * @param args May name them as `FOLDER/name`.
   * @param port Where it listens when it is up.
   */
  static async start(
    program: "caddy" | "nginx" | "haproxy",
    args: readonly string[],
    files: Readonly<Record<string, string>>,
    port: number,
  ): Promise<ProxyProgram> {
    const folder = await Deno.makeTempDir({ prefix: "roomwire-proxy-" });
    const placed = (text: string) => text.replaceAll("FOLDER", folder);
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${folder}/${name}`, placed(text));
    }
    const child = new Deno.Command(serverProgram(program)!, {
      args: args.map(placed),
      env: { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const started = new ProxyProgram(child, folder);
    let isOver = false;
    child.status.then(() => isOver = true);
    try {
      await eventually(`${program} to listen`, async () => {
        if (isOver) return true;
        (await Deno.connect({ hostname: "127.0.0.1", port })).close();
        return true;
      });
      if (isOver) throw new Error(`${program} ended: ${await started.#said}`);
    } catch (error) {
      await started[Symbol.asyncDispose]();
      throw error;
    }
    return started;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGTERM");
    } catch {
      // It has ended.
    }
    await this.#child.status;
    await this.#said;
    await Deno.remove(this.#folder, { recursive: true });
  }
}
