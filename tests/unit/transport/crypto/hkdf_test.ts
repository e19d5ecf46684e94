/** HKDF against the vectors of RFC 5869 appendix A, on both twins' HMAC. */
import assert from "node:assert/strict";
import { hkdfExpand, hkdfExtract } from "../../../../lib/transport/crypto/hkdf.ts";
import { PORTABLE_HANDSHAKE_CRYPTO } from "../../../../lib/transport/crypto/portable_handshake_crypto.ts";
import { chooseMediaCrypto } from "../../../../lib/transport/media_crypto.ts";

const hex = (text: string) => Uint8Array.fromHex(text);
const TWINS = [PORTABLE_HANDSHAKE_CRYPTO, chooseMediaCrypto("auto").handshakeCrypto];

Deno.test("hkdf: RFC 5869 A.1", () => {
  for (const crypto of TWINS) {
    const prk = hkdfExtract(crypto, hex("000102030405060708090a0b0c"), hex("0b".repeat(22)));
    assert.equal(
      prk.toHex(),
      "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
    );
    assert.equal(
      hkdfExpand(crypto, prk, hex("f0f1f2f3f4f5f6f7f8f9"), 42).toHex(),
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    );
  }
});
