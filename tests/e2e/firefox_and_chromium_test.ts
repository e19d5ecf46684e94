/**
 * Firefox gives a published track another id in its description than in its announcement, so both
 * orders of joining are worth a test of their own.
 *
 * @module
 */
import {
  assertCleanLeave,
  assertNoExtraMediaSections,
  assertReceives,
  publishCameraAndMicrophone,
} from "../support/sdk/call_assertions.ts";
import { CallFixture, CONNECTION_MODES } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";

const fixture = CallFixture.forThisFile();

const ORDERS = [["firefox", "chromium"], ["chromium", "firefox"]] as const;

for (
  const [mode, [first, second]] of CONNECTION_MODES.flatMap((mode) =>
    ORDERS.map((order) => [mode, order] as const)
  )
) {
  endToEndTest(
    `${first} joins first, then ${second} (${mode})`,
    ["chromium", "firefox"],
    () =>
      fixture.call(`${first}-then-${second}`, async (call) => {
        const ann = await call.join(first, "ann");
        const fromAnn = await publishCameraAndMicrophone(ann, { color: [200, 40, 40], hz: 440 });
        const bob = await call.join(second, "bob");
        const fromBob = await publishCameraAndMicrophone(bob, { color: [40, 160, 60], hz: 880 });

        await assertReceives(bob, ann, fromAnn);
        await assertReceives(ann, bob, fromBob);
        await assertNoExtraMediaSections(ann, { sent: 2, received: 2 });
        await assertNoExtraMediaSections(bob, { sent: 2, received: 2 });
        await assertCleanLeave(ann, bob);
      }, mode),
  );
}

endToEndTest(
  "firefox publishes camera and screen at once",
  ["chromium", "firefox"],
  () =>
    fixture.call("firefox-two-videos", async (call) => {
      const bob = await call.join("chromium", "bob");
      const ann = await call.join("firefox", "ann");
      const [camera, screen] = await Promise.all([
        ann.publishVideo({ source: "camera", color: [200, 40, 40] }),
        ann.publishVideo({ source: "screen_share", color: [40, 160, 60] }),
      ]);
      const dimensions = { width: 640, height: 360 };
      await assertReceives(bob, ann, [
        { sid: camera, kind: "video", source: "camera", dimensions },
        { sid: screen, kind: "video", source: "screen_share", dimensions },
      ]);
      await assertNoExtraMediaSections(ann, { sent: 2, received: 0 });
      await assertNoExtraMediaSections(bob, { sent: 0, received: 2 });
    }),
);
