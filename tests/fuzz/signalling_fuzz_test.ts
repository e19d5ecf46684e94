import assert from "node:assert/strict";
import fc from "fast-check";
import { SignalRequest } from "@livekit/protocol";
import { decodeRequest } from "../../lib/signalling/signal_codec.ts";
import { clientOffer, World } from "../support/virtual/scripted_client.ts";

const SEED = 20260102;

Deno.test("decodeRequest() gives a request or undefined for any bytes and any text", () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.string(), fc.json()), (frame) => {
      const request = decodeRequest(frame);
      assert.ok(request === undefined || request instanceof SignalRequest);
    }),
    { seed: SEED, numRuns: 3_000 },
  );
});

Deno.test("A session lives through every damaged request, or ends alone with a protocol error", async () => {
  const valid = new SignalRequest({
    message: {
      case: "offer",
      value: {
        type: "offer",
        sdp: clientOffer([{ mid: "1", kind: "video", cid: "cam" }], "clientUfrag"),
        id: 1,
      } as never,
    },
  }).toBinary();
  const damage = fc.record({ at: fc.nat(valid.length - 1), to: fc.nat(255), cut: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(damage, async ({ at, to, cut }) => {
      const world = new World();
      const alice = await world.joined("alice");
      const bob = await world.joined("bob");
      const frame = valid.slice();
      frame[at] = to;
      alice.socket.onMessage(cut ? frame.subarray(0, at) : frame);
      await world.settle();
      assert.equal(world.counters.get("participant_bug"), 0);
      assert.ok([undefined, 1000, 1007].includes(alice.closeCode));
      assert.equal(bob.closeCode, undefined);
    }),
    { seed: SEED, numRuns: 150 },
  );
});
