import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { agreeOnKey } from "../../../../lib/transport/dtls/key_share.ts";
import {
  exportKeys,
  extendedMasterSecret,
  masterSecret,
  recordKeys,
  transcriptHash,
  verifyData,
} from "../../../../lib/transport/dtls/tls_key_schedule.ts";
import {
  x25519KeyPair,
  x25519SharedSecret,
} from "../../../../lib/transport/dtls/werift_key_exchange.ts";

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ""), "hex"));
const hex = (of: Uint8Array) => Buffer.from(of).toString("hex");

Deno.test("the PRF of TLS 1.2 gives the published values of P_SHA256", () => {
  const secret = bytes("9bbe436ba940f017b17652849a71db35");
  // The vector's seed in two halves: an export joins both random values.
  const randoms = { client: bytes("a0ba9f936cda3118"), server: bytes("27a6f796ffd5198c") };
  assert.equal(
    hex(exportKeys(secret, randoms, "test label", 100)),
    "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a" +
      "6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab" +
      "4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701" +
      "87347b66",
  );
});

Deno.test("the key schedule gives each purpose bytes of its own", () => {
  const randoms = { client: new Uint8Array(32).fill(1), server: new Uint8Array(32).fill(2) };
  const preMaster = new Uint8Array(32).fill(3);
  const hash = transcriptHash([Uint8Array.of(1), Uint8Array.of(2, 3)]);
  assert.deepEqual(hash, transcriptHash([Uint8Array.of(1, 2, 3)]), "it hashes what was said");
  const plain = masterSecret(preMaster, randoms);
  const extended = extendedMasterSecret(preMaster, hash);
  assert.deepEqual([plain.length, extended.length], [48, 48]);
  assert.notDeepEqual(plain, extended);
  const { client, server } = recordKeys(extended, randoms);
  assert.deepEqual([client.key.length, client.salt.length], [16, 4]);
  assert.equal(new Set([client.key, server.key, client.salt, server.salt].map(hex)).size, 4);
  assert.equal(verifyData(extended, "client", hash).length, 12);
  assert.notDeepEqual(verifyData(extended, "client", hash), verifyData(extended, "server", hash));
});

Deno.test("agreeOnKey() shares a secret over X25519 and refuses points of small order", () => {
  const theirs = x25519KeyPair();
  const share = agreeOnKey(29, theirs.publicKey)!;
  assert.deepEqual(share.secret, x25519SharedSecret(theirs.secretKey, share.publicKey));
  for (const bad of [new Uint8Array(32), new Uint8Array(31), new Uint8Array(0)]) {
    assert.equal(agreeOnKey(29, bad), undefined);
  }
});

Deno.test("agreeOnKey() refuses what is no point of P-256, and other curves", () => {
  const { publicKey } = agreeOnKey(
    23,
    bytes(
      // The base point (SEC 2 §2.4.2).
      "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296" +
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
    ),
  )!;
  assert.deepEqual([publicKey.length, publicKey[0]], [65, 4]);
  const off = publicKey.slice();
  off[64]! ^= 1;
  for (const bad of [off, new Uint8Array(65), Uint8Array.of(0), new Uint8Array(0)]) {
    assert.equal(agreeOnKey(23, bad), undefined);
  }
  assert.equal(agreeOnKey(24, publicKey), undefined);
});
