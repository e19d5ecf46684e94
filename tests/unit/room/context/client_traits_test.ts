import assert from "node:assert/strict";
import { ClientInfo, ClientInfo_SDK, DisconnectReason, LeaveRequest } from "@livekit/protocol";
import { ClientTraits } from "../../../../lib/room/context/client_traits.ts";
import { leaveMessage, reasonOfClientLeave } from "../../../../lib/room/context/close_reason.ts";

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

Deno.test("leaveMessage() says can_reconnect to old clients and an action to new ones", () => {
  const old = leaveMessage(traits({ protocol: 12 }), DisconnectReason.STATE_MISMATCH, "reconnect");
  const now = leaveMessage(traits({ protocol: 13 }), DisconnectReason.STATE_MISMATCH, "reconnect");
  assert.deepEqual([old.canReconnect, old.action], [true, 0]);
  assert.deepEqual([now.canReconnect, now.action], [false, 2]);
});

Deno.test("reasonOfClientLeave() keeps the four reasons a client may give", () => {
  const reason = (given: DisconnectReason) =>
    reasonOfClientLeave(new LeaveRequest({ reason: given }));
  assert.equal(reason(DisconnectReason.USER_REJECTED), DisconnectReason.USER_REJECTED);
  assert.equal(reason(DisconnectReason.AGENT_ERROR), DisconnectReason.AGENT_ERROR);
  assert.equal(reason(DisconnectReason.SERVER_SHUTDOWN), DisconnectReason.CLIENT_INITIATED);
  assert.equal(reason(DisconnectReason.UNKNOWN_REASON), DisconnectReason.CLIENT_INITIATED);
});
