/**
 * Native SRTP with each profile alone, between browsers: whoever does not offer it has no media.
 *
 * @module
 */
import {
  assertCleanLeave,
  assertReceives,
  publishCameraAndMicrophone,
} from "../support/sdk/call_assertions.ts";
import { CallFixture } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { LIBCRYPTO, SRTP_PROFILES } from "../support/media/srtp_twins.ts";

const PAIRS = [["chromium", "chromium"], ["firefox", "chromium"]] as const;

if (LIBCRYPTO !== undefined) {
  for (const profile of SRTP_PROFILES) {
    const fixture = CallFixture.forThisFile({ nativeSrtpProfile: profile });
    for (const [first, second] of PAIRS) {
      endToEndTest(
        `${first} and ${second} call each other with native SRTP, profile ${profile} alone`,
        ["chromium", ...(first === "firefox" ? ["firefox" as const] : [])],
        () =>
          fixture.call(`native-srtp-${profile}-${first}`, async (call) => {
            const ann = await call.join(first, "ann");
            const fromAnn = await publishCameraAndMicrophone(ann, {
              color: [200, 40, 40],
              hz: 440,
            });
            const bob = await call.join(second, "bob");
            const fromBob = await publishCameraAndMicrophone(bob, {
              color: [40, 160, 60],
              hz: 880,
            });
            await assertReceives(bob, ann, fromAnn);
            await assertReceives(ann, bob, fromBob);
            await assertCleanLeave(ann, bob);
          }),
      );
    }
  }
}
