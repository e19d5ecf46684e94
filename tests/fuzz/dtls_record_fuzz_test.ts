import assert from "node:assert/strict";
import { createCertificate } from "../../lib/transport/dtls/dtls_certificate.ts";
import { mutate } from "../support/hostile/mutate.ts";
import { RECORD_TWINS } from "../support/media/record_twins.ts";
import { LIBCRYPTO } from "../support/media/srtp_twins.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";
import { type DtlsEnd, DtlsTwins } from "../unit/transport/dtls/dtls_twins.ts";

const [server, client] = [createCertificate(), createCertificate()];
const ROUNDS = 10_000;

/** A record of data that `end` seals, which says `text`. */
function recordOf(end: DtlsEnd, text: string): Uint8Array {
  const content = new TextEncoder().encode(text);
  const room = new Uint8Array(1_536);
  return room.slice(0, end.session.sealData(room, content, content.length));
}

/** One byte of a record is another; where it ends stays what it was. */
function changed(random: SeededRandom, record: Uint8Array): Uint8Array {
  const bytes = record.slice();
  // The major version and the length tell where the next record begins.
  let at = random.below(bytes.length);
  while (at === 1 || at === 11 || at === 12) at = random.below(bytes.length);
  bytes[at]! ^= 1 << random.below(8);
  return bytes;
}

for (const { name, factory } of RECORD_TWINS) {
  Deno.test(`${name} records that were changed never open, and the others of their datagram do`, async () => {
    const random = new SeededRandom(41);
    const contexts = LIBCRYPTO?.contexts;
    const pairs = [1, 2].map((seed) =>
      new DtlsTwins({ client, server, seed, recordCipherFactory: factory })
    );
    for (const pair of pairs) await pair.run(200);
    const [attacked, bystander] = pairs as [DtlsTwins, DtlsTwins];
    const { server: victim } = attacked;
    let opened: string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const expected: string[] = [];
      const parts = Array.from({ length: 1 + random.below(4) }, (_, i) => {
        const text = `${round}.${i} ${"x".repeat(random.below(100))}`;
        const record = recordOf(attacked.client, text);
        if (random.chance(0.5)) return changed(random, record);
        expected.push(text);
        return record;
      });
      victim.session.receive(Uint8Array.from(parts.flatMap((part) => [...part])));
      opened = victim.received.splice(0);
      assert.deepEqual(opened, expected);
      bystander.server.session.receive(recordOf(bystander.client, `${round}`));
      assert.deepEqual(bystander.server.received.splice(0), [`${round}`]);
    }
    assert.deepEqual(victim.events, ["connected"]);
    for (const pair of pairs) await pair.close();
    assert.equal(LIBCRYPTO?.contexts, contexts, "every key was let go of");
  });

  Deno.test(`${name} records cut, glued and mutated in any way say nothing that was not said`, async () => {
    const random = new SeededRandom(42);
    const pair = new DtlsTwins({ client, server, recordCipherFactory: factory });
    await pair.run(200);
    const said = new Set<string>();
    const seen: Uint8Array[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      if (seen.length < 50 || random.chance(0.2)) {
        const text = `${round}`;
        said.add(text);
        seen.push(recordOf(pair.client, text));
      }
      let bytes = mutate(random, seen[random.below(seen.length)]!);
      if (random.chance(0.3)) {
        bytes = Uint8Array.from([...bytes, ...mutate(random, seen[random.below(seen.length)]!)]);
      }
      pair.server.session.receive(bytes, random.below(bytes.length + 1));
      for (const text of pair.server.received.splice(0)) {
        assert.ok(said.delete(text), `"${text}" was not said, or was heard before`);
      }
    }
    assert.deepEqual(pair.server.events, ["connected"]);
    await pair.close();
  });
}
