/**
 * A subscriber far away whose path loses packets: with flexfec-03 switched on, Chromium takes repair
 * packets and makes of them what was lost. Two of them watch the same call, each on a path of its own
 * and with another number of connections.
 *
 * @module
 */
import assert from "node:assert/strict";
import { DEFAULT_ENABLED_MIMES } from "../../lib/negotiation/codec_catalog.ts";
import { all } from "../support/peers/data_scenarios.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { LossyProxy } from "../support/process/lossy_proxy.ts";
import type { BrowserClient } from "../support/sdk/browser_client.ts";
import {
  type Call,
  CallFixture,
  CONNECTION_MODES,
  type ConnectionMode,
} from "../support/sdk/call_fixture.ts";
import { watchInbound } from "../support/sdk/stream_totals.ts";

const enabled = [...DEFAULT_ENABLED_MIMES, "video/flexfec-03"];
const fixture = CallFixture.forThisFile({
  config: { room: { enabled_codecs: enabled.map((mime) => ({ mime })) } },
});
const SEED = 5;
const LOSS = 0.05;
const ONE_WAY_MS = 120;
const LOOK_MS = 15_000;

/** What one received stream did in a while. */
async function during(client: BrowserClient, sid: string, ms: number) {
  const { grown } = await watchInbound(client, sid, ms);
  return {
    frames: grown("framesDecoded"),
    packets: grown("packetsReceived"),
    repair: grown("fecPacketsReceived"),
    unused: grown("fecPacketsDiscarded"),
    asked: grown("nackCount"),
    resent: grown("retransmittedPacketsReceived"),
    freezes: grown("freezeCount"),
    lost: grown("packetsLost"),
    seconds: ms / 1_000,
  };
}

/** A subscriber's path loses nothing at first, and then does. */
async function assertRepaired(call: Call, mode: ConnectionMode, sid: string): Promise<void> {
  await using proxy = new LossyProxy(SEED);
  proxy.down.delayMs = proxy.up.delayMs = ONE_WAY_MS;
  const bob = await call.joinBehind(proxy, "chromium", `bob-${mode}`, mode);
  await eventually("the first picture", async () => {
    return ((await bob.inbound(sid))["framesDecoded"] ?? 0) > 0;
  });
  const clean = await during(bob, sid, 3_000);
  assert.equal(clean.repair, 0, JSON.stringify(clean));
  proxy.down.loss = LOSS;
  await eventually("repair packets", async () => {
    return ((await bob.inbound(sid))["fecPacketsReceived"] ?? 0) > 0;
  }, { seen: () => bob.inbound(sid) });
  const lossy = await during(bob, sid, LOOK_MS);
  const seen = JSON.stringify(lossy);
  assert.ok(lossy.repair > lossy.packets * 0.05, seen);
  assert.ok(lossy.frames > lossy.seconds * 8, seen);
  console.log(JSON.stringify({ mode, clean, lossy }));
  assert.deepEqual(await bob.errors(), []);
}

endToEndTest(
  "Chromiums far away get repair packets in advance where packets are lost, and none where not",
  ["chromium"],
  () =>
    fixture.call("repair", async (call) => {
      const ann = await call.join("chromium", "ann");
      const sid = await ann.publishVideo({ noise: true, maxBitrate: 600_000, simulcast: false });
      await all(CONNECTION_MODES, String, (mode) => assertRepaired(call, mode, sid));
    }),
);
