import assert from "node:assert/strict";
import {
  RECORD_CONTENT_AT,
  RECORD_TAG_BYTES,
  type RecordCipher,
} from "../../../../lib/transport/crypto/record_cipher.ts";
import { LIBCRYPTO } from "../../../support/media/srtp_twins.ts";
import { randomRecordKey, RECORD_TWINS } from "../../../support/media/record_twins.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

/** Ciphers of all twins with one key; they are closed when `use` is done. */
function withCiphers(random: SeededRandom, use: (ciphers: readonly RecordCipher[]) => void): void {
  const key = randomRecordKey(random);
  const ciphers = RECORD_TWINS.map(({ factory }) => factory(key));
  try {
    use(ciphers);
  } finally {
    for (const cipher of ciphers) cipher.close();
  }
}

for (const { name, factory } of RECORD_TWINS) {
  Deno.test(`${name} RecordCipher seals what another implementation computes of a record`, () => {
    // By AESGCM of Python's cryptography: nonce a0a1a2a3 0001000000000007, and of the header
    // 0001000000000007 17 fefd 0005 as what is only authenticated.
    const cipher = factory({
      key: Uint8Array.fromHex("000102030405060708090a0b0c0d0e0f"),
      salt: Uint8Array.fromHex("a0a1a2a3"),
    });
    const record = new Uint8Array(RECORD_CONTENT_AT + 5 + RECORD_TAG_BYTES);
    record.set(Uint8Array.fromHex("17fefd0001000000000007001d" + "0001000000000007"));
    record.set(new TextEncoder().encode("hello"), RECORD_CONTENT_AT);
    assert.equal(cipher.seal(record, 0, record, RECORD_CONTENT_AT, 5), true);
    assert.equal(
      record.subarray(RECORD_CONTENT_AT).toHex(),
      "703cc91246b51d0674d6dc7571e78e7d6613569716",
    );
    assert.equal(cipher.open(record, 0, 5), true);
    const opened = record.subarray(RECORD_CONTENT_AT, RECORD_CONTENT_AT + 5);
    assert.equal(new TextDecoder().decode(opened), "hello");
    cipher.close();
  });
}

Deno.test("RecordCipher twins seal the same bytes, open each other's, and touch nothing else", () => {
  const random = new SeededRandom(21);
  for (let round = 0; round < 300; round++) {
    withCiphers(random, (ciphers) => {
      const length = round < 40 ? round : random.below(1_500);
      const at = random.below(40);
      const before = random.bytes(at + RECORD_CONTENT_AT + length + RECORD_TAG_BYTES + 9);
      const content = at + RECORD_CONTENT_AT;
      const sealed = ciphers.map((cipher) => {
        const bytes = before.slice();
        assert.equal(cipher.seal(bytes, at, bytes, content, length), true);
        return bytes;
      });
      // Out of another buffer, which stays as it is.
      const source = random.bytes(5 + length + 3);
      source.set(before.subarray(content, content + length), 5);
      for (const cipher of ciphers) {
        const [bytes, kept] = [before.slice(), source.slice()];
        bytes.fill(0, content, content + length);
        assert.equal(cipher.seal(bytes, at, source, 5, length), true);
        assert.deepEqual(source, kept);
        sealed.push(bytes);
      }
      for (const bytes of sealed) assert.deepEqual(bytes, sealed[0]);
      const end = content + length + RECORD_TAG_BYTES;
      assert.deepEqual(sealed[0]!.subarray(0, content), before.subarray(0, content));
      assert.deepEqual(sealed[0]!.subarray(end), before.subarray(end));
      for (const cipher of ciphers) {
        const bytes = sealed[0]!.slice();
        assert.equal(cipher.open(bytes, at, length), true);
        assert.deepEqual(bytes.subarray(0, content + length), before.subarray(0, content + length));
        assert.deepEqual(bytes.subarray(end), before.subarray(end));
      }
    });
  }
});

