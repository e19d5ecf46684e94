/**
 * Builds and runs the C loop that nothing can be cheaper than, against receivers of the same kind.
 *
 * @module
 */
import { BenchChild } from "../bench_child.ts";
import type { LoadCalls } from "../forwarding/forwarding_calls.ts";
import type { Scenario } from "../forwarding/scenarios.ts";
import type { Run } from "../report/summary.ts";

const SOURCE = new URL("./seal_and_send.c", import.meta.url);
const RUN_MS = 3_000;
const WARM_UP_MS = 500;
/** A run that has not ended by then is given up, ms. */
const LIMIT_MS = 15_000;

/** What the program prints. */
interface Printed {
  readonly sent: number;
  readonly total: number;
  readonly failed: number;
  readonly cpuMicros: number;
  readonly wallMs: number;
  readonly lateMs: number;
}

/** The built program. Dispose it to remove it. */
export class CLimit implements AsyncDisposable {
  private constructor(private readonly folder: string) {}

  /** Builds it, or tells in words why that is not possible. */
  static async build(): Promise<CLimit | string> {
    if (Deno.build.os !== "linux") return "the C loop is for Linux";
    const folder = await Deno.makeTempDir({ prefix: "roomwire-bench-" });
    const limit = new CLimit(folder);
    const args = ["-O2", "-o", limit.#program, SOURCE.pathname, "-lcrypto"];
    try {
      const { success, stderr } = await new Deno.Command("cc", { args }).output();
      if (success) return limit;
      await limit[Symbol.asyncDispose]();
      const [error = ""] = new TextDecoder().decode(stderr).split("\n");
      return `cc failed (are OpenSSL's headers installed?): ${error}`;
    } catch {
      await limit[Symbol.asyncDispose]();
      return "there is no C compiler here";
    }
  }

  /**
   * Sends what a broadcast's subscribers would get, `outPerSecond` packets to all of them.
   *
   * @param segments Lets the kernel cut bursts into packets (UDP GSO).
   */
  async measure(
    scenario: Scenario,
    outPerSecond: number,
    segments: boolean,
  ): Promise<Run | string> {
    await using receivers = new BenchChild<LoadCalls>("load/load_process.ts");
    const { ports } = await receivers.call("listen", { count: scenario.audience });
    const shape = scenario.publishers[0]![0]!;
    const rate = outPerSecond / scenario.audience / shape.packetsPerFrame;
    const numbers = [
      RUN_MS,
      WARM_UP_MS,
      rate,
      shape.packetsPerFrame,
      shape.packetBytes,
      shape.lastPacketBytes,
      shape.burst,
      segments ? 1 : 0,
    ];
    await receivers.call("mark", {});
    const printed = await this.#run(numbers.map(String), ports);
    if (typeof printed === "string") return printed;
    const { received, kernelDrops } = await receivers.call("stop", {});
    const micros = printed.cpuMicros / printed.sent;
    return {
      scenario: scenario.name,
      title: scenario.title,
      engine: segments ? "c_gso" : "c",
      engine_detail: segments ? "C loop with UDP segmentation" : "C loop",
      workers: 0,
      subscribers: scenario.audience,
      streams: scenario.audience,
      packets_per_s: Math.round(printed.sent / printed.wallMs * 1000),
      cpu_us_per_packet: micros,
      cpu_share: printed.cpuMicros / printed.wallMs / 1000,
      packets_per_s_per_core: Math.round(1e6 / micros),
      loss: Math.max(0, 1 - received / printed.total),
      unread_by_clients: kernelDrops,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }

  get #program(): string {
    return `${this.folder}/seal_and_send`;
  }

  async #run(args: string[], ports: readonly number[]): Promise<Printed | string> {
    const program = new Deno.Command(this.#program, {
      args,
      stdin: "piped",
      stdout: "piped",
      signal: AbortSignal.timeout(LIMIT_MS),
    }).spawn();
    const input = program.stdin.getWriter();
    await input.write(new TextEncoder().encode(ports.join("\n")));
    await input.close();
    const { success, stdout } = await program.output();
    if (!success) return "the C loop did not end well";
    return JSON.parse(new TextDecoder().decode(stdout)) as Printed;
  }
}
