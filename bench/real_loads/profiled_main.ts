/**
 * The server's program for the sake of a V8 profile: its workers end by themselves when the server
 * ends them, because the runtime writes no profile of a worker that is terminated.
 *
 * @module
 */
import { runProgram } from "../../lib/server/program.ts";

const END_MESSAGE = "end, and write the profile";
/** For a worker to write its profile, ms. */
const WRITING_MS = 3_000;
let ending = 0;

class EndingWorker extends Worker {
  constructor(_url: string | URL, options?: WorkerOptions) {
    super(new URL("profiled_worker.ts", import.meta.url), options);
  }

  override terminate(): void {
    ending++;
    this.postMessage(END_MESSAGE);
  }
}

globalThis.Worker = EndingWorker;
const status = await runProgram(Deno.args);
if (ending > 0) await new Promise((resolve) => setTimeout(resolve, WRITING_MS));
Deno.exit(status);
