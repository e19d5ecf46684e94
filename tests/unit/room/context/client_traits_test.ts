import assert from "node:assert/strict";
import { ClientInfo, ClientInfo_SDK } from "@livekit/protocol";
import { ClientTraits } from "../../../../lib/room/context/client_traits.ts";

const traits = (info: ConstructorParameters<typeof ClientInfo>[0]) =>
  new ClientTraits(new ClientInfo(info));

Deno.test("ClientTraits changes with the protocol exactly where the protocol says so", () => {
  const at = (protocol: number) => traits({ protocol });
  const steps: [keyof ClientTraits, number][] = [
    ["subscriberPrimary", 3],
    ["reusesTransceivers", 4],
    ["trackUnpublished", 7],
    ["fastStart", 8],
    ["disconnectedUpdatesOnResume", 9],
    ["leaveAction", 13],
    ["successResponses", 15],
  ];
  for (const [trait, first] of steps) {
    assert.deepEqual([at(first - 1)[trait], at(first)[trait]], [false, true], trait);
  }
});

Deno.test("ClientTraits knows the faults of browsers and SDKs", () => {
  const protocol = 16;
  assert.equal(traits({ protocol, browser: "Safari" }).reusesTransceivers, false);
  assert.equal(traits({ protocol, browser: "Firefox", os: "Linux" }).followsAnswerOrder, false);
  assert.equal(traits({ protocol, browser: "Firefox", os: "Mac OS X" }).followsAnswerOrder, true);
  assert.equal(traits({ protocol, browser: "Chrome", os: "Linux" }).followsAnswerOrder, true);
  const { RUST, JS, GO } = ClientInfo_SDK;
  assert.equal(traits({ protocol: 9, sdk: RUST }).requestResponses, false);
  assert.equal(traits({ protocol: 10, sdk: RUST }).requestResponses, true);
  assert.equal(traits({ sdk: JS, version: "1.6.2" }).reconnectResponse, false);
  assert.equal(traits({ sdk: JS, version: "1.10.0" }).reconnectResponse, true);
  assert.equal(traits({ sdk: GO }).publishesByDescription, false);
});
