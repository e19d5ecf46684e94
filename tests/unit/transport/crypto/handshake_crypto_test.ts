import assert from "node:assert/strict";
import { CURVE } from "../../../../lib/transport/crypto/handshake_crypto.ts";
import { HANDSHAKE_TWINS } from "../../../support/media/handshake_twins.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const text = (of: string) => new TextEncoder().encode(of);
const bytes = (hex: string) => Uint8Array.fromHex(hex);
const CURVES = [CURVE.x25519, CURVE.secp256r1] as const;
/** RFC 6979 §A.2.5. */
const SCALAR = bytes("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
const POINT = bytes(
  "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6" +
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
);
const SIGNATURE = bytes(
  "3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716" +
    "022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
);

for (const { name, crypto } of HANDSHAKE_TWINS) {
  Deno.test(`${name} HandshakeCrypto computes the published values`, () => {
    assert.equal( // FIPS 180-2 §B.1
      crypto.sha256(text("abc")).toHex(),
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
    assert.equal(
      crypto.sha256(new Uint8Array(0)).toHex(),
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    );
    assert.equal( // RFC 4231 §4.3
      crypto.hmac(text("Jefe"), text("what do ya want for nothing?")).toHex(),
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    );
    assert.equal( // RFC 7748 §6.1
      crypto.sharedSecret(
        CURVE.x25519,
        bytes("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"),
        bytes("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"),
      )?.toHex(),
      "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
    );
    assert.equal(crypto.isSigned(POINT, text("sample"), SIGNATURE), true);
    assert.equal(crypto.isSigned(POINT, text("Sample"), SIGNATURE), false);
  });

  Deno.test(`${name} HandshakeCrypto shares no secret with what is no point of its curve`, () => {
    const { privateKey } = crypto.newKey(CURVE.x25519);
    for (const bad of [new Uint8Array(32), new Uint8Array(31), new Uint8Array(33), POINT]) {
      assert.equal(crypto.sharedSecret(CURVE.x25519, privateKey, bad), undefined);
    }
    const ours = crypto.newKey(CURVE.secp256r1);
    assert.deepEqual([ours.publicKey.length, ours.publicKey[0]], [65, 4]);
    const off = POINT.slice();
    off[64]! ^= 1;
    for (const bad of [off, new Uint8Array(65), Uint8Array.of(0), new Uint8Array(0)]) {
      assert.equal(crypto.sharedSecret(CURVE.secp256r1, ours.privateKey, bad), undefined);
    }
  });

  Deno.test(`${name} HandshakeCrypto takes no signature that was changed, nor any bytes as one`, () => {
    const random = new SeededRandom(51);
    const signature = crypto.sign(SCALAR, text("said"));
    assert.equal(crypto.isSigned(POINT, text("said"), signature), true);
    for (let i = 0; i < 300; i++) {
      const changed = signature.slice();
      changed[random.below(changed.length)]! ^= 1 << random.below(8);
      assert.equal(crypto.isSigned(POINT, text("said"), changed), false);
      assert.equal(crypto.isSigned(POINT, text("said"), random.bytes(random.below(90))), false);
      assert.equal(crypto.isSigned(random.bytes(65), text("said"), signature), false);
    }
  });
}

for (const { name, crypto } of HANDSHAKE_TWINS) {
  Deno.test(`${name} HandshakeCrypto makes the secret of each of many keys, more than once`, () => {
    const { privateKey, publicKey } = crypto.newKey(CURVE.x25519);
    // As many handshakes that have begun, the first of which goes on after all others have.
    const keys = Array.from({ length: 600 }, () => crypto.newKey(CURVE.x25519));
    for (const { privateKey: other, publicKey: theirs } of [...keys, ...keys.slice(-10)]) {
      const secret = crypto.sharedSecret(CURVE.x25519, other, publicKey);
      assert.ok(secret !== undefined);
      assert.deepEqual(secret, crypto.sharedSecret(CURVE.x25519, privateKey, theirs));
    }
  });
}

Deno.test("HandshakeCrypto twins share secrets, and take each other's signatures", () => {
  const random = new SeededRandom(52);
  for (const { crypto: one } of HANDSHAKE_TWINS) {
    for (const { crypto: other } of HANDSHAKE_TWINS) {
      for (const curve of CURVES) {
        for (let i = 0; i < 10; i++) {
          const [a, b] = [one.newKey(curve), other.newKey(curve)];
          const secret = one.sharedSecret(curve, a.privateKey, b.publicKey);
          assert.equal(secret?.length, 32);
          assert.deepEqual(other.sharedSecret(curve, b.privateKey, a.publicKey), secret);
          assert.deepEqual(other.sharedSecret(curve, a.privateKey, b.publicKey), secret);
        }
      }
      const data = random.bytes(random.below(3000));
      const key = one.newKey(CURVE.secp256r1);
      assert.equal(other.isSigned(key.publicKey, data, one.sign(key.privateKey, data)), true);
      assert.deepEqual(other.sha256(data), one.sha256(data));
      const secret = random.bytes(48);
      assert.deepEqual(other.hmac(secret, data), one.hmac(secret, data));
    }
  }
});
