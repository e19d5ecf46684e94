import assert from "node:assert/strict";
import { DtlsRecordSeal } from "../../../../lib/transport/dtls/dtls_record_seal.ts";
import { CONTENT_TYPE, SEQUENCE_LIMIT } from "../../../../lib/transport/dtls/dtls_records.ts";
import { randomRecordKey, RECORD_TWINS } from "../../../support/media/record_twins.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";
import { openedBy, readRecords } from "./sent_records.ts";

const DATA = CONTENT_TYPE.applicationData;

for (const { name, factory } of RECORD_TWINS) {
  /** Both ends of an association, closed when `use` is done. */
  const withSeals = (use: (ours: DtlsRecordSeal, theirs: DtlsRecordSeal) => void): void => {
    const random = new SeededRandom(31);
    const [one, other] = [randomRecordKey(random), randomRecordKey(random)];
    const ours = new DtlsRecordSeal(one, other, factory);
    const theirs = new DtlsRecordSeal(other, one, factory);
    try {
      use(ours, theirs);
    } finally {
      ours.close();
      theirs.close();
    }
  };

  Deno.test(`${name} DtlsRecordSeal opens what the other side sealed, and nothing that was changed`, () => {
    withSeals((ours, theirs) => {
      for (const length of [0, 1, 1200, 16_384]) {
        const body = new Uint8Array(length).fill(length);
        const [record] = readRecords(ours.seal(DATA, body)!);
        assert.deepEqual(openedBy(theirs, record!), body);
        assert.equal(openedBy(ours, record!), undefined, "not with its own key");
        assert.equal(openedBy(theirs, { ...record!, sequence: record!.sequence + 1 }), undefined);
        assert.equal(openedBy(theirs, { ...record!, type: CONTENT_TYPE.alert }), undefined);
        assert.equal(openedBy(theirs, { ...record!, epoch: 2 }), undefined);
        for (const at of [0, 8, record!.body.length - 1]) {
          const changed = record!.body.slice();
          changed[at]! ^= 1;
          assert.equal(openedBy(theirs, { ...record!, body: changed }), undefined, `byte ${at}`);
        }
        const cut = { ...record!, body: record!.body.subarray(0, 23) };
        assert.equal(openedBy(theirs, cut), undefined);
      }
      assert.equal(ours.seal(DATA, new Uint8Array(16_385)), undefined, "RFC 5246 §6.2.1");
    });
  });

  Deno.test(`${name} DtlsRecordSeal makes a record where there is room for it`, () => {
    withSeals((ours, theirs) => {
      const body = new SeededRandom(32).bytes(500);
      const room = new Uint8Array(1_536).fill(255);
      const length = ours.sealInto(room, DATA, body, 0, body.length);
      const [record] = readRecords(room.subarray(0, length));
      assert.equal(record!.body.length, body.length + 24);
      assert.deepEqual(openedBy(theirs, record!), body);
      assert.ok(room.subarray(length).every((byte) => byte === 255), "what is behind it stays");
      assert.equal(
        ours.sealInto(room, DATA, new Uint8Array(1_536), 0, 1_536 - 36),
        0,
        "no room for the tag",
      );
    });
  });

  Deno.test(`${name} DtlsRecordSeal numbers its records, never twice the same, and ends with the numbers`, () => {
    withSeals((ours, theirs) => {
      const seal = () => ours.seal(CONTENT_TYPE.alert, Uint8Array.of(1));
      const records = Array.from({ length: 50 }, seal).flatMap((bytes) => readRecords(bytes!));
      assert.deepEqual(records.map(({ sequence }) => sequence), [...Array(50).keys()]);
      assert.equal(new Set(records.map(({ body }) => body.subarray(0, 8).toHex())).size, 50);
      ours.skipTo(20);
      assert.equal(readRecords(seal()!)[0]!.sequence, 50, "numbers never go back");
      ours.skipTo(SEQUENCE_LIMIT - 1);
      const last = readRecords(seal()!)[0]!;
      assert.equal(last.sequence, 2 ** 48 - 1);
      assert.deepEqual(openedBy(theirs, last), Uint8Array.of(1));
      assert.equal(seal(), undefined);
    });
  });

  Deno.test(`${name} DtlsRecordSeal does nothing once it is closed`, () => {
    withSeals((ours, theirs) => {
      const [record] = readRecords(theirs.seal(DATA, new Uint8Array(9))!);
      ours.close();
      assert.equal(ours.seal(DATA, new Uint8Array(9)), undefined);
      assert.equal(openedBy(ours, record!), undefined);
    });
  });
}
