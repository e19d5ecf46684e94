import assert from "node:assert/strict";
import { TrackSource } from "@livekit/protocol";
import { SfuError } from "../../../lib/base/errors.ts";
import { demoLink } from "../../../lib/server/demo_links.ts";
import { joinTokenClaims, type JoinTokenRequest } from "../../../lib/server/join_token.ts";
import { signAccessToken, verifyAccessToken } from "../../../lib/signalling/access_token.ts";

const NOW = 1_800_000_000_000;

/** The token of a request as the server reads it. */
async function tokenOf(request: Partial<JoinTokenRequest>) {
  const { claims, validForMs } = joinTokenClaims({
    room: "den",
    identity: "ann",
    recorder: false,
    ...request,
  });
  const jwt = await signAccessToken({ apiKey: "k", secret: "s" }, claims, NOW, validForMs);
  const verified = await verifyAccessToken(jwt, new Map([["k", "s"]]), NOW);
  assert.ok(verified.ok);
  return verified.token;
}

Deno.test("joinTokenClaims() lets one participant into one room for a month", async () => {
  const token = await tokenOf({});
  assert.equal(token.identity, "ann");
  assert.equal(token.name, "");
  assert.equal(token.expiresAt - NOW, 30 * 24 * 3_600_000);
  const { roomJoin, room, canPublish, canSubscribe, canPublishData, roomAdmin } = token.video!;
  assert.deepEqual([roomJoin, room, canPublish, canSubscribe, canPublishData, roomAdmin], [
    ...[true, "den", true, true, true, false],
  ]);
});

Deno.test("joinTokenClaims() takes name, life and rights, also against a recorder's", async () => {
  const token = await tokenOf({
    name: "Ann B.",
    validFor: "1h30m",
    grant: '{"canPublish":true,"canPublishSources":["camera","screen_share"],"roomAdmin":true,' +
      '"canSubscribe":false,"destinationRoom":"attic"}',
    recorder: true,
  });
  assert.equal(token.name, "Ann B.");
  assert.equal(token.expiresAt - NOW, 90 * 60_000);
  const { canPublish, canPublishSources, roomAdmin, canSubscribe, destinationRoom, hidden } = //
    token.video!;
  assert.deepEqual([canPublish, roomAdmin, canSubscribe, destinationRoom, hidden], [
    ...[true, true, false, "attic", true],
  ]);
  assert.deepEqual(canPublishSources, [TrackSource.CAMERA, TrackSource.SCREEN_SHARE]);
});

Deno.test("joinTokenClaims() says what is wrong with a life or a right", async () => {
  const rows: [Partial<JoinTokenRequest>, string][] = [
    ...["soon", "", "0", "-5m", "24"].map((validFor): [Partial<JoinTokenRequest>, string] => [
      { validFor },
      `--valid-for: expected a duration such as "30m" or "24h", got "${validFor}"`,
    ]),
    ...["{", "[]", "null", "5", '"x"'].map((grant): [Partial<JoinTokenRequest>, string] => [
      { grant },
      '--grant: expected a JSON object such as {"canPublish":false}',
    ]),
    [
      { grant: '{"canPublsh":true}' },
      '--grant: canPublsh: unknown right, did you mean "canPublish"?',
    ],
    [{ grant: '{"__proto__":true}' }, "--grant: __proto__: unknown right"],
    [{ grant: '{"toString":true}' }, "--grant: toString: unknown right"],
    [{ grant: '{"canPublish":"yes"}' }, "--grant: canPublish: expected true or false"],
    [{ grant: '{"room":1}' }, "--grant: room: expected text"],
    [
      { grant: '{"canPublishSources":["webcam"]}' },
      '--grant: canPublishSources: expected a list of "camera", "microphone", "screen_share", ' +
      '"screen_share_audio"',
    ],
  ];
  for (const [request, message] of rows) {
    await assert.rejects(tokenOf(request), (error) => {
      assert.ok(error instanceof SfuError);
      assert.equal(error.message, message);
      return true;
    });
  }
});

Deno.test("demoLink() holds the token where no server sees it, and any name", () => {
  const link = new URL(demoLink({ scheme: "http", port: 7880 }, "a.b.c", "Ann & Bob=#"));
  assert.equal(link.pathname, "/demo");
  assert.equal(link.search, "");
  const fragment = new URLSearchParams(link.hash.slice(1));
  assert.deepEqual([...fragment], [["token", "a.b.c"], ["name", "Ann & Bob=#"]]);
});
