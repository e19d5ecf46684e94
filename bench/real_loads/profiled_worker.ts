/**
 * A media worker that ends when it is told to.
 *
 * @module
 */
import "../../lib/engine/worker/worker_main.ts";

/** As the program says it. */
const END_MESSAGE = "end, and write the profile";

globalThis.addEventListener("message", (event) => {
  if ((event as MessageEvent).data === END_MESSAGE) globalThis.close();
});
