/** WHIP from real browsers' own peer connections, beside participants of LiveKit's SDK. */
import assert from "node:assert/strict";
import { assertSoundFlows, assertVideoFlows, remote } from "../support/sdk/call_assertions.ts";
import { type Call, CallFixture } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import type { SdkClient } from "../support/sdk/sdk_client.ts";
import type { WhipClient, WhipInbound } from "../support/sdk/whip_client.ts";

const fixture = CallFixture.forThisFile();

const BROWSERS = ["chromium", "firefox"] as const;
const COLOR = [200, 40, 40] as const;

async function join(call: Call, browser: "chromium" | "firefox", simulcast = false) {
  const whip = await call.whip(browser, "whip");
  const outcome = await whip.join({ video: { color: COLOR }, audio: { hz: 440 }, simulcast });
  return { whip, outcome };
}

/** What `viewer` must see and hear of the WHIP client; returns the sid of its video. */
async function assertPublished(viewer: SdkClient): Promise<string> {
  const [video, audio] = await eventually(`${viewer.identity} to know of both tracks`, async () => {
    const { tracks } = await remote(viewer, "whip");
    const video = tracks.find(({ kind }) => kind === "video");
    const audio = tracks.find(({ kind }) => kind === "audio");
    return video !== undefined && audio !== undefined && [video, audio] as const;
  });
  assert.deepEqual([video.name, video.source], ["synthesized-camera", "camera"]);
  assert.deepEqual([audio.name, audio.source], ["synthesized-microphone", "microphone"]);
  // Nobody says how large it is: the server reads it off the pictures.
  await eventually("the size of the video", async () => {
    const { tracks } = await remote(viewer, "whip");
    const { width, height } = tracks.find(({ sid }) => sid === video.sid)?.dimensions ?? {};
    return width === 640 && height === 360;
  }, { seen: () => remote(viewer, "whip") });
  const { sid } = video;
  await assertVideoFlows(viewer, { sid, kind: "video", source: "camera", color: COLOR });
  const { sid: heard } = audio;
  await assertSoundFlows(viewer, { sid: heard, kind: "audio", source: "microphone", hz: 440 });
  return sid;
}

function assertGone(viewer: SdkClient): Promise<unknown> {
  return eventually(`${viewer.identity} to see whip leave`, async () => {
    return (await viewer.snapshot()).departed.includes("whip");
  });
}

async function framesOf(viewer: SdkClient, sid: string): Promise<number> {
  return (await viewer.media(sid)).framesDecoded;
}

for (const browser of BROWSERS) {
  endToEndTest(
    `${browser} publishes over WHIP, trickles, restarts ICE and leaves`,
    ["chromium", browser],
    () =>
      fixture.call(`whip-${browser}`, async (call) => {
        const viewer = await call.join("chromium", "viewer");
        const { whip, outcome } = await join(call, browser);
        assert.equal(outcome.status, 201, outcome.body);
        assert.equal(outcome.type, "application/sdp");
        const { sid } = await remote(viewer, "whip");
        assert.equal(outcome.location, `../whip/v1/${sid}`);
        assert.match(outcome.body, new RegExp(`^a=ice-ufrag:${outcome.etag}\r$`, "m"));
        assert.match(outcome.link, /^<stun:[^>]+>; rel="ice-server"/);
        assert.equal(await whip.trickle(), 204);
        const video = await assertPublished(viewer);

        const before = await framesOf(viewer, video);
        const etag = await whip.restart();
        assert.notEqual(etag, outcome.etag);
        await eventually("frames after the restart", async () => {
          return await framesOf(viewer, video) >= before + 30;
        });
        assert.equal((await whip.state()).connection, "connected");
        assert.equal(await whip.trickle(), 204, "candidates of the restarted session");

        assert.equal(await whip.delete(), 200);
        await assertGone(viewer);
        assert.equal(await whip.delete(), 404);
      }),
  );

  endToEndTest(
    `${browser}'s simulcast over WHIP is one track, and a closed connection ends it`,
    ["chromium", browser],
    () =>
      fixture.call(`whip-simulcast-${browser}`, async (call) => {
        const viewer = await call.join("chromium", "viewer");
        const { whip } = await join(call, browser, true);
        const video = await assertPublished(viewer);
        const { tracks } = await remote(viewer, "whip");
        assert.equal(tracks.length, 2);
        await viewer.setQuality(video, "low");
        await eventually("the small layer", async () => {
          return (await viewer.media(video)).frameHeight === 180;
        });
        await viewer.setQuality(video, "high");
        await eventually("the large layer", async () => {
          return (await viewer.media(video)).frameHeight === 360;
        });
        await whip.closeConnection();
        await assertGone(viewer);
      }),
  );

  endToEndTest(
    `${browser} receives over WHIP what it asks for by name, and data as it is`,
    ["chromium", browser],
    () =>
      fixture.call(`whip-receives-${browser}`, async (call) => {
        const ann = await call.join("chromium", "ann");
        const other = await ann.publishVideo({ source: "screen_share", name: "slides" });
        const wanted = await ann.publishVideo({ color: [40, 160, 60], name: "face" });
        const voice = await ann.publishAudio({ hz: 880, name: "voice" });
        const whip = await call.whip(browser, "whip");
        const outcome = await whip.join({
          receive: ["video", "audio"],
          channel: "chat",
          wanted: { ann: ["face"] },
          gather: true,
        });
        assert.equal(outcome.status, 201, outcome.body);
        const inbound = await flowing(whip, 2);
        assert.deepEqual(inbound.map(({ sid }) => sid).sort(), [wanted, voice].sort());
        assert.ok(!outcome.body.includes(other), "one section for video: the one asked for");

        await eventually("the channel", async () => (await whip.state()).channel === "open");
        await ann.sendData("hello", { reliable: true });
        await eventually("data at whip", async () => {
          return (await whip.messages()).includes("hello");
        });
        // Who only receives is announced after a while.
        await remote(ann, "whip");
        await whip.send("hello back");
        await eventually("data at ann", async () => {
          const data = await ann.receivedData();
          return data.some(({ from, text }) => from === "whip" && text === "hello back");
        }, { seen: () => ann.receivedData() });
      }),
  );
}

endToEndTest(
  "a sendrecv section of a WHIP client carries media both ways",
  ["chromium"],
  () =>
    fixture.call("whip-both-ways", async (call) => {
      const ann = await call.join("chromium", "ann");
      const face = await ann.publishVideo({ color: [40, 160, 60], name: "face" });
      const whip = await call.whip("chromium", "whip");
      const both = { video: { color: COLOR }, audio: { hz: 440 }, direction: "sendrecv" } as const;
      const outcome = await whip.join({ ...both, wanted: { ann: ["face"] } });
      assert.equal(outcome.status, 201, outcome.body);
      await assertPublished(ann);
      const [video] = (await flowing(whip, 1)).filter(({ kind }) => kind === "video");
      assert.equal(video?.sid, face);
    }),
);

function flowing(whip: WhipClient, count: number): Promise<readonly WhipInbound[]> {
  let last: readonly WhipInbound[] = [];
  return eventually(`${count} tracks at whip`, async () => {
    last = await whip.inbound();
    const playing = last.filter(({ kind, framesDecoded, packetsReceived }) =>
      kind === "video" ? framesDecoded > 20 : packetsReceived > 50
    );
    return playing.length >= count && playing;
  }, { seen: () => last });
}
