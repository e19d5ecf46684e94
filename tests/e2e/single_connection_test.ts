/**
 * What only a single peer connection does: more tracks than the client made room for, sections that
 * are used again, and its offers while others come and go.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { BrowserClient } from "../support/sdk/browser_client.ts";
import {
  assertNoExtraMediaSections,
  assertSoundFlows,
  assertVideoFlows,
  type Published,
} from "../support/sdk/call_assertions.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";

const fixture = CallFixture.forThisFile();

/** Small, so that five of them fit a small machine. */
const SMALL = { width: 160, height: 90, fps: 10, maxBitrate: 100_000 };

/** Far enough apart to tell senders, and none that coding clips. */
const COLORS = [[200, 40, 40], [40, 160, 60], [60, 60, 180], [160, 150, 60], [
  130,
  60,
  140,
]] as const;

async function publish(client: BrowserClient, index: number): Promise<Published[]> {
  const hz = 300 + 200 * index;
  const color = COLORS[index]!;
  const video = await client.publishVideo({ ...SMALL, color });
  const audio = await client.publishAudio({ hz });
  return [
    { sid: video, kind: "video", source: "camera", color },
    { sid: audio, kind: "audio", source: "microphone", hz },
  ];
}

async function assertFlows(receiver: BrowserClient, tracks: readonly Published[]): Promise<void> {
  for (const track of tracks) {
    if (track.kind === "video") await assertVideoFlows(receiver, track);
    else await assertSoundFlows(receiver, track);
  }
}

endToEndTest(
  "five participants in two browsers all see and hear each other, late joiners too",
  ["chromium", "firefox"],
  () =>
    fixture.call("single-five", async (call) => {
      const clients: BrowserClient[] = [];
      const published: Published[][] = [];
      const kinds = ["chromium", "firefox", "chromium", "firefox", "chromium"] as const;
      for (const [index, kind] of kinds.entries()) {
        // Each finds the tracks of all before it: the last ones more than they made room for.
        const client = await call.join(kind, `p${index}`);
        clients.push(client);
        published.push(await publish(client, index));
      }
      await Promise.all(clients.map(async (client, index) => {
        const others = published.filter((_, other) => other !== index);
        await Promise.all(others.map((tracks) => assertFlows(client, tracks)));
        await assertNoExtraMediaSections(client, { sent: 2, received: 8 });
        assert.deepEqual(await client.errors(), [], client.identity);
        assert.equal((await client.snapshot()).reconnects, 0, client.identity);
      }));
    }),
);

for (const kind of ["chromium", "firefox"] as const) {
  endToEndTest(
    `${kind} publishes again and again, other codecs too, and is received`,
    ["chromium", "firefox"],
    () =>
      fixture.call(`single-again-${kind}`, async (call) => {
        const ann = await call.join(kind, "ann");
        const bob = await call.join(kind === "chromium" ? "firefox" : "chromium", "bob");
        for (const codec of ["vp8", "vp9", "vp8"] as const) {
          const video = await ann.publishVideo({ ...SMALL, codec });
          const audio = await ann.publishAudio({ hz: 500 });
          await assertFlows(bob, [
            { sid: video, kind: "video", source: "camera" },
            { sid: audio, kind: "audio", source: "microphone", hz: 500 },
          ]);
          await ann.unpublish(video);
          await ann.unpublish(audio);
          await eventually("bob to lose both", async () => {
            const { unsubscribedEvents } = await bob.snapshot();
            return unsubscribedEvents[video] === 1 && unsubscribedEvents[audio] === 1;
          });
        }
        await assertNoExtraMediaSections(bob, { sent: 0, received: 2 });
        for (const client of [ann, bob]) assert.deepEqual(await client.errors(), []);
      }),
  );
}
