import {
  assertCleanLeave,
  assertNoExtraMediaSections,
  assertReceives,
  publishCameraAndMicrophone,
  remote,
} from "../support/sdk/call_assertions.ts";
import assert from "node:assert/strict";
import { CallFixture, CONNECTION_MODES } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";

const fixture = CallFixture.forThisFile();

for (const mode of CONNECTION_MODES) {
  endToEndTest(
    `two Chromiums see and hear each other (${mode})`,
    ["chromium"],
    () =>
      fixture.call("chromium-pair", async (call) => {
        const ann = await call.join("chromium", "ann", {
          name: "Ann",
          metadata: '{"team":"red"}',
          attributes: { hand: "down" },
        });
        const fromAnn = await publishCameraAndMicrophone(ann, { color: [200, 40, 40], hz: 440 });
        const bob = await call.join("chromium", "bob", { name: "Bob" });
        const fromBob = await publishCameraAndMicrophone(bob, { color: [40, 160, 60], hz: 880 });

        await assertReceives(bob, ann, fromAnn);
        await assertReceives(ann, bob, fromBob);
        const { name, metadata, attributes } = await remote(bob, "ann");
        assert.deepEqual({ name, metadata, attributes }, {
          name: "Ann",
          metadata: '{"team":"red"}',
          attributes: { hand: "down" },
        });
        await assertNoExtraMediaSections(ann, { sent: 2, received: 2 });
        await assertNoExtraMediaSections(bob, { sent: 2, received: 2 });
        const { connectedMs, firstFrameMs } = await bob.timings();
        console.log(
          `join to connected ${connectedMs?.toFixed(0)} ms, ` +
            `join to first decoded frame ${firstFrameMs?.toFixed(0)} ms`,
        );
        assert.ok(firstFrameMs !== undefined);
        await assertCleanLeave(ann, bob);
      }, mode),
  );
}

endToEndTest(
  "three Chromiums all receive each other's tracks",
  ["chromium"],
  () =>
    fixture.call("chromium-three", async (call) => {
      const people = [
        await call.join("chromium", "ann"),
        await call.join("chromium", "bob"),
        await call.join("chromium", "cid"),
      ];
      const published = [];
      for (const [i, person] of people.entries()) {
        const sid = await person.publishAudio({ hz: 400 * (i + 1) });
        published.push([{
          sid,
          kind: "audio" as const,
          source: "microphone" as const,
          hz: 400 * (i + 1),
        }]);
      }
      for (const receiver of people) {
        for (const [i, sender] of people.entries()) {
          if (sender !== receiver) await assertReceives(receiver, sender, published[i]!);
        }
        await assertNoExtraMediaSections(receiver, { sent: 1, received: 2 });
      }
    }),
);

endToEndTest(
  "attributes set in a call reach the others",
  ["chromium"],
  () =>
    fixture.call("chromium-attributes", async (call) => {
      const ann = await call.join("chromium", "ann", { grant: { canUpdateOwnMetadata: true } });
      const bob = await call.join("chromium", "bob");
      await ann.setAttributes({ hand: "up" });
      await eventually("bob to see ann's raised hand", async () => {
        const { attributes } = await remote(bob, "ann");
        return attributes["hand"] === "up";
      });
    }),
);
