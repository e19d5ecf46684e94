/**
 * CPU time of the process it runs in, all threads, over a window.
 *
 * @module
 */
import process from "node:process";
import type { Measurement } from "./bench_child.ts";

/** Waits `ms` and tells what the process used meanwhile. `forwarded` is read before and after. */
export async function measureWindow(
  ms: number,
  forwarded: () => number,
  drops: () => Record<string, number> = () => ({}),
): Promise<Measurement> {
  const startedAt = performance.now();
  const before = forwarded();
  const cpu = process.cpuUsage();
  await new Promise((resolve) => setTimeout(resolve, ms));
  const { user, system } = process.cpuUsage(cpu);
  return {
    cpuMicros: user + system,
    wallMs: performance.now() - startedAt,
    forwarded: forwarded() - before,
    rssBytes: Deno.memoryUsage().rss,
    drops: drops(),
  };
}
