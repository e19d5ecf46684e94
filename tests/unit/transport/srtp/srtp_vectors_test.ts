import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import {
  deriveSessionKeys,
  keyBytes,
  saltBytes,
  srtpParameters,
  type SrtpProfile,
  type SrtpSessionKeys,
} from "../../../../lib/transport/srtp/srtp_keys.ts";
import { passesSelfTest } from "../../../../lib/transport/srtp/srtp_self_test.ts";
import { SRTP_PROFILES, SRTP_TWINS } from "../../../support/media/srtp_twins.ts";

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ""), "hex"));
const hex = (of: Uint8Array) => Buffer.from(of).toString("hex");

function sessionKeys(profile: SrtpProfile, key: string, salt: string, auth = ""): SrtpSessionKeys {
  return {
    profile,
    rtpKey: bytes(key),
    rtpSalt: bytes(salt),
    rtpAuth: bytes(auth),
    rtcpKey: bytes(key),
    rtcpSalt: bytes(salt),
    rtcpAuth: bytes(auth),
  };
}

const GCM_KEY = { 7: 16, 8: 32 } as const;
const GCM_SALT = "517569642070726f2071756f";
/** The key of RFC 7714 §16 and §17: as many bytes as needed, counting up. */
const gcmKeys = (profile: 7 | 8) =>
  sessionKeys(
    profile,
    hex(Uint8Array.from({ length: GCM_KEY[profile] }, (_, i) => i)),
    GCM_SALT,
  );

/** RFC 7714 §16.1.1 and §16.2.1: SSRC 5501a0b2, roll-over counter 0. */
const GCM_RTP = {
  clear: `8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
    69736120 696e2070 61727465 73207472 6573`,
  7: `8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5
    0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce`,
  8: `8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238
    9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13`,
} as const;

/** RFC 7714 §17.1 and §17.2: SSRC 4d617273, index 5d4. */
const GCM_RTCP = {
  clear: `81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
    deadbeef deadbeef deadbeef deadbeef deadbeef`,
  7: `81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d
    c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872
    45d9eade 800005d4`,
  8: `81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50
    a2eaa5c1 110555be 8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c
    b26ac3be 800005d4`,
} as const;

for (const { name, factory } of SRTP_TWINS) {
  Deno.test(`SrtpCipher makes the AES-CM keystream of RFC 3711 B.2, ${name}`, () => {
    const cipher = factory(
      sessionKeys(1, "2B7E151628AED2A6ABF7158809CF4F3C", "F0F1F2F3F4F5F6F7F8F9FAFBFCFD"),
    );
    const packet = new Uint8Array(12 + 48 + 10);
    assert.equal(cipher.sealRtp(packet, 60, 12, 0, 0, 0), 70);
    assert.equal(
      hex(packet.subarray(12, 60)).toUpperCase(),
      "E03EAD0935C95E80E166B16DD92B4EB4D23513162B02D0F72A43A2FE4A5F97AB41E95B3BB0A2E8DD477901E4FCA894C0",
    );
    cipher.close();
  });

  Deno.test(`SrtpCipher seals and opens libsrtp's AES-CM packet, ${name}`, () => {
    const cipher = factory(
      sessionKeys(
        1,
        "c61e7a93744f39ee10734afe3ff7a087",
        "30cbbc08863d8c85d49db34a9ae1",
        "cebe321f6ff7716b6fd4ab49af256a156d38baa4",
      ),
    );
    const clear = bytes("800f1234decafbadcafebabe abababababababababababababababab");
    const sealed = bytes(
      "800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb",
    );
    const packet = new Uint8Array(sealed.length);
    packet.set(clear);
    assert.equal(cipher.sealRtp(packet, 28, 12, 0xcafebabe, 0, 0x1234), 38);
    assert.equal(hex(packet), hex(sealed));
    assert.equal(cipher.openRtp(packet, 38, 12, 0xcafebabe, 0, 0x1234), 28);
    assert.equal(hex(packet.subarray(0, 28)), hex(clear));
    cipher.close();
  });

  for (const profile of [7, 8] as const) {
    Deno.test(`SrtpCipher seals and opens the RTP of RFC 7714 16, profile ${profile}, ${name}`, () => {
      const cipher = factory(gcmKeys(profile));
      const clear = bytes(GCM_RTP.clear);
      const sealed = bytes(GCM_RTP[profile]);
      const packet = new Uint8Array(sealed.length);
      packet.set(clear);
      assert.equal(cipher.sealRtp(packet, clear.length, 12, 0x5501a0b2, 0, 0xf17b), sealed.length);
      assert.equal(hex(packet), hex(sealed));
      assert.equal(cipher.openRtp(packet, sealed.length, 12, 0x5501a0b2, 0, 0xf17b), clear.length);
      assert.equal(hex(packet.subarray(0, clear.length)), hex(clear));
      cipher.close();
    });

    Deno.test(`SrtpCipher seals and opens the RTCP of RFC 7714 17, profile ${profile}, ${name}`, () => {
      const cipher = factory(gcmKeys(profile));
      const clear = bytes(GCM_RTCP.clear);
      const sealed = bytes(GCM_RTCP[profile]);
      const packet = new Uint8Array(sealed.length);
      packet.set(clear);
      assert.equal(cipher.sealRtcp(packet, clear.length, 0x4d617273, 0x5d4), sealed.length);
      assert.equal(hex(packet), hex(sealed));
      assert.equal(cipher.openRtcp(packet, sealed.length, 0x4d617273, 0x5d4), clear.length);
      assert.equal(hex(packet.subarray(0, clear.length)), hex(clear));
      cipher.close();
    });
  }

  Deno.test(`passesSelfTest() takes the ciphers, and none that is wrong in one step, ${name}`, () => {
    assert.equal(passesSelfTest(factory), true);
    for (const profile of SRTP_PROFILES) {
      const wrongTag = passesSelfTest((keys) => {
        const cipher = factory(keys);
        if (keys.profile !== profile) return cipher;
        const seal = cipher.sealRtp.bind(cipher);
        cipher.sealRtp = (packet, ...rest) => {
          const length = seal(packet, ...rest);
          packet[length - 1]! ^= 1;
          return length;
        };
        return cipher;
      });
      const takesAnything = passesSelfTest((keys) => {
        const cipher = factory(keys);
        if (keys.profile !== profile) return cipher;
        const open = cipher.openRtp.bind(cipher);
        cipher.openRtp = (packet, length, ...rest) =>
          Math.max(open(packet, length, ...rest), length - cipher.rtpOverhead);
        return cipher;
      });
      const throws = passesSelfTest((keys) => {
        if (keys.profile === profile) throw new Error("no memory");
        return factory(keys);
      });
      assert.deepEqual([wrongTag, takesAnything, throws], [false, false, false], `${profile}`);
    }
  });
}