Deno.test("RecordCipher twins agree on records that count on, skip, come again, and wrap around", () => {
  const random = new SeededRandom(25);
  for (let round = 0; round < 20; round++) {
    withCiphers(random, (ciphers) => {
      // Often just before its lower half begins anew, which the upper one then shows.
      let number = (BigInt(random.below(1_000)) << 32n) - BigInt(random.below(40)) + (1n << 40n);
      const longest = [20, 200, 1_300][round % 3]!;
      for (let i = 0; i < 120; i++) {
        const steps = [1n, 1n, 1n, 1n, 1n, 1n, 2n, 7n, 8n, 9n, 0n, -1n, -5n, 1_000n];
        number += steps[random.below(steps.length)]!;
        const length = random.below(longest);
        const before = random.bytes(RECORD_CONTENT_AT + length + RECORD_TAG_BYTES);
        new DataView(before.buffer).setBigUint64(RECORD_CONTENT_AT - 8, number);
        const sealed = ciphers.map((cipher) => {
          const bytes = before.slice();
          assert.equal(cipher.seal(bytes, 0, bytes, RECORD_CONTENT_AT, length), true);
          return bytes;
        });
        const [first, ...others] = sealed;
        for (const bytes of others) assert.deepEqual(bytes, first);
        const end = RECORD_CONTENT_AT + length;
        for (const cipher of ciphers) {
          const bytes = first!.slice();
          assert.equal(cipher.open(bytes, 0, length), true);
          assert.deepEqual(bytes.subarray(0, end), before.subarray(0, end));
        }
      }
    });
  }
});

Deno.test("RecordCipher twins open nothing that was changed, and open what follows", () => {
  const random = new SeededRandom(22);
  withCiphers(random, (ciphers) => {
    for (let round = 0; round < 2_000; round++) {
      const length = random.below(200);
      const bytes = random.bytes(RECORD_CONTENT_AT + length + RECORD_TAG_BYTES);
      ciphers[0]!.seal(bytes, 0, bytes, RECORD_CONTENT_AT, length);
      const changed = bytes.slice();
      // The length field is no part of what is authenticated: the real length is.
      let at = random.below(bytes.length);
      while (at === 11 || at === 12) at = random.below(bytes.length);
      changed[at]! ^= 1 << random.below(8);
      for (const cipher of ciphers) {
        assert.equal(cipher.open(changed.slice(), 0, length), false, `byte ${at}`);
        if (length > 0) assert.equal(cipher.open(bytes.slice(), 0, length - 1), false);
        assert.equal(cipher.open(bytes.slice(), 0, length), true);
      }
    }
  });
});

Deno.test("RecordCipher refuses what reaches beyond its buffer, and everything once it is closed", () => {
  const random = new SeededRandom(23);
  for (const { factory } of RECORD_TWINS) {
    const cipher = factory(randomRecordKey(random));
    const bytes = new Uint8Array(RECORD_CONTENT_AT + 10 + RECORD_TAG_BYTES);
    for (const [at, length] of [[0, 11], [1, 10], [-1, 5], [0, -1], [bytes.length, 0]] as const) {
      assert.equal(cipher.seal(bytes, at, new Uint8Array(20), 0, length), false);
      assert.equal(cipher.open(bytes, at, length), false);
    }
    for (const sourceAt of [-1, 11, 20]) {
      assert.equal(cipher.seal(bytes, 0, new Uint8Array(20), sourceAt, 10), false);
    }
    assert.deepEqual(bytes, new Uint8Array(bytes.length));
    cipher.close();
    cipher.close();
    assert.equal(cipher.seal(bytes, 0, new Uint8Array(10), 0, 10), false);
    assert.equal(cipher.open(bytes, 0, 10), false);
  }
});

Deno.test("RecordCipher of a key of another length is not made, and closed ones leave no context", () => {
  const random = new SeededRandom(24);
  const before = LIBCRYPTO?.contexts;
  for (const { factory } of RECORD_TWINS) {
    const made = Array.from({ length: 20 }, () => factory(randomRecordKey(random)));
    for (const cipher of made) cipher.close();
    for (const length of [0, 15, 17, 32]) {
      assert.throws(() => factory({ key: new Uint8Array(length), salt: new Uint8Array(4) }));
    }
  }
  assert.equal(LIBCRYPTO?.contexts, before);
});
