/**
 * Participants on pion, the WebRTC stack of LiveKit's Go SDK and of what is built upon it, with its
 * own defaults: it answers an ICE-lite offer as DTLS server, starts nothing again that was stopped,
 * and keeps to the codecs of its first negotiation.
 *
 * @module
 */
import assert from "node:assert/strict";
import { assertSoundFlows, assertVideoFlows } from "../support/sdk/call_assertions.ts";
import { CallFixture, CONNECTION_MODES } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { PION_COLOR, PION_HZ, type PionPeer } from "../support/peers/pion_peer.ts";

const fixture = CallFixture.forThisFile();

/** Frames or packets that must follow on what was there at the first look. */
const MORE = 20;

/** Packets of a track arrive and keep coming. */
async function assertArrives(receiver: PionPeer, sid: string): Promise<void> {
  const first = await eventually(
    `${receiver.identity} to receive ${sid}`,
    () => receiver.counts(sid)?.frames,
    { seen: () => receiver.story() },
  );
  await eventually(
    `${MORE} more frames of ${sid} at ${receiver.identity}`,
    () => receiver.counts(sid)!.frames >= first + MORE,
    { seen: () => receiver.counts(sid) },
  );
}

async function publishBoth(peer: PionPeer): Promise<{ video: string; audio: string }> {
  const video = await peer.publish({ kind: "video", simulcast: true });
  return { video, audio: await peer.publish({ kind: "audio" }) };
}

for (const mode of CONNECTION_MODES) {
  endToEndTest(
    `three pion peers receive each other, whoever joined first (${mode})`,
    ["go"],
    () =>
      fixture.call("pion-three", async (call) => {
        const peers: PionPeer[] = [];
        const published: { video: string; audio: string }[] = [];
        for (const identity of ["ann", "bob", "cyd"]) {
          const peer = await call.joinPion(identity);
          peers.push(peer);
          published.push(await publishBoth(peer));
        }
        await Promise.all(peers.map(async (peer, index) => {
          const others = published.filter((_, other) => other !== index);
          const sids = others.flatMap(({ video, audio }) => [video, audio]);
          await Promise.all(sids.map((sid) => assertArrives(peer, sid)));
          assert.deepEqual(peer.errors(), [], peer.identity);
        }));
      }, mode),
  );

  endToEndTest(
    `a pion peer and Chromium see and hear each other, layers too (${mode})`,
    ["go", "chromium"],
    () =>
      fixture.call("pion-chromium", async (call) => {
        const ann = await call.joinPion("ann");
        const { video, audio } = await publishBoth(ann);
        const bob = await call.join("chromium", "bob");
        const seen = await bob.publishVideo({ simulcast: true, width: 960, height: 540 });
        const heard = await bob.publishAudio();
        await assertVideoFlows(bob, {
          sid: video,
          kind: "video",
          source: "camera",
          color: PION_COLOR,
        });
        await assertSoundFlows(bob, {
          sid: audio,
          kind: "audio",
          source: "microphone",
          hz: PION_HZ,
        });
        await assertArrives(ann, seen);
        await assertArrives(ann, heard);
        for (const [quality, height] of [["low", 90], ["medium", 180], ["high", 360]] as const) {
          await bob.setQuality(video, quality);
          await eventually(`the ${quality} layer`, async () => {
            return (await bob.media(video)).frameHeight === height;
          }, { seen: () => bob.media(video) });
        }
        assert.deepEqual(ann.errors(), []);
        assert.deepEqual(await bob.errors(), []);
      }, mode),
  );

  endToEndTest(
    `a track without key frames opens at once for a late joiner (${mode})`,
    ["go"],
    () =>
      fixture.call("pion-late", async (call) => {
        const ann = await call.joinPion("ann");
        const bob = await call.joinPion("bob");
        const video = await ann.publish({ kind: "video", deaf: true });
        await assertArrives(bob, video);
        const late = await call.joinPion("late");
        // Its first packets are padding, as no other would mean anything before the next key frame.
        const first = await late.event("first_packet", ({ sid }) => sid === video);
        assert.equal(first.padding, true);
        await assertArrives(late, video);
        for (const peer of [ann, bob, late]) assert.deepEqual(peer.errors(), [], peer.identity);
      }, mode),
  );
}
