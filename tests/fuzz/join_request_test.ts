import assert from "node:assert/strict";
import fc from "fast-check";
import {
  JoinRequest,
  WrappedJoinRequest,
  type WrappedJoinRequest_Compression as Compression,
} from "@livekit/protocol";
import { gzipSync } from "node:zlib";
import { verifyAccessToken } from "../../lib/signalling/access_token.ts";
import { readJoinParameters } from "../../lib/signalling/join_parameters.ts";
import { decodeJoinRequest } from "../../lib/signalling/join_request.ts";
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
      };
      const limits = { maxRoomNameLength: 256, maxParticipantIdentityLength: 256 };
      const result = readJoinParameters(request, limits, strict, () => ({ ok: true }));
      // Only undecodable attributes can be wrong here, and they are refused only where that is
      // strict.
      if (!result.ok) assert.deepEqual([strict, result.status], [true, 400]);
    }),
    RUN,
  );
});

Deno.test("parseUserAgent() finds versions and nothing else in arbitrary text", () => {
  const words = [
    "Firefox/",
    "Chrome/",
    "Version/1 Safari/",
    "iPhone OS ",
    "Windows NT ",
    "Linux",
    "1.2.3",
    "_",
  ];
  const part = fc.oneof(fc.constantFrom(...words), fc.string({ unit: "binary", maxLength: 300 }));
  let known = 0;
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      const { browser, browserVersion, os, osVersion } = parseUserAgent(parts.join(""));
      assert.match(browser, /^[A-Za-z ]{0,20}$/);
      assert.match(os, /^[A-Za-z ]{0,20}$/);
      assert.match(browserVersion, /^[\d.]*$/);
      assert.match(osVersion, /^[\d.]*$/);
      if (browser !== "" && os !== "") known++;
    }),
    RUN,
  );
  assert.ok(known > 0, "the generator must reach both");
});

/** Bytes with a few of them changed, or cut off. */
function damaged(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  const change = fc.tuple(fc.nat(bytes.length - 1), fc.nat(255));
  return fc.tuple(fc.array(change, { maxLength: 4 }), fc.nat(bytes.length)).map(
    ([changes, length]) => {
      const copy = bytes.slice(0, length);
      for (const [at, value] of changes) if (at < length) copy[at] = value;
      return copy;
    },
  );
}

Deno.test("decodeJoinRequest() answers arbitrary and damaged parameters with a value or LiveKit's words", () => {
  const joinRequest = new JoinRequest({
    metadata: "m",
    participantAttributes: { a: "b" },
    addTrackRequests: [{ cid: "c" }],
    publisherOffer: { type: "offer", sdp: "v=0" },
  }).toBinary();
  const plain = new WrappedJoinRequest({ joinRequest }).toBinary();
  const gzip = gzipSync(joinRequest);
  const inner = fc.oneof(damaged(joinRequest), damaged(gzip), fc.uint8Array({ maxLength: 300 }));
  const outer = fc.tuple(inner, fc.constantFrom<Compression>(0, 1, 2 as Compression)).map((
    [content, compression],
  ) => new WrappedJoinRequest({ joinRequest: content, compression }).toBinary());
  const encoded = fc.oneof(damaged(plain), outer, fc.uint8Array({ maxLength: 300 })).map((bytes) =>
    btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_")
  );
  let accepted = 0;
  fc.assert(
    fc.property(fc.oneof(encoded, fc.string(), fc.base64String()), (text) => {
      const decoded = decodeJoinRequest(text);
      if (decoded.ok) accepted++;
      else assert.match(decoded.message, /join request$/);
    }),
    { ...RUN, numRuns: 3_000 },
  );
  // Both outcomes must have been seen for the test to mean something.
  assert.ok(accepted > 0 && accepted < 3_000);
});

function btoaSafe(json: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(json))).replaceAll("=", "");
}
