import assert from "node:assert/strict";
import {
  ClientInfo,
  ClientInfo_SDK,
  DisconnectReason as Reason,
  LeaveRequest,
  LeaveRequest_Action as Action,
  RegionSettings,
} from "@livekit/protocol";
import { ClientTraits } from "../../../../lib/room/context/client_traits.ts";
import {
  leaveMessage,
  reasonOfClientLeave,
  resumeRequest,
} from "../../../../lib/room/context/close_reason.ts";

const traits = (protocol: number) =>
  new ClientTraits(new ClientInfo({ sdk: ClientInfo_SDK.JS, version: "2.23.0", protocol }));

Deno.test("leaveMessage() says by action or by can_reconnect whether to come back, as the client reads it", () => {
  const cases = [
    [12, "disconnect", false, Action.DISCONNECT],
    [12, "reconnect", true, Action.DISCONNECT],
    [13, "disconnect", false, Action.DISCONNECT],
    [13, "reconnect", false, Action.RECONNECT],
  ] as const;
  for (const [protocol, farewell, canReconnect, action] of cases) {
    const leave = leaveMessage(traits(protocol), Reason.STATE_MISMATCH, farewell);
    assert.deepEqual([leave.canReconnect, leave.action, leave.reason], [
      canReconnect,
      action,
      Reason.STATE_MISMATCH,
    ], `protocol ${protocol}, ${farewell}`);
  }
  assert.equal(resumeRequest(traits(12), Reason.CONNECTION_TIMEOUT), undefined);
  const asked = resumeRequest(traits(13), Reason.CONNECTION_TIMEOUT);
  assert.ok(asked?.case === "leave");
  assert.equal(asked.value.action, Action.RESUME);
});

Deno.test("leaveMessage() and resumeRequest() name regions to those who are to come back and can read it", () => {
  const regions = new RegionSettings({ regions: [{ region: "eu", url: "wss://eu" }] });
  const told = (protocol: number, farewell: "disconnect" | "reconnect") =>
    leaveMessage(traits(protocol), Reason.SERVER_SHUTDOWN, farewell, regions).regions;
  assert.deepEqual(told(13, "reconnect"), regions);
  assert.equal(told(13, "disconnect"), undefined);
  assert.equal(told(12, "reconnect"), undefined);
  const resume = resumeRequest(traits(13), Reason.SERVER_SHUTDOWN, regions);
  assert.ok(resume?.case === "leave");
  assert.deepEqual(resume.value.regions, regions);
});

Deno.test("reasonOfClientLeave() takes over three reasons of the client's, and no other word of it", () => {
  const own = [Reason.USER_UNAVAILABLE, Reason.USER_REJECTED, Reason.AGENT_ERROR];
  for (const reason of Object.values(Reason).filter((value) => typeof value === "number")) {
    const expected = own.includes(reason) ? reason : Reason.CLIENT_INITIATED;
    assert.equal(reasonOfClientLeave(new LeaveRequest({ reason })), expected);
  }
});
