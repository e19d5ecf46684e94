import assert from "node:assert/strict";
import type { BrowserClient } from "../support/sdk/browser_client.ts";
import {
  assertSoundFlows,
  assertVideoFlows,
  type Published,
  remote,
} from "../support/sdk/call_assertions.ts";
import { CallFixture, CONNECTION_MODES, type ConnectionMode } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import type { MediaSections } from "../support/sdk/sdk_client.ts";

const fixture = CallFixture.forThisFile();

const ROUNDS: Readonly<Record<ConnectionMode, number>> = { default: 50, dual: 20 };
/** Rounds after which a description has its final number of sections. */
const WARM_UP = 3;
/**
 * With a connection of its own: the data section, the track's, and one that was still closing when
 * the next track came. On a single one: the data section and what the client offers at first.
 */
const SECTIONS_ALLOWED: Readonly<Record<ConnectionMode, number>> = { dual: 3, default: 7 };
/** SDP growth that is not a media section: ids and codec tables may differ a little in length. */
const SDP_GROWTH_ALLOWED = 200;

/** Of the connection on which `client`, who publishes nothing, receives. */
async function receivingSections(client: BrowserClient): Promise<MediaSections> {
  const { mediaSections } = await client.snapshot();
  const sections = mediaSections?.subscriber ?? mediaSections?.publisher;
  assert.ok(sections);
  return sections;
}

function tracksOf(client: BrowserClient, identity: string, count: number) {
  return eventually(`${client.identity} to know ${count} tracks of ${identity}`, async () => {
    const { tracks } = await remote(client, identity);
    return tracks.length === count && tracks.every(({ subscribed }) => subscribed) && tracks;
  });
}

for (const mode of CONNECTION_MODES) {
  endToEndTest(
    `after ${ROUNDS[mode]} rounds of publishing the descriptions have not grown (${mode})`,
    [
      "chromium",
    ],
    () =>
      fixture.call("rounds", async (call) => {
        const ann = await call.join("chromium", "ann");
        const bob = await call.join("chromium", "bob");
        let first: MediaSections | undefined;
        for (let round = 0; round < ROUNDS[mode]; round++) {
          const sid = await ann.publishVideo({ width: 160, height: 90 });
          const [track] = await tracksOf(bob, "ann", 1);
          assert.equal(track?.sid, sid);
          if (round === WARM_UP) first = await receivingSections(bob);
          await ann.unpublish(sid);
          await tracksOf(bob, "ann", 0);
        }
        const last = await ann.publishVideo({ width: 160, height: 90 });
        await assertVideoFlows(bob, { sid: last, kind: "video", source: "camera" });
        const { total, sdpLength } = await receivingSections(bob);
        assert.ok(first);
        assert.ok(total <= SECTIONS_ALLOWED[mode], `${total} subscriber media sections`);
        // A slow round may need its spare section after the warm-up; how many there are is bounded
        // above. One of media is longer than one of data.
        const perSection = first.sdpLength / (first.total - first.application);
        const allowed = Math.max(0, total - first.total) * perSection + SDP_GROWTH_ALLOWED;
        assert.ok(
          sdpLength <= first.sdpLength + allowed,
          `subscriber description grew from ${first.sdpLength} to ${sdpLength}`,
        );
        const { subscribedEvents } = await bob.snapshot();
        assert.deepEqual(Object.values(subscribedEvents), Array(ROUNDS[mode] + 1).fill(1));
      }, mode),
  );
}

endToEndTest(
  "muting is told and stops the flow, unmuting starts it again",
  ["chromium"],
  () =>
    fixture.call("mute", async (call) => {
      const ann = await call.join("chromium", "ann");
      const bob = await call.join("chromium", "bob");
      const video: Published = { sid: await ann.publishVideo(), kind: "video", source: "camera" };
      const audio: Published = {
        sid: await ann.publishAudio({ hz: 600 }),
        kind: "audio",
        source: "microphone",
        hz: 600,
      };
      await assertVideoFlows(bob, video);
      await assertSoundFlows(bob, audio);

      const untilMuted = (muted: boolean) =>
        eventually(`bob to see ann ${muted ? "muted" : "unmuted"}`, async () => {
          const { tracks } = await remote(bob, "ann");
          return tracks.length === 2 && tracks.every((track) => track.muted === muted);
        });
      for (const { sid } of [video, audio]) await ann.setMuted(sid, true);
      await untilMuted(true);
      await eventually(
        "the tone to stop",
        async () => (await bob.media(audio.sid)).hz === undefined,
      );
      for (const { sid } of [video, audio]) await ann.setMuted(sid, false);
      await untilMuted(false);
      await assertVideoFlows(bob, video);
      await assertSoundFlows(bob, audio);
    }),
);

for (const mode of CONNECTION_MODES) {
  endToEndTest(
    `a subscriber turns a track off and on again (${mode})`,
    ["chromium"],
    () =>
      fixture.call("subscription-switch", async (call) => {
        const ann = await call.join("chromium", "ann");
        const bob = await call.join("chromium", "bob", { connect: { autoSubscribe: false } });
        const video: Published = { sid: await ann.publishVideo(), kind: "video", source: "camera" };
        await eventually(
          "bob to know the track",
          async () => (await remote(bob, "ann")).tracks.length === 1,
        );
        assert.deepEqual((await bob.snapshot()).subscribedEvents, {});
        await bob.setSubscribed(video.sid, true);
        await assertVideoFlows(bob, video);
        await bob.setSubscribed(video.sid, false);
        await eventually(
          "bob's track to go",
          async () => (await bob.snapshot()).unsubscribedEvents[video.sid] === 1,
        );
        await bob.setSubscribed(video.sid, true);
        await assertVideoFlows(bob, video);
        assert.equal((await bob.snapshot()).subscribedEvents[video.sid], 2);
        assert.ok((await receivingSections(bob)).total <= SECTIONS_ALLOWED[mode]);
      }, mode),
  );
}

endToEndTest(
  "a publisher's send estimate rises",
  ["chromium"],
  () =>
    fixture.call("send-estimate", async (call) => {
      const ann = await call.join("chromium", "ann");
      const bob = await call.join("chromium", "bob");
      const sid = await ann.publishVideo({
        width: 1280,
        height: 720,
        noise: true,
        maxBitrate: 3_000_000,
      });
      const estimate = async () =>
        (await ann.transport("publisher"))?.availableOutgoingBitrate ?? 0;
      const first = await eventually("a send estimate", async () => {
        const bitrate = await estimate();
        return bitrate > 0 && bitrate;
      });
      let last = first;
      // Without TWCC feedback the estimate stays at the start value or falls.
      const wanted = Math.max(1_500_000, first * 1.5);
      await eventually(`the send estimate to rise to ${wanted}`, async () => {
        last = await estimate();
        return last >= wanted;
      }, { deadlineMs: 30_000, seen: () => ({ first, last }) });
      await assertVideoFlows(bob, { sid, kind: "video", source: "camera" });
    }),
);
