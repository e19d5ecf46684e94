/**
 * Firefox as people have it has no candidate on loopback and pairs none with one: a server on
 * 127.0.0.1 is asked there, at the address that is advertised beside it.
 *
 * @module
 */
import {
  assertCleanLeave,
  assertReceives,
  publishCameraAndMicrophone,
} from "../support/sdk/call_assertions.ts";
import { CallFixture, CONNECTION_MODES } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";

const fixture = CallFixture.forThisFile({ config: { rtc: { node_ip: "127.0.0.1" } } });

const ORDERS = [["firefox", "chromium"], ["chromium", "firefox"]] as const;

for (
  const [mode, [first, second]] of CONNECTION_MODES.flatMap((mode) =>
    ORDERS.map((order) => [mode, order] as const)
  )
) {
  endToEndTest(
    `${first}, then ${second}, meet on 127.0.0.1 (${mode})`,
    ["chromium", "firefox"],
    () =>
      fixture.call(`loopback-${first}-then-${second}`, async (call) => {
        const ann = await call.join(first, "ann");
        const fromAnn = await publishCameraAndMicrophone(ann, { color: [200, 40, 40], hz: 440 });
        const bob = await call.join(second, "bob");
        const fromBob = await publishCameraAndMicrophone(bob, { color: [40, 160, 60], hz: 880 });
        await assertReceives(bob, ann, fromAnn);
        await assertReceives(ann, bob, fromBob);
        await assertCleanLeave(ann, bob);
      }, mode),
  );
}
