/** Redundant audio: received as it is by whom knows it, as plain opus by everybody else. */
import assert from "node:assert/strict";
import { assertSoundFlows, remote } from "../support/sdk/call_assertions.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";

const fixture = CallFixture.forThisFile();

endToEndTest(
  "Chromium's redundant audio is heard by Chromium, and by Firefox as opus",
  ["chromium", "firefox"],
  () =>
    fixture.call("redundant-audio", async (call) => {
      const ann = await call.join("chromium", "ann");
      const sid = await ann.publishAudio({ hz: 440 });
      const published = { sid, kind: "audio", source: "microphone", hz: 440 } as const;

      const bob = await call.join("chromium", "bob");
      await assertSoundFlows(bob, published);
      const cid = await call.join("firefox", "cid");
      await assertSoundFlows(cid, published);
      assert.equal((await cid.media(sid)).codec?.toLowerCase(), "audio/opus");
      const [track] = (await remote(cid, "ann")).tracks;
      assert.equal(track?.mimeType.toLowerCase(), "audio/red");
    }),
);
