/**
 * The media worker's program on a clock that stands still while the worker has no processor
 * (`scaled_platform.ts`): what it gives up after a time it gives up for the network alone.
 *
 * @module
 */
import { serveWorker } from "../../../lib/engine/worker/worker_scope.ts";
import { scaledPlatform } from "../virtual/scaled_platform.ts";

serveWorker((log) => scaledPlatform(1, log));
