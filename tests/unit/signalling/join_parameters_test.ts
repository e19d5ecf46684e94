import assert from "node:assert/strict";
import { ClientInfo_Capability, ClientInfo_SDK, ReconnectReason } from "@livekit/protocol";
import { type AccessToken, verifyAccessToken } from "../../../lib/signalling/access_token.ts";
import { SignJWT } from "jose";
import {
  type Admission,
  type JoinParameters,
  readJoinParameters,
} from "../../../lib/signalling/join_parameters.ts";

const NOW = 1_800_000_000_000;
const LIMITS = { maxRoomNameLength: 8, maxParticipantIdentityLength: 8 };
const admitAll = (): Admission => ({ ok: true });

async function tokenWith(
  video: Record<string, unknown> | undefined,
  identity = "ann",
  more: Record<string, unknown> = {},
): Promise<AccessToken> {
  const jwt = await new SignJWT({ iss: "k", sub: identity, exp: NOW / 1000 + 60, video, ...more })
    .setProtectedHeader({ alg: "HS256" }).sign(new TextEncoder().encode("s"));
  const result = await verifyAccessToken(jwt, new Map([["k", "s"]]), NOW);
  assert.ok(result.ok);
  return result.token;
}

function read(
  token: AccessToken | undefined,
  query = "",
  { strict = false, admit = admitAll, userAgent = "" }: {
    strict?: boolean;
    admit?: (join: JoinParameters) => Admission;
    userAgent?: string;
  } = {},
) {
  const request = { query: new URLSearchParams(query), token, userAgent };
  return readJoinParameters(request, LIMITS, strict, admit);
}

function accepted(result: ReturnType<typeof read>): JoinParameters {
  assert.ok(result.ok, JSON.stringify(result));
  return result.join;
}

/** URL-safe padded base64, as the SDKs send attributes. */
function attributes(value: unknown): string {
  return encodeURIComponent(
    btoa(JSON.stringify(value)).replaceAll("+", "-").replaceAll("/", "_"),
  );
}

const join = { roomJoin: true, room: "r" };

Deno.test("readJoinParameters() refuses each fault with LiveKit's status and body", async () => {
  const attrs = `attributes=${attributes({ a: "1" })}`;
  const rows: [AccessToken | undefined, string, boolean, number, string][] = [
    [undefined, "", false, 401, "no permissions to access the room"],
    [await tokenWith(undefined), "", false, 401, "no permissions to access the room"],
    [await tokenWith({ room: "r" }), "", false, 401, "permissions denied"],
    [await tokenWith(join, ""), "", false, 400, "identity cannot be empty"],
    [
      await tokenWith(join, "123456789"),
      "",
      false,
      400,
      "participant identity length exceeds limits: max length 8",
    ],
    [
      await tokenWith(join, "ann"),
      "publish=12345",
      false,
      400,
      "participant identity length exceeds limits: max length 8",
    ],
    [await tokenWith({ roomJoin: true }), "", false, 400, "no room name"],
    [
      await tokenWith({ ...join, room: "123456789" }),
      "",
      false,
      400,
      "room name length exceeds limits: max length 8",
    ],
    [
      await tokenWith({ ...join, canPublish: false }),
      "publish=x",
      false,
      401,
      "no permissions to access the room",
    ],
    [await tokenWith(join), attrs, false, 401, "no permissions to access the room"],
    [await tokenWith(join), "attributes=%21", true, 400, "cannot decode attributes"],
  ];
  for (const [token, query, strict, status, body] of rows) {
    assert.deepEqual(read(token, query, { strict }), { ok: false, status, body });
  }
});

Deno.test("readJoinParameters() reports the first of several faults", async () => {
  const none = await tokenWith({ room: "123456789" }, "");
  assert.equal((read(none) as { body: string }).body, "permissions denied");
  const noIdentity = await tokenWith({ roomJoin: true }, "");
  assert.equal((read(noIdentity) as { body: string }).body, "identity cannot be empty");
  // Undecodable attributes come before the permission to join, as join_request decoding does.
  const result = read(none, "attributes=%21", { strict: true });
  assert.equal((result as { body: string }).body, "cannot decode attributes");
});

Deno.test("readJoinParameters() asks the room layer before it looks at the permission to set attributes", async () => {
  const refusal = { ok: false, status: 404, body: "requested room does not exist" } as const;
  const token = await tokenWith(join);
  const asked: JoinParameters[] = [];
  const admit = (parameters: JoinParameters): Admission => {
    asked.push(parameters);
    return refusal;
  };
  assert.deepEqual(read(token, `attributes=${attributes({ a: "1" })}`, { admit }), refusal);
  assert.equal(asked[0]?.roomName, "r");
  assert.equal(read(await tokenWith({ room: "r" }), "", { admit }).ok, false);
  assert.equal(asked.length, 1, "a token without roomJoin never reaches the room layer");
});

