import assert from "node:assert/strict";
import { DropCounters } from "../../lib/base/drop_counters.ts";
import { saltBytes } from "../../lib/transport/srtp_keys.ts";
import { SrtpSession } from "../../lib/transport/srtp_session.ts";
import { SeededRandom } from "../support/seeded_random.ts";

Deno.test("SrtpSession counts every random packet as dropped and throws at none", () => {
  for (const profile of [1, 7] as const) {
    const random = new SeededRandom(profile);
    const drops = new DropCounters();
    const master = () => ({ key: random.bytes(16), salt: random.bytes(saltBytes(profile)) });
    const session = new SrtpSession({
      parameters: { profile, local: master(), remote: master() },
      drops,
    });
    const rounds = 4000;
    for (let i = 0; i < rounds; i++) {
      const bytes = random.bytes(random.below(i % 50 === 0 ? 3000 : 120));
      if (bytes.length > 0 && random.chance(0.9)) bytes[0] = 0x80 | (bytes[0]! & 0x3f);
      const length = random.chance(0.9) ? bytes.length : random.below(4000);
      assert.equal(session.unprotectRtp(bytes.slice(), length), 0);
      assert.equal(session.unprotectRtcp(bytes.slice(), length), 0);
      const sealed = session.protectRtp(bytes.slice(), length);
      assert.ok(sealed <= bytes.length);
    }
    const counted = Object.entries(drops.snapshot())
      .filter(([reason]) => !reason.endsWith("cannot_seal"))
      .reduce((sum, [, count]) => sum + count, 0);
    assert.equal(counted, 2 * rounds);
  }
});
