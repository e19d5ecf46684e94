/**
 * Media workers that a test can kill.
 *
 * @module
 */
import type { WorkerThread } from "../../../lib/engine/worker/worker_proxy.ts";

/**
 * Makes the workers of a pool (`spawn` is the pool's) and ends them by their UDP ports, as a crash
 * or a hang would.
 */
export class MortalWorkers {
  readonly #alive = new Map<number, Worker>();

  /** @param ports UDP port of each. */
  constructor(readonly ports: readonly number[]) {}

  readonly spawn = (index: number): WorkerThread => {
    const worker = new Worker(new URL("./mortal_worker.ts", import.meta.url), { type: "module" });
    this.#alive.set(index, worker);
    return worker;
  };

  /** The worker on that port ends, by an error or without a word. */
  kill(port: number, how: "fail" | "vanish"): void {
    this.#alive.get(this.ports.indexOf(port))!.postMessage(how);
  }
}