Deno.test("readJoinParameters() has LiveKit's defaults for an empty query", async () => {
  const parameters = accepted(read(await tokenWith(join)));
  assert.equal(parameters.autoSubscribe, true);
  assert.equal(parameters.adaptiveStream, false);
  assert.equal(parameters.reconnect, false);
  assert.equal(parameters.disableIceLite, false);
  assert.equal(parameters.autoSubscribeDataTrack, undefined);
  assert.equal(parameters.subscriberAllowPause, undefined);
  assert.equal(parameters.participantSid, undefined);
  assert.equal(parameters.reconnectReason, ReconnectReason.RR_UNKNOWN);
  assert.equal(parameters.clientInfo.protocol, 0);
});

Deno.test("readJoinParameters() takes only 1 and true for true", async () => {
  const token = await tokenWith(join);
  for (const [text, value] of [["1", true], ["true", true], ["yes", false], ["0", false]]) {
    const query = `auto_subscribe=${text}&adaptive_stream=${text}&subscriber_allow_pause=${text}`;
    const parameters = accepted(read(token, query));
    assert.equal(parameters.autoSubscribe, value);
    assert.equal(parameters.adaptiveStream, value);
    assert.equal(parameters.subscriberAllowPause, value);
  }
});

Deno.test("readJoinParameters() reads sid only together with reconnect", async () => {
  const token = await tokenWith(join);
  assert.equal(accepted(read(token, "sid=PA_x")).participantSid, undefined);
  const parameters = accepted(read(token, "sid=PA_x&reconnect=1&reconnect_reason=3"));
  assert.equal(parameters.participantSid, "PA_x");
  assert.equal(parameters.reconnectReason, ReconnectReason.RR_SUBSCRIBER_FAILED);
  const unknown = accepted(read(token, "reconnect=1&reconnect_reason=99"));
  assert.equal(unknown.reconnectReason, ReconnectReason.RR_UNKNOWN);
});

Deno.test("readJoinParameters() makes a publish-only identity of `publish`", async () => {
  const parameters = accepted(read(await tokenWith(join), "publish=cam2"));
  assert.equal(parameters.identity, "ann#cam2");
  assert.equal(parameters.grant.canSubscribe, false);
  assert.equal(parameters.publish, "cam2");
});

Deno.test("readJoinParameters() merges attributes over the token's and skips empty values", async () => {
  const token = await tokenWith({ ...join, canUpdateOwnMetadata: true }, "ann", {
    attributes: { a: "1", b: "2" },
  });
  const query = `attributes=${attributes({ a: "", b: "3", c: "4" })}`;
  assert.deepEqual(accepted(read(token, query)).attributes, { a: "1", b: "3", c: "4" });
});

Deno.test("readJoinParameters() ignores undecodable attributes on the WebSocket path", async () => {
  const token = await tokenWith(join);
  const bad = ["%21", "e30", attributes([1]), attributes({ a: 1 }), attributes("x"), "____"];
  for (const value of bad) {
    assert.deepEqual(accepted(read(token, `attributes=${value}`)).attributes, {});
    assert.equal(read(token, `attributes=${value}`, { strict: true }).ok, false, value);
  }
});

Deno.test("readJoinParameters() reads the client's description of itself", async () => {
  const query = "sdk=js&version=2.1&protocol=16&client_protocol=1&os=Linux&browser=Firefox" +
    "&browser_version=140&device_model=m&network=wifi&capabilities=CAP_PACKET_TRAILER,%20CAP_NEW";
  const { clientInfo } = accepted(read(await tokenWith(join), query));
  assert.equal(clientInfo.sdk, ClientInfo_SDK.JS);
  assert.equal(clientInfo.version, "2.1");
  assert.equal(clientInfo.protocol, 16);
  assert.equal(clientInfo.clientProtocol, 1);
  assert.equal(clientInfo.browser, "Firefox");
  assert.equal(clientInfo.network, "wifi");
  assert.deepEqual(clientInfo.capabilities, [ClientInfo_Capability.CAP_PACKET_TRAILER]);
});

Deno.test("readJoinParameters() fills browser and system from the User-Agent for SDKs that run in browsers", async () => {
  const userAgent = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 " +
    "(KHTML, like Gecko) Version/18.5 Safari/605.1.15";
  const token = await tokenWith(join);
  const js = accepted(read(token, "sdk=js", { userAgent })).clientInfo;
  assert.deepEqual([js.browser, js.browserVersion], ["Safari", "18.5"]);
  assert.deepEqual([js.os, js.osVersion], ["Mac OS X", "10.15.7"]);
  assert.equal(accepted(read(token, "sdk=go", { userAgent })).clientInfo.browser, "");
});

Deno.test("readJoinParameters() treats a number it cannot read as zero", async () => {
  for (const text of ["x", "", "99999999999", "4294967296", "1e3"]) {
    const { clientInfo } = accepted(read(await tokenWith(join), `protocol=${text}`));
    assert.equal(clientInfo.protocol, 0, text);
  }
});

Deno.test("readJoinParameters() counts name lengths in UTF-8 bytes, as the limit is meant", async () => {
  assert.equal(read(await tokenWith(join, "éééé")).ok, true);
  assert.equal(read(await tokenWith(join, "ééééé")).ok, false);
});
