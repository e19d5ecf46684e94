/**
 * What `cloned_main.ts` is for a server that shares rooms with others: its engine is in this thread,
 * too, but in a pool, so that tracks cross to other nodes.
 *
 * @module
 */
import { createThreadPool } from "../../../lib/engine/worker/thread_pool.ts";
import { runProgram } from "../../../lib/server/program.ts";
import { clonedEngine } from "../virtual/cloned_engine.ts";
import { TEST_WORKERS } from "../wire/test_engine.ts";

Deno.exit(
  await runProgram(
    Deno.args,
    TEST_WORKERS > 0 ? {} : { createEngine: (options) => clonedEngine(createThreadPool(options)) },
  ),
);
