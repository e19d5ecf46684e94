/**
 * Three nodes in two regions that lie apart, with a client of another make on each: everybody sees
 * and hears everybody, as on one node.
 */
import { CallFixture, CONNECTION_MODES } from "../support/sdk/call_fixture.ts";
import { meetInSequence } from "../support/sdk/call_matrix.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";

const fixture = CallFixture.forThisFileOnCluster({
  regions: ["east", "east", "west"],
  distance: { delayMs: 40, loss: 0.01 },
});

for (const mode of CONNECTION_MODES) {
  endToEndTest(
    `Chromium, pion and rtc-node on three nodes see and hear each other (${mode})`,
    ["chromium", "go", "redis"],
    () =>
      fixture.spread("meeting", async (calls) => {
        await meetInSequence(calls, ["chromium", "pion", "rtc-node"]);
      }, mode),
  );
}
