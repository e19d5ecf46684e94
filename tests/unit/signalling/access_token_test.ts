import assert from "node:assert/strict";
import { SignJWT } from "jose";
import { ParticipantInfo_Kind, RoomConfiguration, TrackSource } from "@livekit/protocol";
import { AccessToken as SdkToken, TokenVerifier } from "livekit-server-sdk";
import { signAccessToken, verifyAccessToken } from "../../../lib/signalling/access_token.ts";

const KEYS = new Map([["devkey", "secret"], ["other", "another-secret"]]);
/** An arbitrary moment; every test gives its own times relative to it. */
const NOW = 1_800_000_000_000;
const NOW_S = NOW / 1000;

function sign(
  claims: Record<string, unknown>,
  { secret = "secret", alg = "HS256" }: { secret?: string; alg?: string } = {},
): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg }).sign(new TextEncoder().encode(secret));
}

async function refusal(jwt: string): Promise<string> {
  const result = await verifyAccessToken(jwt, KEYS, NOW);
  if (result.ok) return "accepted";
  assert.equal(result.status, 401);
  return result.body;
}

const good = { iss: "devkey", sub: "ann", exp: NOW_S + 600, video: { roomJoin: true, room: "r" } };

Deno.test("verifyAccessToken() fills LiveKit's defaults for what the video grant leaves out", async () => {
  const result = await verifyAccessToken(await sign(good), KEYS, NOW);
  assert.ok(result.ok);
  const { token } = result;
  assert.equal(token.identity, "ann");
  assert.equal(token.apiKey, "devkey");
  assert.equal(token.expiresAt, NOW + 600_000);
  assert.equal(token.kind, ParticipantInfo_Kind.STANDARD);
  assert.equal(token.video?.canPublish, true);
  assert.equal(token.video?.canSubscribe, true);
  assert.equal(token.video?.canPublishData, true);
  assert.equal(token.video?.canUpdateOwnMetadata, false);
  assert.deepEqual(token.video?.canPublishSources, []);
});

Deno.test("verifyAccessToken() lets canPublishData follow canPublish unless it is given", async () => {
  const grant = async (video: Record<string, unknown>) => {
    const result = await verifyAccessToken(await sign({ ...good, video }), KEYS, NOW);
    assert.ok(result.ok);
    return result.token.video?.canPublishData;
  };
  assert.equal(await grant({ canPublish: false }), false);
  assert.equal(await grant({ canPublish: false, canPublishData: true }), true);
  assert.equal(await grant({ canPublishData: false }), false);
});

Deno.test("verifyAccessToken() reads every claim that a session uses", async () => {
  const result = await verifyAccessToken(
    await sign({
      ...good,
      name: "Ann",
      kind: "agent",
      kindDetails: ["cloud_agent", "not-a-detail"],
      metadata: "m",
      attributes: { a: "1" },
      sip: { admin: true },
      roomPreset: "p",
      roomConfig: { emptyTimeout: 7, unknownField: 1 },
      video: { ...good.video, canPublishSources: ["camera", "screen_share"], hidden: true },
    }),
    KEYS,
    NOW,
  );
  assert.ok(result.ok);
  const { token } = result;
  assert.equal(token.name, "Ann");
  assert.equal(token.kind, ParticipantInfo_Kind.AGENT);
  assert.equal(token.kindDetails.length, 1);
  assert.equal(token.metadata, "m");
  assert.deepEqual(token.attributes, { a: "1" });
  assert.deepEqual(token.sip, { admin: true, call: false });
  assert.equal(token.roomPreset, "p");
  assert.equal(token.roomConfig?.emptyTimeout, 7);
  assert.deepEqual(token.video?.canPublishSources, [TrackSource.CAMERA, TrackSource.SCREEN_SHARE]);
  assert.equal(token.video?.hidden, true);
});

Deno.test("verifyAccessToken() takes jti for a missing sub", async () => {
  const { sub: _, ...rest } = good;
  const result = await verifyAccessToken(await sign({ ...rest, jti: "bob" }), KEYS, NOW);
  assert.ok(result.ok);
  assert.equal(result.token.identity, "bob");
});

Deno.test("verifyAccessToken() answers 'invalid authorization token' to what is no token", async () => {
  const headless = `${btoa("{}").replaceAll("=", "")}.${btoa("{}").replaceAll("=", "")}.x`;
  for (const text of ["x", "a.b.c", "..", "", headless, "€.€.€"]) {
    assert.equal(await refusal(text), "invalid authorization token", text);
  }
  assert.equal(await refusal(await sign({ ...good, exp: "soon" })), "invalid authorization token");
});

Deno.test("verifyAccessToken() answers 'invalid API key' to an unknown or missing issuer", async () => {
  assert.equal(await refusal(await sign({ ...good, iss: "nobody" })), "invalid API key");
  assert.equal(await refusal(await sign({ ...good, iss: undefined })), "invalid API key");
});

