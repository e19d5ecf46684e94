/**
 * The media worker's program on a clock that stands still while the worker has no processor
 * (`scaled_platform.ts`): what it gives up after a time it gives up for the network alone.
 *
 * @module
 */
import type { FromWorker, ToWorker } from "../../../lib/engine/worker/worker_messages.ts";
import { WorkerEnd } from "../../../lib/engine/worker/worker_end.ts";
import { scaledPlatform } from "../virtual/scaled_platform.ts";

/** The global scope of a worker, of which the project's types know nothing. */
interface Scope extends EventTarget {
  onmessage: ((event: MessageEvent<readonly ToWorker[]>) => void) | null;
  postMessage(message: readonly FromWorker[]): void;
}

const scope = globalThis as unknown as Scope;
const end = new WorkerEnd({
  post: (batch) => scope.postMessage(batch),
  platform: (log) => scaledPlatform(1, log),
});
scope.onmessage = ({ data }) => end.receive(data);
scope.addEventListener("error", (event) => {
  event.preventDefault();
  end.strayError("error", (event as ErrorEvent).error);
});
