/**
 * Three nodes as processes that are killed, drained and frozen, and whose Redis is killed and
 * stopped, while people are in calls. The long run of this is `deno task chaos`.
 */
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { ChaosRun } from "../support/process/chaos_run.ts";

const FAULTS = 4;

endToEndTest(
  "whatever breaks in a cluster, nobody is a ghost, no track is lost or doubled, each event is told once",
  ["redis"],
  async () => {
    await using run = await ChaosRun.start({
      seed: 10,
      rooms: 1,
      peopleOfRoom: 7,
      log: console.log,
    });
    await run.agreed();
    for (let fault = 0; fault < FAULTS; fault++) {
      await run.next();
      await run.agreed();
    }
    await run.end();
  },
);
