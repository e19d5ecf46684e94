import assert from "node:assert/strict";
import { ownClaims, registeredClaims } from "../../../lib/signalling/token_claims.ts";

const TEXTS = ["iss", "sub", "jti"];
const TIMES = ["exp", "nbf", "iat"];
const OWN_TEXTS = ["name", "kind", "roomPreset", "sha256", "metadata", "publishOf"];
const FLAGS = [
  "roomCreate",
  "roomList",
  "roomRecord",
  "roomAdmin",
  "roomJoin",
  "canPublish",
  "canSubscribe",
  "canPublishData",
  "canUpdateOwnMetadata",
  "canSubscribeMetrics",
  "canManageAgentSession",
  "ingressAdmin",
  "hidden",
  "recorder",
  "agent",
];
/** One of each type that JSON has. */
const VALUES = ["text", 4, true, ["text"], [4], { text: "text" }, { text: 4 }];

/** Which of {@linkcode VALUES} `take` takes. */
function taken(take: (value: unknown) => unknown): unknown[] {
  return VALUES.filter((value) => take(value) !== undefined);
}

Deno.test("registered claims are text or a time, and nothing else is looked at", () => {
  for (const name of TEXTS) {
    assert.deepEqual(taken((v) => registeredClaims({ [name]: v })), ["text"]);
  }
  for (const name of TIMES) assert.deepEqual(taken((v) => registeredClaims({ [name]: v })), [4]);
  assert.deepEqual(taken((v) => registeredClaims({ name: v, video: v })), VALUES);
  // As JSON reads 1e999.
  assert.equal(registeredClaims({ exp: Infinity }), undefined);
});

Deno.test("LiveKit's claims have the types of LiveKit's grants", () => {
  for (const name of OWN_TEXTS) assert.deepEqual(taken((v) => ownClaims({ [name]: v })), ["text"]);
  assert.deepEqual(taken((v) => ownClaims({ kindDetails: v })), [["text"]]);
  assert.deepEqual(taken((v) => ownClaims({ attributes: v })), [{ text: "text" }]);
  const objects = [{ text: "text" }, { text: 4 }];
  for (const name of ["roomConfig", "video", "sip"]) {
    assert.deepEqual(taken((v) => ownClaims({ [name]: v })), objects);
  }
});

Deno.test("each right in a grant has its type", () => {
  for (const name of FLAGS) {
    assert.deepEqual(taken((v) => ownClaims({ video: { [name]: v } })), [true]);
  }
  for (const name of ["room", "destinationRoom"]) {
    assert.deepEqual(taken((v) => ownClaims({ video: { [name]: v } })), ["text"]);
  }
  assert.deepEqual(taken((v) => ownClaims({ video: { canPublishSources: v } })), [["text"]]);
  for (const name of ["admin", "call"]) {
    assert.deepEqual(taken((v) => ownClaims({ sip: { [name]: v } })), [true]);
  }
});

Deno.test("a claim that is null is as good as absent, and what is no object has no claims", () => {
  const names = [...OWN_TEXTS, "kindDetails", "attributes", "roomConfig", "video", "sip"];
  assert.ok(ownClaims(Object.fromEntries(names.map((name) => [name, null]))));
  assert.ok(ownClaims({ video: Object.fromEntries(FLAGS.map((name) => [name, null])) }));
  for (const payload of [null, undefined, "text", 4, true, []]) {
    assert.equal(ownClaims(payload), undefined);
    assert.equal(registeredClaims(payload), undefined);
  }
});
