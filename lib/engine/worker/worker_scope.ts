/**
 * Makes the thread it is called in a media worker: its messages go to an engine and come from it.
 *
 * @module
 */
import type { Log, Platform } from "../../base/platform.ts";
import { WorkerEnd } from "./worker_end.ts";
import type { FromWorker, ToWorker } from "./worker_messages.ts";

/** The global scope of a worker, of which the project's types know nothing. */
interface Scope extends EventTarget {
  onmessage: ((event: MessageEvent<readonly ToWorker[]>) => void) | null;
  postMessage(message: readonly FromWorker[]): void;
}

/**
 * Call it once, at the program's start: messages come from the first wait on.
 *
 * @param platform The engine's, with the log that goes to the main thread.
 */
export function serveWorker(platform: (log: Log) => Platform): void {
  const scope = globalThis as unknown as Scope;
  const end = new WorkerEnd({ post: (batch) => scope.postMessage(batch), platform });
  scope.onmessage = ({ data }) => end.receive(data);
  scope.addEventListener("error", (event) => {
    event.preventDefault();
    end.strayError("error", (event as ErrorEvent).error);
  });
  scope.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    end.strayError("rejection", (event as PromiseRejectionEvent).reason);
  });
}