Deno.test("deriveSessionKeys() gives the keys of RFC 3711 B.3", () => {
  const keys = deriveSessionKeys(1, {
    key: bytes("E1F97A0D3E018BE0D64FA32C06DE4139"),
    salt: bytes("0EC675AD498AFEEBB6960B3AABE6"),
  });
  assert.equal(hex(keys.rtpKey), "c61e7a93744f39ee10734afe3ff7a087");
  assert.equal(hex(keys.rtpSalt), "30cbbc08863d8c85d49db34a9ae1");
  assert.equal(hex(keys.rtpAuth), "cebe321f6ff7716b6fd4ab49af256a156d38baa4");
});

Deno.test("deriveSessionKeys() gives the 256-bit keys of RFC 6188 7.2", () => {
  const keys = deriveSessionKeys(8, {
    key: bytes("f0f04914b513f2763a1b1fa130f10e29 98f6f6e43e4309d1e622a0e332b9f1b6"),
    salt: bytes("3b04803de51ee7c96423ab5b78d2"),
  });
  assert.equal(
    hex(keys.rtpKey),
    "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4",
  );
  // Of the vector's 14 bytes GCM uses the first 12.
  assert.equal(hex(keys.rtpSalt), "fa31791685ca444a9e07c6c6");
  assert.equal(hex(keys.rtpAuth), "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05");
});

Deno.test("srtpParameters() cuts client key, server key, client salt, server salt", () => {
  for (const [profile, key, salt] of [[1, 16, 14], [7, 16, 12], [8, 32, 12]] as const) {
    assert.deepEqual([keyBytes(profile), saltBytes(profile)], [key, salt]);
    const material = Uint8Array.from({ length: 2 * (key + salt) }, (_, i) => i);
    const { local, remote } = srtpParameters("server", profile, material);
    assert.deepEqual([remote.key[0], local.key[0]], [0, key]);
    assert.deepEqual([remote.salt[0], local.salt[0]], [2 * key, 2 * key + salt]);
    assert.deepEqual([remote.key.length, local.key.length], [key, key]);
    assert.deepEqual([remote.salt.length, local.salt.length], [salt, salt]);
    const client = srtpParameters("client", profile, material);
    assert.deepEqual([client.local, client.remote], [remote, local]);
  }
});
