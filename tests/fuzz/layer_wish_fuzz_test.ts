import assert from "node:assert/strict";
import { VideoQuality } from "@livekit/protocol";
import { parseLayerWish } from "../../lib/signalling/whep_layer.ts";
import { mutations } from "../support/hostile/hostile_bytes.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";
import { WhipWorld } from "../support/virtual/whip_world.ts";

const ROUNDS = 2_000;
const REAL = '{"mediaId":"0","encodingId":"low","spatialLayerId":1,"maxSpatialLayerId":2}';

/** What the parser promises of anything it takes. */
function check(text: string): void {
  const parsed = parseLayerWish(text);
  if (typeof parsed === "string") return assert.ok(parsed.length > 0);
  assert.ok(VideoQuality[parsed.quality] !== undefined);
  assert.ok(parsed.mediaId === undefined || typeof parsed.mediaId === "string");
}

Deno.test("parseLayerWish() is total on random text, on changed wishes and on odd values", () => {
  const random = new SeededRandom(41);
  const real = new TextEncoder().encode(REAL);
  for (let round = 0; round < ROUNDS; round++) {
    check(new TextDecoder().decode(random.bytes(random.below(100))));
  }
  for (const bytes of mutations(real, random, ROUNDS)) check(new TextDecoder().decode(bytes));
  const values = ["null", "1e999", "-1", "0.5", "3", "[]", "{}", '"__proto__"', '"low"', "true"];
  const names = ["mediaId", "encodingId", "spatialLayerId", "maxSpatialLayerId", "__proto__"];
  for (const name of names) for (const value of values) check(`{"${name}":${value}}`);
  for (const text of [...values, "[".repeat(4_096), `{"a":"${"x".repeat(5_000)}"}`]) check(text);
});

Deno.test("WHEP survives any query, and any wish for a layer", async () => {
  const random = new SeededRandom(42);
  const world = new WhipWorld();
  const query = new TextEncoder().encode("participant=ann&track=a&source=camera&quality=low");
  for (const bytes of mutations(query, random, 300)) {
    const text = new TextDecoder().decode(bytes).replaceAll("#", "");
    const { status } = await world.watch(text);
    assert.ok([201, 400].includes(status), `${status} ${JSON.stringify(text)}`);
  }
  const { headers } = await world.watch();
  for (const bytes of mutations(new TextEncoder().encode(REAL), random, 300)) {
    const { status } = await world.request(`${headers.get("Location")}/layer`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: new TextDecoder().decode(bytes),
    }, "/whep/v1");
    assert.ok([200, 400, 404].includes(status), String(status));
  }
  assert.ok(world.participant(), "the session is still there");
});
