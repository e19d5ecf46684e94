/**
 * A `redis-server` of its own for a test: on a free port of loopback, in a folder of its own that is
 * gone with it, without persistence. As a sentinel and as a node of a Redis Cluster, too.
 *
 * @module
 */
import { redisPath } from "./e2e_requirements.ts";
import { freeTcpPort } from "./roomwire_process.ts";

const LOOPBACK = "127.0.0.1";
/** It answers within so long of its start, ms. */
const START_MS = 10_000;
/** A port that is free when it is drawn may be taken when the server comes to it. */
const START_ATTEMPTS = 3;

/** How a server is started. */
interface RedisOptions {
  /** Lines of its configuration file, for what has no option. */
  readonly lines?: readonly string[];
  /** One that is free, if left out. */
  readonly port?: number;
  /** What takes the port: with `--tls-port` there is no other. */
  readonly portOption?: string;
}

/** A process that is stopped and killed by its id. */
export class RedisServer implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #folder: string;
  #hasEnded = false;
  /** The process is no more, whoever ended it. */
  #isGone = false;

  private constructor(child: Deno.ChildProcess, folder: string, readonly port: number) {
    this.#child = child;
    this.#folder = folder;
    child.status.then(() => this.#isGone = true);
  }

  /**
   * Starts a server and waits until it listens.
   *
   * @param args Its options: `--replicaof`, …; its port is already there.
   * @throws What connecting to it throws, or an {@linkcode Error} once it has ended by itself.
   */
  static async start(
    args: readonly string[] = [],
    options: RedisOptions = {},
  ): Promise<RedisServer> {
    for (let attempt = 1;; attempt++) {
      const server = await RedisServer.#spawn(args, options);
      try {
        await server.#listens();
        return server;
      } catch (error) {
        await server.kill();
        if (options.port !== undefined || attempt === START_ATTEMPTS) throw error;
      }
    }
  }

  static async #spawn(
    args: readonly string[],
    { lines = [], port: wanted, portOption = "--port" }: RedisOptions,
  ): Promise<RedisServer> {
    const port = wanted ?? await freeTcpPort(LOOPBACK);
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
    return new RedisServer(child, folder, port);
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
    if (!this.#isGone) this.#child.kill("SIGKILL");
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
        if (!this.#isGone) return;
        throw new Error(`Redis ended by itself; somebody else has port ${this.port}`);
      } catch (error) {
        if (this.#isGone || performance.now() > until) throw error;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }
}