Deno.test("verifyAccessToken() refuses a signature by another secret, another key or another algorithm", async () => {
  const detail = "invalid authorization token: token signature is invalid";
  const ok = await sign(good);
  const unsigned = `${btoa('{"alg":"none"}').replaceAll("=", "")}.${ok.split(".")[1]}.`;
  for (
    const jwt of [
      await sign(good, { secret: "another-secret" }),
      await sign({ ...good, iss: "other" }),
      await sign(good, { alg: "HS512" }),
      unsigned,
      ok.slice(0, -4) + "AAAA",
    ]
  ) {
    assert.ok((await refusal(jwt)).startsWith(detail), await refusal(jwt));
  }
});

Deno.test("verifyAccessToken() allows one minute of leeway for exp and nbf and not a second more", async () => {
  const claims = "invalid authorization token: token has invalid claims: token is";
  assert.equal(await refusal(await sign({ ...good, exp: NOW_S - 59 })), "accepted");
  assert.equal(await refusal(await sign({ ...good, exp: NOW_S - 60 })), `${claims} expired`);
  assert.equal(await refusal(await sign({ ...good, nbf: NOW_S + 60 })), "accepted");
  assert.equal(await refusal(await sign({ ...good, nbf: NOW_S + 61 })), `${claims} not valid yet`);
});

Deno.test("verifyAccessToken() refuses a token that never expires", async () => {
  assert.equal(
    await refusal(await sign({ ...good, exp: undefined })),
    "invalid authorization token: token has invalid claims: " +
      "token is missing required claim: exp claim is required",
  );
});

Deno.test("verifyAccessToken() refuses claims of a wrong type even when they are signed", async () => {
  for (
    const wrong of [
      { video: { roomJoin: "yes" } },
      { video: "all" },
      { attributes: { a: 1 } },
      { name: 4 },
      { roomConfig: { emptyTimeout: "never" } },
    ]
  ) {
    assert.match(await refusal(await sign({ ...good, ...wrong })), /token is malformed/);
  }
});

Deno.test("verifyAccessToken() reads null claims as absent", async () => {
  const video = { roomJoin: true, room: "r", canPublish: null };
  assert.equal(await refusal(await sign({ ...good, name: null, video })), "accepted");
});

Deno.test("verifyAccessToken() accepts what livekit-server-sdk signs", async () => {
  const sdk = new SdkToken("devkey", "secret", { identity: "zoe", name: "Zoe", ttl: "1h" });
  sdk.addGrant({ roomJoin: true, room: "den", canPublish: false });
  const result = await verifyAccessToken(await sdk.toJwt(), KEYS, Date.now());
  assert.ok(result.ok);
  assert.equal(result.token.identity, "zoe");
  assert.equal(result.token.video?.room, "den");
  assert.equal(result.token.video?.canPublish, false);
});

Deno.test("signAccessToken() is read by livekit-server-sdk", async () => {
  const jwt = await signAccessToken(
    { apiKey: "devkey", secret: "secret" },
    {
      identity: "ann",
      name: "Ann",
      attributes: { k: "v" },
      video: { roomJoin: true, room: "r", canPublish: false },
    },
    Date.now(),
    60_000,
  );
  const claims = await new TokenVerifier("devkey", "secret").verify(jwt);
  assert.equal(claims.sub, "ann");
  assert.equal(claims.name, "Ann");
  assert.deepEqual(claims.attributes, { k: "v" });
  assert.deepEqual(claims.video, { roomJoin: true, room: "r", canPublish: false });
});

Deno.test("signAccessToken() and verifyAccessToken() round-trip a full grant", async () => {
  const jwt = await signAccessToken(
    { apiKey: "other", secret: "another-secret" },
    {
      identity: "ann",
      kind: ParticipantInfo_Kind.SIP,
      roomPreset: "p",
      roomConfig: new RoomConfiguration({ maxParticipants: 3 }),
      video: {
        roomJoin: true,
        room: "r",
        canSubscribe: false,
        canPublishSources: [TrackSource.MICROPHONE],
        canUpdateOwnMetadata: true,
      },
    },
    NOW,
    60_000,
  );
  const result = await verifyAccessToken(jwt, KEYS, NOW);
  assert.ok(result.ok);
  assert.equal(result.token.kind, ParticipantInfo_Kind.SIP);
  assert.equal(result.token.roomPreset, "p");
  assert.equal(result.token.roomConfig?.maxParticipants, 3);
  assert.equal(result.token.expiresAt, NOW + 60_000);
  assert.equal(result.token.video?.canSubscribe, false);
  assert.equal(result.token.video?.canUpdateOwnMetadata, true);
  assert.deepEqual(result.token.video?.canPublishSources, [TrackSource.MICROPHONE]);
});
