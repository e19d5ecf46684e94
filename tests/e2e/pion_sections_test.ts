/**
 * What a client on pion makes of our sections: it fixes its codecs at the first one of a kind, and
 * a transceiver that it has stopped never starts again.
 *
 * @module
 */
import assert from "node:assert/strict";
import { CallFixture, CONNECTION_MODES } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import type { PionPeer, PionTrack } from "../support/peers/pion_peer.ts";

const fixture = CallFixture.forThisFile();

/** Frames or packets that show that a track flows. */
const ENOUGH = 20;
/** Tracks that follow one another in a section. */
const ROUNDS = 3;

async function assertArrives(receiver: PionPeer, sid: string): Promise<void> {
  await eventually(
    `${receiver.identity} to receive ${sid}`,
    () => (receiver.counts(sid)?.frames ?? 0) >= ENOUGH,
    { seen: () => receiver.story() },
  );
}

for (const mode of CONNECTION_MODES) {
  endToEndTest(
    `a pion peer receives a VP8 track and then one of H264, each offered alone (${mode})`,
    ["go"],
    () =>
      fixture.call("pion-codecs", async (call) => {
        const bob = await call.joinPion("bob");
        for (const [identity, codec] of [["ann", "vp8"], ["cyd", "h264"]] as const) {
          const publisher = await call.joinPion(identity);
          const sid = await publisher.publish({ kind: "video", codec, onlyCodec: true });
          await assertArrives(bob, sid);
          assert.deepEqual(publisher.errors(), []);
        }
        assert.deepEqual(bob.errors(), []);
      }, mode),
  );

  endToEndTest(
    `a pion peer receives one track after the other in the same sections (${mode})`,
    ["go"],
    () =>
      fixture.call("pion-again", async (call) => {
        const ann = await call.joinPion("ann");
        const bob = await call.joinPion("bob");
        const mids: (readonly string[])[] = [];
        for (let round = 0; round < ROUNDS; round++) {
          const tracks: PionTrack[] = [{ kind: "video" }, { kind: "audio" }];
          const sids: string[] = [];
          for (const track of tracks) sids.push(await ann.publish(track));
          for (const sid of sids) await assertArrives(bob, sid);
          mids.push(
            await Promise.all(sids.map(async (sid) => {
              return (await bob.event("track", (track) => track.sid === sid)).mid;
            })),
          );
          for (const sid of sids) await ann.unpublish(sid);
          for (const sid of sids) await bob.event("track_ended", (track) => track.sid === sid);
        }
        for (const used of mids) assert.deepEqual(used, mids[0]);
        assert.deepEqual([ann.errors(), bob.errors()], [[], []]);
      }, mode),
  );
}
