/** Redundant audio: received by whom knows it, however it comes, as plain opus by everybody else. */
import assert from "node:assert/strict";
import { assertSoundFlows, remote } from "../support/sdk/call_assertions.ts";
import type { BrowserClient } from "../support/sdk/browser_client.ts";
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

endToEndTest(
  "Firefox's plain opus is heard by Chromium with redundancy",
  ["chromium", "firefox"],
  () =>
    fixture.call("made-redundant", async (call) => {
      const cid = await call.join("firefox", "cid");
      const sid = await cid.publishAudio({ hz: 440, red: true });
      const published = { sid, kind: "audio", source: "microphone", hz: 440 } as const;
      const perPacket = async (client: BrowserClient) => {
        const { bytesReceived = 0, packetsReceived = 1 } = await client.inbound(sid);
        return bytesReceived / packetsReceived;
      };
      const bob = await call.join("firefox", "bob");
      await assertSoundFlows(bob, published);
      // Copies are there for the first seconds, and then for whoever loses something.
      const ann = await call.join("chromium", "ann");
      await assertSoundFlows(ann, published);
      const [redundant, bare] = await Promise.all([ann, bob].map((client) => perPacket(client)));
      assert.ok(redundant! > 2 * bare!, `${redundant} and ${bare} bytes a packet`);
      const [track] = (await remote(ann, "cid")).tracks;
      assert.equal(track?.mimeType.toLowerCase(), "audio/opus");
    }),
);
