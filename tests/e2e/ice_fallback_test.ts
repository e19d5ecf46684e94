/** The SDK's own `force-tcp`: everything moves to TCP and the call goes on. */
import assert from "node:assert/strict";
import { assertVideoFlows, remote } from "../support/call_assertions.ts";
import { CallFixture, CONNECTION_MODES } from "../support/call_fixture.ts";
import { endToEndTest } from "../support/e2e_requirements.ts";
import { eventually } from "../support/eventually.ts";

const fixture = CallFixture.forThisFile();

for (const mode of CONNECTION_MODES) {
  endToEndTest(
    `force-tcp moves a Chromium to TCP (${mode} connections)`,
    ["chromium"],
    () =>
      fixture.call("force-tcp", async (call) => {
        const bob = await call.join("chromium", "bob");
        const ann = await call.join("chromium", "ann");
        const color = [40, 160, 60] as const;
        await ann.publishVideo({ color });
        assert.equal((await ann.transport("publisher"))?.protocol, "udp");
        const { sid: before } = await remote(bob, "ann");
        await ann.simulate("force-tcp");
        await eventually("Ann's publisher connection over TCP", async () => {
          return (await ann.transport("publisher"))?.protocol === "tcp";
        }, { deadlineMs: 30_000, seen: () => ann.snapshot() });
        const track = await eventually("Ann's track after she came back", async () => {
          const { sid, tracks } = await remote(bob, "ann");
          return sid !== before && tracks[0];
        });
        await assertVideoFlows(bob, { sid: track.sid, kind: "video", source: "camera", color });
        assert.equal((await bob.transport("publisher"))?.protocol ?? "udp", "udp");
      }, mode),
  );
}
