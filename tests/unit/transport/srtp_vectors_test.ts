import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { portableCipher } from "../../../lib/transport/portable_srtp.ts";
import {
  deriveSessionKeys,
  serverParameters,
  type SrtpProfile,
  type SrtpSessionKeys,
} from "../../../lib/transport/srtp_keys.ts";

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ""), "hex"));
const hex = (of: Uint8Array) => Buffer.from(of).toString("hex");

function sessionKeys(profile: SrtpProfile, key: string, salt: string): SrtpSessionKeys {
  return {
    profile,
    rtpKey: bytes(key),
    rtpSalt: bytes(salt),
    rtpAuth: new Uint8Array(20),
    rtcpKey: bytes(key),
    rtcpSalt: bytes(salt),
    rtcpAuth: new Uint8Array(20),
  };
}

Deno.test("portableCipher() makes the AES-CM keystream of RFC 3711 B.2", () => {
  const cipher = portableCipher(
    sessionKeys(1, "2B7E151628AED2A6ABF7158809CF4F3C", "F0F1F2F3F4F5F6F7F8F9FAFBFCFD"),
  );
  const packet = new Uint8Array(12 + 48 + 10);
  assert.equal(cipher.sealRtp(packet, 60, 12, 0, 0, 0), 70);
  assert.equal(
    hex(packet.subarray(12, 60)).toUpperCase(),
    "E03EAD0935C95E80E166B16DD92B4EB4D23513162B02D0F72A43A2FE4A5F97AB41E95B3BB0A2E8DD477901E4FCA894C0",
  );
});

Deno.test("deriveSessionKeys() gives the keys of RFC 3711 B.3", () => {
  const keys = deriveSessionKeys(1, {
    key: bytes("E1F97A0D3E018BE0D64FA32C06DE4139"),
    salt: bytes("0EC675AD498AFEEBB6960B3AABE6"),
  });
  assert.equal(hex(keys.rtpKey), "c61e7a93744f39ee10734afe3ff7a087");
  assert.equal(hex(keys.rtpSalt), "30cbbc08863d8c85d49db34a9ae1");
  assert.equal(hex(keys.rtpAuth), "cebe321f6ff7716b6fd4ab49af256a156d38baa4");
});

Deno.test("portableCipher() seals and opens the AES-128-GCM packet of RFC 7714 16.1", () => {
  const cipher = portableCipher(
    sessionKeys(7, "000102030405060708090a0b0c0d0e0f", "517569642070726f2071756f"),
  );
  const clear = bytes(`8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
    69736120 696e2070 61727465 73207472 6573`);
  const sealed = bytes(`8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5
    0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce`);
  const packet = new Uint8Array(clear.length + 16);
  packet.set(clear);
  assert.equal(cipher.sealRtp(packet, clear.length, 12, 0x5501a0b2, 0, 0xf17b), sealed.length);
  assert.equal(hex(packet), hex(sealed));
  assert.equal(cipher.openRtp(packet, sealed.length, 12, 0x5501a0b2, 0, 0xf17b), clear.length);
  assert.equal(hex(packet.subarray(0, clear.length)), hex(clear));
});

Deno.test("serverParameters() cuts client key, server key, client salt, server salt", () => {
  for (const [profile, salt] of [[1, 14], [7, 12]] as const) {
    const material = Uint8Array.from({ length: 2 * (16 + salt) }, (_, i) => i);
    const { local, remote } = serverParameters(profile, material);
    assert.deepEqual([remote.key[0], local.key[0]], [0, 16]);
    assert.deepEqual([remote.salt[0], local.salt[0]], [32, 32 + salt]);
    assert.deepEqual([remote.salt.length, local.salt.length], [salt, salt]);
  }
});
