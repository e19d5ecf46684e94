import assert from "node:assert/strict";
import { DropCounters } from "../../lib/base/drop_counters.ts";
import { SrtpSession } from "../../lib/transport/srtp/srtp_session.ts";
import { writtenPacket } from "../support/media/rtp_packets.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";
import {
  mirrored,
  randomParameters,
  SRTP_PROFILES,
  SRTP_TWINS,
} from "../support/media/srtp_twins.ts";

for (const { name, factory } of SRTP_TWINS) {
  Deno.test(`SrtpSession counts every random packet as dropped and throws at none, ${name}`, () => {
    for (const profile of SRTP_PROFILES) {
      const random = new SeededRandom(profile);
      const drops = new DropCounters();
      const parameters = randomParameters(profile, random);
      const session = new SrtpSession({ parameters, drops, cipherFactory: factory });
      const rounds = 4000;
      const source = random.bytes(2000);
      for (let i = 0; i < rounds; i++) {
        const bytes = random.bytes(random.below(i % 50 === 0 ? 3000 : 120));
        if (bytes.length > 0 && random.chance(0.9)) bytes[0] = 0x80 | (bytes[0]! & 0x3f);
        const length = random.chance(0.9) ? bytes.length : random.below(4000);
        assert.equal(session.unprotectRtp(bytes.slice(), length), 0);
        assert.equal(session.unprotectRtcp(bytes.slice(), length), 0);
        const sealed = session.protectRtp(bytes.slice(), length);
        assert.ok(sealed <= bytes.length);
        const [at, some] = [random.below(2200), random.below(200)];
        const packet = writtenPacket(bytes, length, source, at, some);
        assert.ok(session.protectWritten(bytes.slice(), packet) <= bytes.length);
      }
      const counted = Object.entries(drops.snapshot())
        .filter(([reason]) => !reason.endsWith("cannot_seal"))
        .reduce((sum, [, count]) => sum + count, 0);
      assert.equal(counted, 2 * rounds);
      session.close();
    }
  });

  Deno.test(`SrtpSession opens no packet that was damaged at random, and all that were not, ${name}`, () => {
    for (const profile of SRTP_PROFILES) {
      const random = new SeededRandom(100 + profile);
      const drops = new DropCounters();
      const parameters = randomParameters(profile, random);
      const sender = new SrtpSession({
        parameters,
        drops: new DropCounters(),
        cipherFactory: factory,
      });
      const receiver = new SrtpSession({
        parameters: mirrored(parameters),
        drops,
        cipherFactory: factory,
      });
      for (let seq = 0; seq < 3000; seq++) {
        const length = 12 + random.below(200);
        const packet = new Uint8Array(length + 16);
        packet.set(random.bytes(length));
        packet.set([0x80, 96, seq >> 8, seq], 0);
        packet.set([0, 0, 0, 1 + random.below(3)], 8);
        const clear = packet.slice(0, length);
        const sealed = sender.protectRtp(packet, length);
        const damaged = packet.slice(0, sealed);
        const times = 1 + random.below(4);
        for (let i = 0; i < times; i++) damaged[random.below(sealed)] = random.below(256);
        const isSame = damaged.every((byte, i) => byte === packet[i]);
        if (!isSame) assert.equal(receiver.unprotectRtp(damaged, sealed), 0, `packet ${seq}`);
        assert.equal(receiver.unprotectRtp(packet, sealed), length, `packet ${seq}`);
        assert.deepEqual(packet.slice(0, length), clear);
      }
      assert.ok(drops.get("srtp_not_authentic") > 2000);
      sender.close();
      receiver.close();
    }
  });
}
