import assert from "node:assert/strict";
import {
  assertReceives,
  assertVideoFlows,
  publishCameraAndMicrophone,
} from "../support/sdk/call_assertions.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { createNamespace } from "../support/wire/network_namespace.ts";
import { withSplitCall } from "../support/sdk/split_call.ts";
import { pause } from "../support/wire/until.ts";

/** The server calls a client lost after 15 s of silence; Chromium does so after about as long. */
const SHORT_BLOCK_MS = 10_000;
/** No frame for this long: nothing comes through any more. */
const STILL_MS = 1_500;

/** Ann, behind a path that is blocked for a while, and bob, whose path is not, are in a call. */
async function block(blockedMs: number): Promise<void> {
  await using inside = await createNamespace();
  // Without TCP candidates there is no other way.
  const config = { rtc: { tcp_port: 0 } };
  await withSplitCall(inside, { config }, async ({ join }) => {
    await using ann = await join("inside", "ann");
    const fromAnn = await publishCameraAndMicrophone(ann, { color: [200, 40, 40], hz: 440 });
    await using bob = await join("outside", "bob");
    const fromBob = await publishCameraAndMicrophone(bob, { color: [40, 160, 60], hz: 880 });
    await assertReceives(bob, ann, fromAnn);
    await assertReceives(ann, bob, fromBob);
    const { sid } = (await ann.snapshot()).local;
    const frames = async () => (await bob.media(fromAnn[0]!.sid)).framesDecoded;

    await inside.blockUdp();
    const blockedAt = performance.now();
    await eventually("ann's video to stop at bob", async () => {
      const before = await frames();
      await pause(STILL_MS);
      return await frames() === before;
    });
    await pause(Math.max(0, blockedMs - (performance.now() - blockedAt)));
    await inside.allowUdp();

    await assertVideoFlows(bob, fromAnn[0]!);
    await assertVideoFlows(ann, fromBob[0]!);
    await eventually(
      "ann to be connected",
      async () => (await ann.snapshot()).state === "connected",
    );
    const after = await ann.snapshot();
    assert.equal(after.local.sid, sid, "the session is the same");
    assert.deepEqual((await bob.snapshot()).departed, [], "bob never saw ann leave");
    await assertReceives(bob, ann, fromAnn);
    await assertReceives(ann, bob, fromBob);
  });
}

endToEndTest(
  "Chromium's call survives a path for datagrams that is blocked for 10 s",
  ["chromium", "network-namespaces"],
  () => block(SHORT_BLOCK_MS),
);
