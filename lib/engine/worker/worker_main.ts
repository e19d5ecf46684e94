/**
 * The worker's program: a media engine between this thread's messages.
 *
 * @module
 */
import { denoPlatform } from "../../base/deno_platform.ts";
import type { FromWorker, ToWorker } from "./worker_messages.ts";
import { WorkerEnd } from "./worker_end.ts";

/** The global scope of a worker, of which the project's types know nothing. */
interface Scope extends EventTarget {
  onmessage: ((event: MessageEvent<readonly ToWorker[]>) => void) | null;
  postMessage(message: readonly FromWorker[]): void;
}

const scope = globalThis as unknown as Scope;
const host = new WorkerEnd({
  post: (batch) => scope.postMessage(batch),
  platform: denoPlatform,
});
scope.onmessage = ({ data }) => host.receive(data);
scope.addEventListener("error", (event) => {
  event.preventDefault();
  host.strayError("error", (event as ErrorEvent).error);
});
scope.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  host.strayError("rejection", (event as PromiseRejectionEvent).reason);
});
