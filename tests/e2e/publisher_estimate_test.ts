/**
 * What a browser itself takes its path to carry, by the feedback that it gets as a publisher.
 *
 * @module
 */
import assert from "node:assert/strict";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";

const fixture = CallFixture.forThisFile();

/** A camera's rate. */
const CAMERA_BPS = 1_700_000;
/** On a path without loss and delay, and on a busy machine. */
const DEADLINE_MS = 30_000;

endToEndTest("a publisher's own estimate climbs to its camera's rate, and its picture with it", [
  "chromium",
], () =>
  fixture.call("publisher-estimate", async (call) => {
    const ann = await call.join("chromium", "ann");
    const bob = await call.join("chromium", "bob");
    const begun = performance.now();
    const sid = await ann.publishVideo({
      width: 960,
      height: 540,
      fps: 20,
      maxBitrate: CAMERA_BPS,
      noise: true,
    });
    const seen: [ms: number, bps: number][] = [];
    await eventually("the estimate to be as high as the camera's rate", async () => {
      const { availableOutgoingBitrate = 0 } = await ann.transport("publisher") ?? {};
      seen.push([Math.round(performance.now() - begun), availableOutgoingBitrate]);
      return availableOutgoingBitrate >= CAMERA_BPS;
    }, { deadlineMs: DEADLINE_MS, seen: () => Promise.resolve({ seen }) });
    await eventually("pictures to come", () =>
      bob.media(sid).then(({ framesDecoded }) => framesDecoded > 10, () => false), {
      deadlineMs: DEADLINE_MS,
    });
    assert.deepEqual(await ann.errors(), []);
  }));
