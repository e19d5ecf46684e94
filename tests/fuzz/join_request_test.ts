import assert from "node:assert/strict";
import fc from "fast-check";
import { verifyAccessToken } from "../../lib/signalling/access_token.ts";
import { readJoinParameters } from "../../lib/signalling/join_parameters.ts";
import { parseUserAgent } from "../../lib/signalling/user_agent.ts";

const RUN = { seed: 20_261, numRuns: 500 };
const KEYS = new Map([["k", "s"]]);

Deno.test("verifyAccessToken() answers arbitrary text with a refusal and never throws", async () => {
  const part = fc.oneof(fc.string({ unit: "binary" }), fc.base64String(), fc.json().map(btoaSafe));
  const jwt = fc.oneof(fc.string(), fc.tuple(part, part, part).map((parts) => parts.join(".")));
  await fc.assert(
    fc.asyncProperty(jwt, async (text) => {
      const result = await verifyAccessToken(text, KEYS, 0);
      assert.equal(result.ok, false);
    }),
    RUN,
  );
});

Deno.test("readJoinParameters() answers an arbitrary query with parameters or a refusal", () => {
  const name = fc.constantFrom(
    "attributes",
    "protocol",
    "publish",
    "reconnect",
    "sid",
    "sdk",
    "capabilities",
    "reconnect_reason",
    "auto_subscribe",
  );
  const query = fc.array(fc.tuple(name, fc.oneof(fc.string(), fc.base64String())));
  const video = {
    roomJoin: true,
    room: "r",
    canPublish: true,
    canUpdateOwnMetadata: true,
  };
  const token = { identity: "a", attributes: {}, video, expiresAt: 1, roomPreset: "" };
  fc.assert(
    fc.property(query, fc.string(), fc.boolean(), (pairs, userAgent, strict) => {
      const request = {
        query: new URLSearchParams(pairs),
        token: token as unknown as Parameters<typeof readJoinParameters>[0]["token"],
        userAgent,
        address: "",
      };
      const limits = { maxRoomNameLength: 256, maxParticipantIdentityLength: 256 };
      const result = readJoinParameters(request, limits, strict, () => ({ ok: true }));
      // Only undecodable attributes can be wrong here, and they are refused only where that is strict.
      if (!result.ok) assert.deepEqual([strict, result.status], [true, 400]);
    }),
    RUN,
  );
});

Deno.test("parseUserAgent() is total on arbitrary text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 2000 }), (text) => {
      assert.equal(typeof parseUserAgent(text).browser, "string");
    }),
    RUN,
  );
});

function btoaSafe(json: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(json))).replaceAll("=", "");
}
