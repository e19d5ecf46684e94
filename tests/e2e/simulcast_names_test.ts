/**
 * Layers whose names say nothing, or the opposite of what they are: the pictures tell.
 *
 * @module
 */
import { remote } from "../support/sdk/call_assertions.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";

const fixture = CallFixture.forThisFile();

/**
 * Ids of the smaller and the larger layer. Listed in this order the first would be the best one.
 */
const NAMES = [["0", "1"], ["anna", "berta"], ["l", "h"]] as const;
const SMALL = 180;
const LARGE = 360;

for (const rids of NAMES) {
  endToEndTest(
    `a viewer gets the larger of the layers ${rids.join(" and ")}, and the smaller if it asks`,
    ["chromium"],
    () =>
      fixture.call(`names-${rids.join("-")}`, async (call) => {
        const viewer = await call.join("chromium", "viewer");
        const whip = await call.whip("chromium", "whip");
        await whip.join({ video: { color: [200, 40, 40] }, simulcast: true, rids });
        const sid = await eventually("the track", async () => {
          return (await remote(viewer, "whip")).tracks[0]?.sid;
        });
        const height = async (wanted: number) => {
          await eventually(`pictures ${wanted} high`, async () => {
            return (await viewer.media(sid)).frameHeight === wanted;
          }, { seen: () => viewer.media(sid) });
        };
        await height(LARGE);
        await viewer.setQuality(sid, "low");
        await height(SMALL);
        await viewer.setQuality(sid, "high");
        await height(LARGE);
        await eventually("the track to be as large as its larger layer", async () => {
          return (await remote(viewer, "whip")).tracks[0]?.dimensions?.height === LARGE;
        }, { seen: () => remote(viewer, "whip") });
      }),
  );
}
