/**
 * One line of the first table: an SFU process and a clients process, connected, checked by a packet
 * that reaches every subscriber, and then measured.
 *
 * @module
 */
import {
  BenchChild,
  type ClientCalls,
  type ClientParameters,
  type SfuCalls,
} from "./bench_child.ts";
import type { Result } from "./report.ts";
import { WARM_UP_MS, WINDOW_MS, type Workload } from "./workload.ts";

/** Handshakes at once: more make them time out on a small machine. */
const HANDSHAKE_BATCH = 10;
/** Connections beyond those wanted that may be tried in place of failed ones. */
const SPARE_CONNECTIONS = 40;
/** Fresh starts of a line whose publisher's media cannot be opened. */
const ATTEMPTS = 3;

/** A program that forwards. */
export interface Sfu {
  readonly name: string;
  /** In this folder. */
  readonly script: string;
}

/** Measures one line, or tells in words why it could not within `limitMs`. */
export async function measureForwarding(
  sfu: Sfu,
  workload: Workload,
  limitMs: number,
  flags: readonly string[],
): Promise<Result | string> {
  const giveUpAt = performance.now() + limitMs;
  let reason = "";
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    await using line = new Line(sfu, workload, flags);
    const limit = setTimeout(() => line.giveUp(), Math.max(0, giveUpAt - performance.now()));
    try {
      return await line.measure();
    } catch (error) {
      reason = (error as Error).message;
      if (line.isLate) return `still ${line.stage} after ${Math.round(limitMs / 1000)} s`;
    } finally {
      clearTimeout(limit);
    }
  }
  return reason;
}

/** The two processes of one attempt. */
class Line implements AsyncDisposable {
  /** What it was doing when it was given up. */
  stage = "starting";
  isLate = false;
  readonly #sfu: BenchChild<SfuCalls>;
  readonly #clients = new BenchChild<ClientCalls>("clients_process.ts");
  #opened = 0;
  #connected = 0;

  constructor(
    private readonly sfu: Sfu,
    private readonly workload: Workload,
    flags: readonly string[],
  ) {
    this.#sfu = new BenchChild<SfuCalls>(sfu.script, flags);
  }

  /** Ends both; what is being measured is rejected. */
  giveUp(): void {
    this.isLate = true;
    this.#sfu.kill();
    this.#clients.kill();
  }

  /** @throws {Error} saying why there is nothing to measure. */
  async measure(): Promise<Result> {
    const { workload, sfu: { name } } = this;
    const startedAt = performance.now();
    await this.#connectEverybody();
    const connectMs = performance.now() - startedAt;
    this.stage = "warming up";
    await this.#clients.call("publish", { packetsPerSecond: workload.packetsPerSecond });
    await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS));
    this.stage = "measuring";
    const measurement = await this.#sfu.call("measure", { ms: WINDOW_MS });
    if (measurement.forwarded === 0) throw new Error("nothing forwarded");
    this.stage = "settling";
    const { published, received } = await this.#clients.call("stop", {});
    return { name, workload, measurement, published, received, connectMs };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sfu[Symbol.asyncDispose]();
    await this.#clients[Symbol.asyncDispose]();
  }

  /**
   * The publisher alone, then subscribers in small batches; those that do not get through, or get no
   * packet, are replaced.
   */
  async #connectEverybody(): Promise<void> {
    const { subscribers } = this.workload;
    const hello = await this.#clients.call("hello", {});
    if (await this.#connect(hello, 1) === 0) throw new Error("the publisher did not connect");
    while (this.#connected < subscribers) {
      const isFirst = this.#connected === 0;
      const wanted = subscribers - this.#connected;
      this.#connected += await this.#connect(hello, Math.min(wanted, HANDSHAKE_BATCH));
      this.stage = `connecting, ${this.#connected} of ${subscribers} done`;
      if (this.#opened > subscribers + SPARE_CONNECTIONS) throw new Error(this.stage);
      // A publisher whose packets cannot be opened shows before hundreds are connected.
      if (isFirst || this.#connected === subscribers) await this.#probe();
    }
  }

  /** Opens and connects `count` more; returns how many got through. */
  async #connect(hello: ClientParameters, count: number): Promise<number> {
    const first = this.#opened;
    const endpoints = await this.#sfu.call("open", { ...hello, count });
    this.#opened += count;
    const { failed } = await this.#clients.call("connect", { first, endpoints });
    await this.#sfu.call("close", { connections: failed.map((place) => first + place) });
    const connections = endpoints.map((_, place) => first + place)
      .filter((number) => number !== 0 && !failed.includes(number - first));
    await this.#sfu.call("subscribe", { connections });
    return count - failed.length;
  }

  /** Drops subscribers that no packet reaches. */
  async #probe(): Promise<void> {
    const { silent } = await this.#clients.call("probe", {});
    if (silent.length === this.#connected) throw new Error("nothing reached a subscriber");
    await this.#clients.call("drop", { connections: silent });
    await this.#sfu.call("close", { connections: silent });
    this.#connected -= silent.length;
  }
}
