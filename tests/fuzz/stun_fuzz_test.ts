import assert from "node:assert/strict";
import { datagramKind } from "../../lib/wire/datagram_kind.ts";
import { parseIpAddress } from "../../lib/wire/ip_address.ts";
import { MAX_ANSWER_BYTES, parseStun, verifyIntegrity } from "../../lib/wire/stun.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";
import { check, credentials, IceWorld, udp } from "../unit/transport/ice/ice_world.ts";

const SEEDS = [1, 8489, 0xdeadbeef];
const ROUNDS = 20_000;

/** Changes, cuts or lengthens `bytes` in a few places. */
function damaged(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const out = new Uint8Array(
    Math.max(0, bytes.length + (random.chance(0.3) ? random.below(9) : 0)),
  );
  out.set(bytes);
  for (let changes = 1 + random.below(4); changes > 0; changes--) {
    out[random.below(out.length)] = random.below(256);
  }
  return random.chance(0.3) ? out.slice(0, random.below(out.length + 1)) : out;
}

Deno.test("parseStun() survives random bytes and damaged checks, and stays inside them", () => {
  const whole = check(credentials("abcd"), { useCandidate: true });
  for (const seed of SEEDS) {
    const random = new SeededRandom(seed);
    let parsed = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = random.chance(0.2)
        ? random.bytes(random.below(200))
        : damaged(random.chance(0.5) ? whole.slice(0, -8) : whole, random);
      // Without FINGERPRINT and with the length put right, damage reaches the attribute parser.
      if (random.chance(0.7) && bytes.length >= 20) {
        bytes[2] = (bytes.length - 20) >> 8;
        bytes[3] = bytes.length - 20;
      }
      const before = bytes.slice();
      const message = parseStun(bytes, bytes.length);
      if (message === undefined) continue;
      parsed++;
      assert.ok(message.unknownRequired.length <= 8);
      assert.ok((message.username?.length ?? 0) <= bytes.length);
      const integrity = message.integrityOffset;
      assert.ok(integrity === -1 || (integrity >= 20 && integrity + 24 <= bytes.length));
      verifyIntegrity(bytes, message, () => new Uint8Array(20));
      assert.deepEqual(bytes, before);
    }
    assert.ok(parsed > ROUNDS / 20, `only ${parsed} messages parsed with seed ${seed}`);
  }
});

Deno.test("UdpMux gives damaged checks neither a path nor an answer", () => {
  for (const seed of SEEDS) {
    const random = new SeededRandom(seed);
    const world = new IceWorld();
    const { agent, local, events } = world.agent("abcd");
    const whole = check(local, { useCandidate: true });
    // Up to the end of MESSAGE-INTEGRITY every byte is proven, so no damaged copy may pass.
    const proven = whole.slice(0, whole.length - 8);
    proven[3]! -= 8;
    for (let round = 0; round < ROUNDS / 10; round++) {
      const bytes = damaged(proven, random);
      const isSame = proven.every((byte, i) => i === 2 || i === 3 || byte === bytes[i]);
      if (!isSame) world.datagrams.arrive(bytes, udp("198.51.100.7", random.below(65536)));
    }
    assert.equal(world.datagrams.sent.length, 0);
    assert.equal(agent.pathCount + world.mux.pathCount + events.length, 0);
    assert.equal(world.drops.get("receive_threw"), 0);
    world.datagrams.arrive(whole, udp("198.51.100.7", 50_001));
    assert.equal(world.datagrams.sent.length, 1);
    assert.ok(world.datagrams.sent[0]!.bytes.length <= MAX_ANSWER_BYTES);
  }
});

Deno.test("datagramKind() gives every datagram one kind, with the kind's whole header present", () => {
  const minimum = { stun: 20, dtls: 13, rtp: 12, rtcp: 8, other: 0 };
  for (const seed of SEEDS) {
    const random = new SeededRandom(seed);
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = random.bytes(random.below(40));
      const length = random.below(44);
      const kind = datagramKind(bytes, length);
      assert.ok(kind === "other" || length <= bytes.length);
      assert.ok(length >= minimum[kind], `${kind} of ${length} bytes`);
    }
  }
});

Deno.test("parseIpAddress() survives text made of address characters", () => {
  const alphabet = "0123456789abcdefF:::...%g ";
  for (const seed of SEEDS) {
    const random = new SeededRandom(seed);
    for (let round = 0; round < ROUNDS; round++) {
      let text = "";
      for (let i = random.below(24); i > 0; i--) text += alphabet[random.below(alphabet.length)];
      const bytes = parseIpAddress(text);
      assert.ok(bytes === undefined || bytes.length === 4 || bytes.length === 16, text);
    }
  }
});
