import assert from "node:assert/strict";
import { assertNoExtraMediaSections, assertReceives } from "../support/sdk/call_assertions.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import type { ReceivedMedia } from "../support/sdk/sdk_client.ts";

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

endToEndTest("vp9 video with layers inside one stream follows the wanted quality", [
  "chromium",
], () =>
  fixture.call("svc-vp9", async (call) => {
    const ann = await call.join("chromium", "ann");
    const bob = await call.join("chromium", "bob");
    const sid = await ann.publishVideo({ codec: "vp9", color: [40, 160, 60] });
    const untilWidth = async (width: number) => {
      let last: ReceivedMedia | undefined;
      let framesAtFirst: number | undefined;
      await eventually(`${sid} to be ${width} pixels wide`, async () => {
        last = await bob.media(sid);
        if (last.frameWidth !== width) framesAtFirst = undefined;
        else framesAtFirst ??= last.framesDecoded;
        return framesAtFirst !== undefined && last.framesDecoded >= framesAtFirst + 10;
      }, { deadlineMs: 60_000, seen: () => ({ last }) });
    };
    await untilWidth(640);
    await bob.setQuality(sid, "low");
    // Of 640 × 360 libwebrtc makes two layers.
    await untilWidth(320);
    await bob.setQuality(sid, "high");
    await untilWidth(640);
    assert.equal((await bob.media(sid)).codec, "video/VP9");
    await assertNoExtraMediaSections(bob, { sent: 0, received: 1 });
  }));
