/**
 * A `redis-server` of its own for a test: on a free port of loopback, in a folder of its own that is
 * gone with it, without persistence. As a sentinel and as a node of a Redis Cluster, too.
 *
 * @module
 */
import { redisPath } from "./e2e_requirements.ts";

const LOOPBACK = "127.0.0.1";
/** It answers within so long of its start, ms. */
const START_MS = 10_000;

/** A port that was free a moment ago. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: LOOPBACK, port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}

/** A process that is stopped and killed by its id. */
export class RedisServer implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #folder: string;
  #hasEnded = false;

  private constructor(child: Deno.ChildProcess, folder: string, readonly port: number) {
    this.#child = child;
    this.#folder = folder;
  }

  /**
   * Starts a server and waits until it listens.
   *
   * @param args Its options: `--replicaof`, …; its port is already there.
   * @param options.lines Lines of its configuration file, for what has no option.
   * @param options.portOption What takes the port: with `--tls-port` there is no other.
   */
  static async start(
    args: readonly string[] = [],
    { lines = [], port = freePort(), portOption = "--port" }: {
      lines?: readonly string[];
      port?: number;
      portOption?: string;
    } = {},
  ): Promise<RedisServer> {
    const folder = await Deno.makeTempDir({ prefix: "redis-" });
    const file = `${folder}/redis.conf`;
    const usual = [`bind ${LOOPBACK}`, `dir ${folder}`, 'save ""', "logfile redis.log"];
    await Deno.writeTextFile(file, [...usual, ...lines, ""].join("\n"));
    const child = new Deno.Command(redisPath()!, {
      args: [file, ...(portOption === "--port" ? [] : ["--port", "0"]), portOption, String(port)]
        .concat(args),
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const server = new RedisServer(child, folder, port);
    await server.#listens();
    return server;
  }

  get address(): string {
    return `${LOOPBACK}:${this.port}`;
  }

  /** Stops it as a whole, or lets it go on. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(signal);
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#child.kill("SIGKILL");
    await this.#child.status;
    await Deno.remove(this.#folder, { recursive: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }

  /** Sends one command by the simplest of connections, and gives back the first line of the answer. */
  async ask(...command: readonly string[]): Promise<string> {
    using connection = await Deno.connect({ hostname: LOOPBACK, port: this.port });
    const parts = command.map((part) => `$${new TextEncoder().encode(part).length}\r\n${part}\r\n`);
    await connection.write(new TextEncoder().encode(`*${command.length}\r\n${parts.join("")}`));
    let answer = "";
    const buffer = new Uint8Array(65_536);
    while (!answer.includes("\r\n")) {
      const length = await connection.read(buffer);
      if (length === null) break;
      answer += new TextDecoder().decode(buffer.subarray(0, length));
    }
    return answer.trimEnd();
  }

  async #listens(): Promise<void> {
    const until = performance.now() + START_MS;
    for (;;) {
      try {
        (await Deno.connect({ hostname: LOOPBACK, port: this.port })).close();
        return;
      } catch (error) {
        if (performance.now() > until) throw error;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }
}
