/**
 * What Chromium with livekit-client is told and shown when its bandwidth is short: smaller
 * pictures, then `TrackStreamStateChanged`, and everything again afterwards.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { BrowserClient } from "../support/sdk/browser_client.ts";
import { CallFixture, CONNECTION_MODES } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import type { ReceivedMedia } from "../support/sdk/sdk_client.ts";

const fixture = CallFixture.forThisFile({
  config: { rtc: { congestion_control: { allow_pause: true } } },
});

const CAMERA = {
  width: 960,
  height: 540,
  fps: 10,
  simulcast: true,
  maxBitrate: 600_000,
  noise: true,
} as const;
const DEADLINE_MS = 30_000;

/** Waits for frames of the wanted width that keep coming. */
async function untilWidth(receiver: BrowserClient, sid: string, width: number): Promise<void> {
  let last: ReceivedMedia | undefined;
  let first: number | undefined;
  await eventually(`${sid} to be ${width} pixels wide`, async () => {
    last = await receiver.media(sid);
    if (last.frameWidth !== width) first = undefined;
    else first ??= last.framesDecoded;
    return first !== undefined && last.framesDecoded >= first + 10;
  }, {
    deadlineMs: DEADLINE_MS,
    seen: async () => ({ last, states: await receiver.streamStates() }),
  });
}

for (const mode of CONNECTION_MODES) {
  endToEndTest(
    `a client with less bandwidth gets less, is told of pauses, and gets all again (${mode})`,
    [
      "chromium",
    ],
    () =>
      fixture.call("bandwidth", async (call) => {
        const ann = await call.join("chromium", "ann");
        const bob = await call.join("chromium", "bob");
        const camera = await ann.publishVideo({ ...CAMERA, source: "camera" });
        await untilWidth(bob, camera, 960);

        await bob.simulate("subscriber-bandwidth", 120_000);
        await untilWidth(bob, camera, 240);
        assert.deepEqual(await bob.streamStates(), [], "a smaller picture is no pause");

        await bob.simulate("subscriber-bandwidth", 5_000);
        await eventually(
          "the camera to be paused",
          async () => (await bob.streamStates()).length > 0,
          {
            deadlineMs: DEADLINE_MS,
          },
        );
        assert.deepEqual(await bob.streamStates(), [{ sid: camera, state: "paused" }]);

        await bob.simulate("subscriber-bandwidth", 0);
        await untilWidth(bob, camera, 960);
        assert.deepEqual(await bob.streamStates(), [
          { sid: camera, state: "paused" },
          { sid: camera, state: "active" },
        ]);
      }, mode),
  );
}
