/**
 * The worker's program: a media engine between this thread's messages.
 *
 * @module
 */
import { denoPlatform } from "../../base/deno_platform.ts";
import { serveWorker } from "./worker_scope.ts";

serveWorker(denoPlatform);
