import assert from "node:assert/strict";
import { DisconnectReason } from "@livekit/protocol";
import {
  type Device,
  deviceWords,
  endWords,
  joinWords,
  moderationWords,
  screenWords,
} from "../../../web/failure_words.js";
import { comesBack, isWorthAnotherTry, waitBeforeTry } from "../../../web/rejoin_plan.js";

const failure = (device: Device, name: string) => ({ device, error: new DOMException("", name) });

Deno.test("deviceWords() names each device, those with one cause together", () => {
  const both = deviceWords(
    [failure("microphone", "NotAllowedError"), failure("camera", "NotAllowedError")],
    true,
  );
  assert.match(both, /^The camera and the microphone are blocked\. Allow them/);
  const apart = deviceWords(
    [failure("microphone", "NotFoundError"), failure("camera", "NotReadableError")],
    true,
  );
  assert.match(apart, /No microphone was found/);
  assert.match(apart, /The camera is busy/);
  assert.match(
    deviceWords([failure("microphone", "NotFoundError"), failure("camera", "NotFoundError")], true),
    /^No camera and no microphone were found/,
  );
});

Deno.test("deviceWords() tells causes apart", () => {
  const rows = [
    ["NotAllowedError", /blocked/],
    ["NotFoundError", /No camera was found/],
    ["NotReadableError", /busy/],
    ["OverconstrainedError", /Choose another/],
    ["SomethingNew", /could not be started/],
  ] as const;
  for (const [name, words] of rows) {
    assert.match(deviceWords([failure("camera", name)], true), words);
  }
  assert.match(deviceWords([failure("camera", "TypeError")], false), /only on secure pages/);
  const refused = Object.assign(new Error("403"), { name: "PublishTrackError" });
  assert.match(deviceWords([{ device: "camera", error: refused }], true), /server did not take it/);
});

Deno.test("screenWords() says nothing of a change of mind", () => {
  assert.equal(screenWords(new DOMException("Permission denied", "NotAllowedError")), undefined);
  assert.match(
    screenWords(new DOMException("Permission denied by system", "NotAllowedError")) ?? "",
    /privacy settings/,
  );
  assert.match(screenWords(new DOMException("", "NotReadableError")) ?? "", /could not share/);
});

for (
  const [status, body, words] of [
    [401, "invalid authorization token: token has invalid claims: token is expired", /has expired/],
    [401, "invalid authorization token: token has been revoked", /were removed/],
    [401, "invalid API key", /another server/],
    [403, "room is locked", /locked/],
    [403, "permissions denied", /does not let you join/],
    [404, "requested room does not exist", /no such room/],
    [429, "too many sessions", /too many connections/],
    [500, "room has exceeded its max participants", /room is full/],
    [503, "server is stopping", /nobody in right now/],
    [200, "success", /firewall/],
  ] as const
) {
  Deno.test(`joinWords() of ${status} ${body}`, () => {
    assert.match(joinWords({ status, body }), words);
  });
}

Deno.test("joinWords() of a full room says so, whatever else is well", () => {
  assert.match(joinWords({ status: 200, body: "success", isFull: true }), /room is full/);
});

Deno.test("joinWords() without an answer says that there is none", () => {
  assert.match(joinWords({ reason: "ServerUnreachable" }), /does not answer/);
  assert.match(joinWords({ reason: "Timeout" }), /took too long/);
});

Deno.test("endWords() says something of every ending but one's own", () => {
  const names = Object.values(DisconnectReason).filter((name) => typeof name === "string");
  assert.ok(names.length > 10);
  for (const name of names) {
    assert.equal(endWords(name) === undefined, name === "CLIENT_INITIATED", name);
  }
});

Deno.test("comesBack() only where nobody meant the end", () => {
  const names = Object.values(DisconnectReason).filter((name) => typeof name === "string");
  assert.deepEqual(names.filter((name) => !comesBack(name)).sort(), [
    "CLIENT_INITIATED",
    "DUPLICATE_IDENTITY",
    "PARTICIPANT_REMOVED",
    "ROOM_CLOSED",
    "ROOM_DELETED",
    "USER_REJECTED",
    "USER_UNAVAILABLE",
  ]);
  assert.ok(comesBack(undefined));
});

Deno.test("waitBeforeTry() grows to a quarter of a minute", () => {
  const waits = [0, 1, 2, 3, 4, 50].map(waitBeforeTry);
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 15_000, 15_000]);
});

Deno.test("isWorthAnotherTry() unless the server has said no", () => {
  const statuses = [undefined, 200, 429, 500, 503, 401, 403, 404];
  assert.deepEqual(statuses.map((status) => isWorthAnotherTry({ status })), [
    true,
    true,
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
});

Deno.test("moderationWords() names the person and the reason", () => {
  assert.match(moderationWords("mute", "Bob", 403), /^Bob could not be muted: only hosts/);
  assert.match(moderationWords("remove", "Bob", 404), /^Bob could not be removed: they have just/);
  assert.match(moderationWords("mute", "Bob", undefined), /does not answer/);
});
