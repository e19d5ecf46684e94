import assert from "node:assert/strict";
import { demoOptions, servesDemo } from "../../../lib/server/demo_links.ts";
import { parseConfig } from "../../../lib/server/config/config_parsing.ts";
import { verifyAccessToken } from "../../../lib/signalling/access_token.ts";
import { testBodies } from "../../support/virtual/test_bodies.ts";
import { VirtualPlatform } from "../../support/virtual/virtual_platform.ts";

const KEYS = new Map([["devkey", "secret"]]);

function options(config: Record<string, unknown>, occupants: Record<string, number> = {}) {
  const platform = new VirtualPlatform();
  const made = demoOptions(parseConfig({ keys: { devkey: "secret" }, ...config }), KEYS, {
    bodies: testBodies(),
    platform,
    rooms: {
      get: (name) => {
        const numParticipants = occupants[name];
        const info = () => ({ numParticipants: numParticipants!, maxParticipants: 2 });
        return numParticipants === undefined ? undefined : { info };
      },
    },
  });
  return { made, platform };
}

Deno.test("the demo is served in development, and elsewhere where the configuration says so", () => {
  const serves = (config: Record<string, unknown>) => servesDemo(parseConfig(config));
  assert.equal(serves({}), false);
  assert.equal(serves({ development: true }), true);
  assert.equal(serves({ demo: true }), true);
  assert.equal(serves({ development: true, demo: false }), false);
  assert.equal(options({}).made, undefined);
});

Deno.test("only in development does the demo give tokens", () => {
  assert.equal(options({ demo: true }).made?.tokens, undefined);
  assert.ok(options({ development: true }).made?.tokens !== undefined);
});

Deno.test("a room is full when as many are in it as may be", () => {
  const { made } = options({ demo: true }, { full: 2, wide: 1 });
  assert.deepEqual(["full", "wide", "nowhere"].map(made!.isFull), [true, false, false]);
});

Deno.test("who comes into an empty room is its host, and two of one name are two", async () => {
  const { made, platform } = options({ development: true }, { full: 2, empty: 0 });
  const issue = made!.tokens!.issue;
  const claims = async (room: string, name: string) => {
    const { token, identity, isHost } = await issue({ room, name });
    const verified = await verifyAccessToken(token, KEYS, platform.clock.wallMs());
    assert.ok(verified.ok);
    assert.equal(verified.token.identity, identity);
    assert.equal(verified.token.video?.roomAdmin, isHost);
    assert.equal(verified.token.video?.room, room);
    assert.equal(verified.token.name, name);
    return { identity, isHost };
  };
  const ann = await claims("full", "Ann Marie");
  const again = await claims("full", "Ann Marie");
  assert.match(ann.identity, /^ann-marie-\w{12}$/);
  assert.notEqual(ann.identity, again.identity);
  assert.equal(ann.isHost, false);
  assert.equal((await claims("new", "!!!")).isHost, true);
  assert.match((await claims("empty", "🎈")).identity, /^guest-\w{12}$/);
});
