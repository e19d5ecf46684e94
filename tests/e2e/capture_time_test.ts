/**
 * Absolute capture time (the header extension of that name) from a publisher to a subscriber, both
 * on pion: browsers do not offer it unasked. By it the subscriber knows whether sender reports say
 * the same of sound and of pictures, by which lips are synchronised.
 *
 * @module
 */
import assert from "node:assert/strict";
import { mintToken } from "../support/process/access_tokens.ts";
import { RedisServer } from "../support/process/redis_server.ts";
import { startRoomwire } from "../support/process/roomwire_process.ts";
import { CallFixture, CONNECTION_MODES } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { type PionCounts, PionPeer } from "../support/peers/pion_peer.ts";

const fixture = CallFixture.forThisFile();

const HOST = "127.0.0.1";
/** Packets with media that must come. */
const ENOUGH = 40;
/** Sender reports that must come, the second of which is to make a line of them. */
const REPORTS = 3;
/** What rounding does to times and ticks, ms. */
const MOST_OFF_MS = 1;
/** From capture to arrival on a busy machine, ms. */
const MOST_AGE_MS = 3_000;

/** Each packet says when its frame was captured, and that moves as timestamps do. */
function assertCaptured(counts: PionCounts) {
  const { packets, padding, captures, captureSkew, captureAgeMs, captureOffMs } = counts;
  assert.equal(captures, packets - padding, "each packet of media says it");
  assert.ok(captureSkew <= 1, `${captureSkew} ticks from what timestamps say`);
  assert.ok(captureAgeMs >= 0 && captureAgeMs < MOST_AGE_MS, `${captureAgeMs} ms ago`);
  assert.ok(captureOffMs <= MOST_OFF_MS, `${captureOffMs} ms from what sender reports say`);
}

/** Publishes a camera and a microphone; both come to `to` with their times, and in step. */
async function assertInStep(from: PionPeer, to: PionPeer): Promise<readonly string[]> {
  const sids = [
    await from.publish({ kind: "video", simulcast: true }),
    await from.publish({ kind: "audio" }),
  ];
  for (const sid of sids) {
    const counts = await eventually(`${ENOUGH} packets of ${sid}`, () => {
      const counts = to.counts(sid);
      if (counts === undefined || counts.reports < REPORTS) return false;
      return counts.packets - counts.padding >= ENOUGH && counts;
    }, { seen: () => [to.counts(sid), ...to.story()] });
    assertCaptured(counts);
  }
  return sids;
}

for (const mode of CONNECTION_MODES) {
  endToEndTest(
    `the time of capture arrives as it was sent, at who negotiated it, and as reports say (${mode})`,
    ["go"],
    () =>
      fixture.call("captures", async (call) => {
        const ann = await call.joinPion("ann", { captures: true });
        const bob = await call.joinPion("bob", { captures: true });
        const cyd = await call.joinPion("cyd");
        for (const sid of await assertInStep(ann, bob)) {
          await eventually(
            `${sid} at who did not`,
            () => (cyd.counts(sid)?.frames ?? 0) > 0,
            { seen: () => cyd.story() },
          );
          assert.equal(cyd.counts(sid)!.captures, 0);
        }
        for (const peer of [ann, bob, cyd]) assert.deepEqual(peer.errors(), [], peer.identity);
      }, mode),
  );
}

endToEndTest(
  "reports say when it was captured behind another node, too",
  ["go", "redis"],
  async () => {
    await using redis = await RedisServer.start();
    const config = { redis: { address: `${HOST}:${redis.port}` } };
    await using one = await startRoomwire({ config, address: HOST });
    await using two = await startRoomwire({ config, address: HOST });
    await using ann = await PionPeer.start("ann");
    await using bob = await PionPeer.start("bob");
    for (const [peer, { url }] of [[ann, one], [bob, two]] as const) {
      const token = await mintToken({ identity: peer.identity, room: "captures" });
      await peer.connect(url, token, { single: true, captures: true });
    }
    await assertInStep(ann, bob);
  },
);
