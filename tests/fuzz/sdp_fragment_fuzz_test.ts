import assert from "node:assert/strict";
import { transportSection, writeIceFragment } from "../../lib/negotiation/ice_fragment.ts";
import { parseSdpFragment } from "../../lib/wire/sdp_fragment.ts";
import { parseDescription } from "../../lib/wire/session_description.ts";
import { mutations } from "../support/hostile/hostile_bytes.ts";
import { localParameters, sdpFixture } from "../support/virtual/negotiation_fixtures.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";
import { fragment, WhipWorld } from "../support/virtual/whip_world.ts";

const ROUNDS = 2_000;

/** What the parser promises of anything it takes. */
function check(text: string): void {
  const parsed = parseSdpFragment(text);
  if (parsed === undefined) return;
  assert.match(parsed.ice.ufrag, /^[A-Za-z0-9+/=_-]{4,256}$/);
  assert.match(parsed.ice.pwd, /^[A-Za-z0-9+/=_-]{22,256}$/);
  for (const candidate of parsed.candidates) assert.ok(candidate.startsWith("candidate:"));
}

Deno.test("parseSdpFragment() is total on random text and on changed fragments", () => {
  const random = new SeededRandom(31);
  const real = new TextEncoder().encode(fragment());
  for (let round = 0; round < ROUNDS; round++) {
    check(new TextDecoder().decode(random.bytes(random.below(200))));
  }
  for (const bytes of mutations(real, random, ROUNDS)) check(new TextDecoder().decode(bytes));
  const lines = [...fragment().split("\r\n"), "a=group:BUNDLE 0", "a=mid:", "a=:", "a=", "m=", ""];
  for (let round = 0; round < ROUNDS; round++) {
    const some = Array.from({ length: random.below(12) }, () => lines[random.below(lines.length)]!);
    check(some.join(random.chance(0.5) ? "\r\n" : "\n"));
  }
});

Deno.test("writeIceFragment() is read as it was meant, for every real offer", () => {
  for (
    const name of ["chromium_camera_mic_simulcast_offer", "firefox_camera_mic_simulcast_offer"]
  ) {
    const offer = parseDescription(sdpFixture(name));
    assert.ok(offer.ok);
    const section = transportSection(offer.value);
    assert.ok(section);
    const local = localParameters();
    const read = parseSdpFragment(writeIceFragment(local, section));
    assert.deepEqual(read?.ice, local.ice);
    assert.equal(read?.mid, offer.value.bundledMids[0]);
    assert.equal(read?.candidates.length, local.addresses.length);
  }
});

Deno.test("WHIP's PATCH survives any fragment, in either meaning", async () => {
  const random = new SeededRandom(32);
  const world = new WhipWorld();
  const created = await world.post();
  const [path, etag] = [created.headers.get("Location")!, created.headers.get("ETag")!];
  const real = new TextEncoder().encode(fragment());
  for (const bytes of mutations(real, random, 300)) {
    const body = new TextDecoder().decode(bytes);
    const { status } = await world.patch(path, random.chance(0.5) ? "*" : etag, body);
    assert.ok([200, 204, 400, 412].includes(status), `${status} ${JSON.stringify(body)}`);
  }
  assert.ok(world.participant(), "the session is still there");
});
