import { assertNoExtraMediaSections, assertReceives } from "../support/call_assertions.ts";
import { CallFixture } from "../support/call_fixture.ts";
import { endToEndTest } from "../support/e2e_requirements.ts";
import assert from "node:assert/strict";

const fixture = CallFixture.forThisFile();

for (const codec of ["vp8", "h264", "vp9", "av1"] as const) {
  endToEndTest(
    `${codec} video is forwarded as it was published`,
    ["chromium"],
    () =>
      fixture.call(`codec-${codec}`, async (call) => {
        const ann = await call.join("chromium", "ann");
        const bob = await call.join("chromium", "bob");
        const color = [40, 160, 60] as const;
        const sid = await ann.publishVideo({ codec, color });
        const dimensions = { width: 640, height: 360 };
        await assertReceives(bob, ann, [{
          sid,
          kind: "video",
          source: "camera",
          color,
          dimensions,
        }]);
        assert.equal((await bob.media(sid)).codec, `video/${codec.toUpperCase()}`);
        await assertNoExtraMediaSections(bob, { sent: 0, received: 1 });
      }),
  );
}
