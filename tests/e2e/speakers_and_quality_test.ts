/** Who speaks and how good connections are, as livekit-client shows it. */
import assert from "node:assert/strict";
import { remote } from "../support/sdk/call_assertions.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import type { SdkClient } from "../support/sdk/sdk_client.ts";

const fixture = CallFixture.forThisFile();

/** Waits until `client` sees that `identity` speaks, or no longer does. */
function speaking(client: SdkClient, identity: string, wanted: boolean): Promise<unknown> {
  return eventually(`${identity} ${wanted ? "to speak" : "to be silent"}`, async () => {
    const { local } = await client.snapshot();
    const seen = identity === local.identity ? local : await remote(client, identity);
    return seen.speaking === wanted;
  });
}

endToEndTest(
  "a speaker is shown to both sides until it mutes, and again after",
  ["chromium"],
  () =>
    fixture.call("speakers", async (call) => {
      const ann = await call.join("chromium", "ann");
      const bob = await call.join("chromium", "bob");
      const sid = await ann.publishAudio({ hz: 440 });
      await speaking(bob, "ann", true);
      await speaking(ann, "ann", true);
      assert.equal((await bob.snapshot()).local.speaking, false);
      await ann.setMuted(sid, true);
      await speaking(bob, "ann", false);
      await ann.setMuted(sid, false);
      await speaking(bob, "ann", true);
    }),
);

endToEndTest(
  "a clean call is of excellent quality for both sides",
  ["chromium"],
  () =>
    fixture.call("quality", async (call) => {
      const ann = await call.join("chromium", "ann");
      const bob = await call.join("chromium", "bob", { connect: {} });
      await ann.publishAudio({ hz: 440 });
      await ann.publishVideo({});
      const qualities = async () => [
        (await ann.snapshot()).local.quality,
        (await bob.snapshot()).local.quality,
        (await remote(bob, "ann")).quality,
      ];
      await eventually(
        "everybody's quality to be excellent",
        async () => (await qualities()).every((quality) => quality === "excellent"),
        { seen: qualities },
      );
    }),
);
