import {
  assertCleanLeave,
  assertNoExtraMediaSections,
  assertReceives,
  publishCameraAndMicrophone,
} from "../support/sdk/call_assertions.ts";
import { CallFixture, CONNECTION_MODES } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";

const fixture = CallFixture.forThisFile();

for (const mode of CONNECTION_MODES) {
  endToEndTest(
    `rtc-node and Chromium (${mode}) see and hear each other`,
    ["chromium"],
    () =>
      fixture.call("rtc-node-chromium", async (call) => {
        const ann = await call.join("rtc-node", "ann", { name: "Ann" });
        const fromAnn = await publishCameraAndMicrophone(ann, { color: [200, 40, 40], hz: 440 });
        const bob = await call.join("chromium", "bob", { name: "Bob" });
        const fromBob = await publishCameraAndMicrophone(bob, { color: [40, 160, 60], hz: 880 });

        await assertReceives(bob, ann, fromAnn);
        await assertReceives(ann, bob, fromBob);
        await assertNoExtraMediaSections(bob, { sent: 2, received: 2 });
        await assertCleanLeave(ann, bob);
      }, mode),
  );
}

endToEndTest(
  "two rtc-nodes see and hear each other",
  [],
  () =>
    fixture.call("rtc-node-pair", async (call) => {
      const ann = await call.join("rtc-node", "ann");
      const bob = await call.join("rtc-node", "bob");
      const fromAnn = await publishCameraAndMicrophone(ann, { color: [200, 40, 40], hz: 440 });
      const fromBob = await publishCameraAndMicrophone(bob, { color: [40, 160, 60], hz: 880 });
      await assertReceives(bob, ann, fromAnn);
      await assertReceives(ann, bob, fromBob);
      await assertCleanLeave(bob, ann);
    }),
);
