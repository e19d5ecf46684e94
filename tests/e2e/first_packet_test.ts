/**
 * A track of a publisher that ignores requests for key frames shows itself to a late subscriber at
 * once, though its first picture may be seconds away.
 *
 * @module
 */
import assert from "node:assert/strict";
import { CallFixture, CONNECTION_MODES } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import type { PionPeer } from "../support/peers/pion_peer.ts";

const fixture = CallFixture.forThisFile();

/**
 * From a connection to its first packet, ms: a LiveKit server takes 100 to 300, and a machine that
 * is busy with other tests a little more. The publisher's key frames are 3,000 apart.
 */
const MAX_WAIT_MS = 1_000;
/** Subscribers come one after the other, so that not all can be lucky with a key frame. */
const SUBSCRIBERS = ["bob", "cyd", "dan"];
const BETWEEN_MS = 1_000;
/** Pictures that tell that all is well. */
const MORE = 20;

/** How long after its connection was up a subscriber saw the track, ms. */
function waitOf(peer: PionPeer, sid: string, target: "PUBLISHER" | "SUBSCRIBER"): number {
  const up = peer.all("connection").find((one) =>
    one.target === target && one.state === "connected"
  );
  const track = peer.all("track").find((one) => one.sid === sid);
  return track!.ms - up!.ms;
}

for (const mode of CONNECTION_MODES) {
  endToEndTest(
    `a late pion subscriber sees a track at once whose publisher hears no request (${mode})`,
    ["go"],
    () =>
      fixture.call("first-packet", async (call) => {
        const ann = await call.joinPion("ann");
        const sid = await ann.publish({ kind: "video", deaf: true });
        const target = mode === "default" ? "PUBLISHER" : "SUBSCRIBER";
        const waits: number[] = [];
        for (const identity of SUBSCRIBERS) {
          const peer = await call.joinPion(identity);
          await peer.event("track", (one) => one.sid === sid);
          waits.push(waitOf(peer, sid, target));
          await eventually(
            "pictures, too",
            () => (peer.counts(sid)?.frames ?? 0) > 0,
            { seen: () => peer.story() },
          );
          assert.equal(peer.all("track").find((one) => one.sid === sid)!.codec, "video/VP8");
          await new Promise((resolve) => setTimeout(resolve, BETWEEN_MS));
        }
        assert.ok(waits.every((ms) => ms <= MAX_WAIT_MS), `first packets after ${waits} ms`);
      }, mode),
  );

  endToEndTest(
    `a late Chromium misses nothing of a track that was opened with padding (${mode})`,
    ["go", "chromium"],
    () =>
      fixture.call("first-packet-chromium", async (call) => {
        const ann = await call.joinPion("ann");
        const sid = await ann.publish({ kind: "video", deaf: true });
        const bob = await call.join("chromium", "bob");
        await eventually(
          "pictures at Chromium",
          async () => (await bob.media(sid)).framesDecoded > MORE,
          { seen: () => bob.media(sid) },
        );
        assert.equal((await bob.media(sid)).packetsLost, 0);
        assert.deepEqual(await bob.errors(), []);
      }, mode),
  );
}
