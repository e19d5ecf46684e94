/**
 * How soon a client whose media comes again is told that it is lost no more: `livekit-client`
 * counts ten seconds from the word LOST, and then gives up a session that may have been whole for
 * five of them.
 */
import assert from "node:assert/strict";
import { ConnectionQuality } from "@livekit/protocol";
import { QUALITY_INTERVAL_MS } from "../../lib/engine/messages/media_messages.ts";
import { TestServer } from "../conformance/support.ts";
import { SyntheticTrack } from "../support/media/synthetic_track.ts";
import { until } from "../support/wire/until.ts";
import { senderReportOf } from "../support/wire/wire_rtcp.ts";

/** The server's seconds in a real one. */
const SPEED = 5;
const SSRC = 4_711;
/** Twice the receiver reports' interval, at which it is looked whether something came, ms. */
const TOLD_WITHIN_MS = 2_000;

Deno.test({
  name: "A publisher that was LOST is told of its return at once, not at the next interval's end",
  // werift's DTLS client, which the test clients use, has timers that cannot be stopped.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    await using test = await TestServer.start({}, "v0", [], SPEED);
    const ann = await test.join("ann");
    await ann.publish("audio", { cid: "mic", media: false });
    const client = await ann.publisher.ready();
    const track = new SyntheticTrack("1", "audio/opus", SSRC);
    const packet = () => client.sendRtp(track.packet());
    const qualities = () =>
      ann.signal.all("connectionQuality").flatMap(({ updates }) => updates)
        .filter(({ participantSid }) => participantSid === ann.sid).map(({ quality }) => quality);
    await until("a report on the track", async () => {
      await packet();
      return test.tap.reports.some(({ upTracks }) => upTracks.length > 0);
    });
    await client.sendRtcp(senderReportOf(SSRC, 1_000n << 32n, 10_000));
    await until("LOST", () => qualities().at(-1) === ConnectionQuality.LOST, qualities);

    const { clock } = test.platform;
    const backAt = clock.now();
    await until("the end of LOST", async () => {
      await packet();
      return qualities().at(-1) !== ConnectionQuality.LOST;
    }, qualities);
    const afterMs = clock.now() - backAt;
    assert.ok(afterMs <= TOLD_WITHIN_MS, `told after ${afterMs} ms`);
    const { intervalMs } = test.tap.reports.findLast(({ upTracks }) => upTracks.length > 0)!;
    assert.ok(intervalMs < QUALITY_INTERVAL_MS, `reported after ${intervalMs} ms`);
  },
});
