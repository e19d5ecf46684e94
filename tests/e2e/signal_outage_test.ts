import assert from "node:assert/strict";
import { mintToken } from "../support/process/access_tokens.ts";
import type { BrowserClient } from "../support/sdk/browser_client.ts";
import {
  assertReceives,
  publishCameraAndMicrophone,
  type Published,
} from "../support/sdk/call_assertions.ts";
import { CallFixture, type ConnectionMode } from "../support/sdk/call_fixture.ts";
import { serveClientPage } from "../support/sdk/client_page_server.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { TcpProxy } from "../support/process/tcp_proxy.ts";
import { pause } from "../support/wire/until.ts";

const fixture = CallFixture.forThisFile();

/**
 * Media must have gone on for most of an outage: frames a second sent, and the part that must come.
 */
const FRAMES_PER_S = 15;
const PART_WANTED = 0.5;

/** Frames of one track decoded since the first call. */
async function frameCounter(
  receiver: BrowserClient,
  track: Published,
): Promise<() => Promise<number>> {
  const { framesDecoded: before } = await receiver.media(track.sid);
  return async () => (await receiver.media(track.sid)).framesDecoded - before;
}

function video(published: readonly Published[]): Published {
  return published.find(({ kind }) => kind === "video")!;
}

/**
 * Bob's signalling is cut for `seconds` while ann and he are in a call, and carol leaves meanwhile.
 */
async function outage(seconds: number, mode: ConnectionMode): Promise<void> {
  const server = await fixture.server();
  const browser = await fixture.chromium();
  await using proxy = await TcpProxy.open(server.ports.http);
  await using pages = serveClientPage();
  const join = async (identity: string, url: string) => {
    const client = await browser.openClient(identity, pages.url);
    const token = await mintToken({ identity, room: `outage-${mode}` });
    await client.connect(url, token, mode === "dual" ? { singlePeerConnection: false } : {});
    return client;
  };
  await using ann = await join("ann", server.url);
  const fromAnn = await publishCameraAndMicrophone(ann, { color: [200, 40, 40], hz: 440 });
  await using bob = await join("bob", `ws://127.0.0.1:${proxy.port}`);
  const fromBob = await publishCameraAndMicrophone(bob, { color: [40, 160, 60], hz: 880 });
  await using carol = await join("carol", server.url);
  await assertReceives(bob, ann, fromAnn);
  await assertReceives(ann, bob, fromBob);
  for (const client of [ann, bob]) {
    // Whoever publishes nothing is told of up to three seconds later, and not at all once it has
    // left.
    await eventually(
      "carol to be seen",
      async () => (await client.snapshot()).remotes.some(({ identity }) => identity === "carol"),
    );
  }
  const before = await bob.snapshot();
  const counters = [
    await frameCounter(bob, video(fromAnn)),
    await frameCounter(ann, video(fromBob)),
  ];

  proxy.cut();
  await eventually("bob to notice", async () => (await bob.snapshot()).state !== "connected");
  await carol.disconnect();
  await eventually(
    "ann to see carol leave",
    async () => (await ann.snapshot()).departed.includes("carol"),
  );
  await ann.setMuted(fromAnn[1]!.sid, true);
  await pause(seconds * 1_000);
  // The outage lasts as long as a busy machine needs for the frames; then some more must come.
  for (const frames of counters) {
    const wanted = seconds * FRAMES_PER_S * PART_WANTED;
    const came = await eventually(`${wanted} frames during the outage`, async () => {
      const sofar = await frames();
      return sofar >= wanted && sofar;
    }, { seen: frames });
    await eventually("more frames at its end", async () => await frames() >= came + FRAMES_PER_S);
  }
  assert.deepEqual((await ann.snapshot()).departed, ["carol"], "bob is still there for ann");

  proxy.restore();
  const after = await eventually("bob to resume", async () => {
    const snapshot = await bob.snapshot();
    return snapshot.state === "connected" && snapshot;
  }, { deadlineMs: 20_000, seen: () => bob.snapshot() });
  assert.equal(after.local.sid, before.local.sid, "the session is the same");
  assert.ok(after.reconnects > 0);
  const remotes = await eventually("bob to know what happened", async () => {
    const { remotes } = await bob.snapshot();
    const muted = remotes.find(({ identity }) => identity === "ann")?.tracks
      .find(({ sid }) => sid === fromAnn[1]!.sid)?.muted;
    return muted && remotes;
  }, { seen: () => bob.snapshot() });
  assert.deepEqual(remotes.map(({ identity }) => identity), ["ann"]);
  await ann.setMuted(fromAnn[1]!.sid, false);
  await assertReceives(bob, ann, fromAnn);
  await assertReceives(ann, bob, fromBob);
  // What comes after the resume works like before it.
  const screen = await ann.publishVideo({ source: "screen_share", color: [20, 20, 220] });
  await eventually(
    "the new track at bob",
    async () => (await bob.media(screen)).framesDecoded > 0,
  );
  assert.deepEqual((await ann.snapshot()).departed, ["carol"]);
}

endToEndTest(
  "Chromium's call over two connections goes on while its signalling is cut for 3 s",
  ["chromium"],
  () => outage(3, "dual"),
);

endToEndTest(
  "Chromium's call over one connection goes on while its signalling is cut for 20 s",
  ["chromium"],
  () => outage(20, "default"),
);
