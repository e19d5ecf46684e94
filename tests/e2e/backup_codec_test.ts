/** livekit-client sends a track in a second codec when somebody cannot decode the first. */
import assert from "node:assert/strict";
import { mintToken } from "../support/process/access_tokens.ts";
import { assertReceives } from "../support/sdk/call_assertions.ts";
import { CallFixture, CONNECTION_MODES } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { WireParticipant } from "../support/wire/wire_participant.ts";

const fixture = CallFixture.forThisFile();

for (const mode of CONNECTION_MODES) {
  endToEndTest(
    `a client without VP9 gets VP8, and everybody goes over to it (${mode})`,
    ["chromium"],
    () =>
      fixture.call("backup-codec", async (call) => {
        const ann = await call.join("chromium", "ann");
        const bob = await call.join("chromium", "bob");
        const color = [40, 160, 60] as const;
        const sid = await ann.publishVideo({ codec: "vp9", color });
        const video = {
          sid,
          kind: "video",
          source: "camera",
          color,
          dimensions: { width: 640, height: 360 },
        } as const;
        await assertReceives(bob, ann, [video]);
        assert.equal((await bob.media(sid)).codec, "video/VP9");

        const token = await mintToken({ identity: "old", room: call.room });
        await using old = await WireParticipant.open(call.server.url, token, {
          unsupported: ["video/VP9"],
        });
        const received = await old.track(sid);
        assert.equal(received.mime, "video/VP8");
        assert.deepEqual(old.signal.all("subscriptionResponse"), []);
        await eventually("bob to receive VP8", async () =>
          (await bob.media(sid)).codec === "video/VP8");
        // The same subscription goes on: no track came or went.
        await assertReceives(bob, ann, [video]);
        for (const client of [ann, bob]) {
          assert.deepEqual(await client.errors(), []);
        }
      }, mode),
  );
}
