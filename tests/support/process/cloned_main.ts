/**
 * The program as `main.ts` runs it, but without workers every command to the media engine and every
 * event from it passes through `structuredClone`: end-to-end tests show so that the border is made
 * of messages.
 *
 * @module
 */
import { createLocalEngine } from "../../../lib/engine/local/local_engine.ts";
import { createThreadPool } from "../../../lib/engine/worker/thread_pool.ts";
import { runProgram } from "../../../lib/server/program.ts";
import { clonedEngine } from "../virtual/cloned_engine.ts";
import { TEST_WORKERS } from "../wire/test_engine.ts";

Deno.exit(
  await runProgram(
    Deno.args,
    TEST_WORKERS > 0 ? {} : {
      createEngine: (options, amongNodes) =>
        clonedEngine(amongNodes ? createThreadPool(options) : createLocalEngine(options)),
    },
  ),
);
