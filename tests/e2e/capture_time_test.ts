/**
 * Absolute capture time (the header extension of that name) from a publisher to a subscriber, both
 * on pion: browsers do not offer it unasked. By it the subscriber knows whether sender reports say
 * the same of sound and of pictures, by which lips are synchronised.
 *
 * @module
 */
import assert from "node:assert/strict";
import { CallFixture, CONNECTION_MODES } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import type { PionCounts } from "../support/peers/pion_peer.ts";

const fixture = CallFixture.forThisFile();

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

for (const mode of CONNECTION_MODES) {
  endToEndTest(
    `the time of capture arrives as it was sent, at who negotiated it, and as reports say (${mode})`,
    ["go"],
    () =>
      fixture.call("captures", async (call) => {
        const ann = await call.joinPion("ann", { captures: true });
        const bob = await call.joinPion("bob", { captures: true });
        const cyd = await call.joinPion("cyd");
        const sids = [
          await ann.publish({ kind: "video", simulcast: true }),
          await ann.publish({ kind: "audio" }),
        ];
        for (const sid of sids) {
          const counts = await eventually(`${ENOUGH} packets of ${sid}`, () => {
            const counts = bob.counts(sid);
            if (counts === undefined || counts.reports < REPORTS) return false;
            return counts.packets - counts.padding >= ENOUGH && counts;
          }, { seen: () => [bob.counts(sid), ...bob.story()] });
          assertCaptured(counts);
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
