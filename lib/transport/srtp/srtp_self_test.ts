/**
 * Whether ciphers compute SRTP, by one published packet for each algorithm: what is asked of a
 * library that we did not build before anybody's media depends on it.
 *
 * @module
 */
import type { SrtpCipherFactory } from "./srtp_cipher.ts";
import { SRTP_PROFILE, type SrtpProfile, type SrtpSessionKeys } from "./srtp_keys.ts";

interface KnownPacket {
  readonly profile: SrtpProfile;
  readonly key: string;
  readonly salt: string;
  readonly auth: string;
  /** Twelve bytes. */
  readonly header: string;
  readonly payload: string;
  /** Encrypted payload and tag. */
  readonly sealed: string;
}

const GCM_HEADER = "8040f17b8041f8d35501a0b2";
const GCM_PAYLOAD = "47616c6c696120657374206f6d6e697320646976697361" +
  "20696e207061727465732074726573";

const KNOWN_PACKETS: readonly KnownPacket[] = [
  { // RFC 7714 §16.1.1
    profile: SRTP_PROFILE.aeadAes128Gcm,
    key: "000102030405060708090a0b0c0d0e0f",
    salt: "517569642070726f2071756f",
    auth: "",
    header: GCM_HEADER,
    payload: GCM_PAYLOAD,
    sealed: "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833" +
      "899d7f27beb16a9152cf765ee4390cce",
  },
  { // RFC 7714 §16.2.1
    profile: SRTP_PROFILE.aeadAes256Gcm,
    key: "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    salt: "517569642070726f2071756f",
    auth: "",
    header: GCM_HEADER,
    payload: GCM_PAYLOAD,
    sealed: "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b" +
      "7aa3db36dfffd6b0f9bb7878d7a76c13",
  },
  { // The session keys of RFC 3711 B.3 on the packet of libsrtp's own test
    profile: SRTP_PROFILE.aes128CmSha1_80,
    key: "c61e7a93744f39ee10734afe3ff7a087",
    salt: "30cbbc08863d8c85d49db34a9ae1",
    auth: "cebe321f6ff7716b6fd4ab49af256a156d38baa4",
    header: "800f1234decafbadcafebabe",
    payload: "abababababababababababababababab",
    sealed: "4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb",
  },
];

/**
 * Seals each known packet, and again behind another one, opens it twice, and sees that a changed
 * one does not open.
 */
export function passesSelfTest(factory: SrtpCipherFactory): boolean {
  try {
    return KNOWN_PACKETS.every((known) => passes(factory, known));
  } catch {
    return false;
  }
}

function passes(factory: SrtpCipherFactory, known: KnownPacket): boolean {
  const header = Uint8Array.fromHex(known.header);
  const clear = Uint8Array.fromHex(known.header + known.payload);
  const sealed = Uint8Array.fromHex(known.header + known.sealed);
  const ssrc = Number.parseInt(known.header.slice(16), 16);
  const seq = Number.parseInt(known.header.slice(4, 8), 16);
  const cipher = factory(keysOf(known));
  try {
    const packet = new Uint8Array(sealed.length);
    for (const number of [seq, seq + 1, seq]) {
      packet.set(clear);
      const length = cipher.sealRtp(packet, clear.length, header.length, ssrc, 0, number);
      if (length !== sealed.length || isEqual(packet, sealed) !== (number === seq)) return false;
    }
    const { length } = packet;
    for (let again = 0; again < 2; again++) {
      packet.set(sealed);
      const opened = cipher.openRtp(packet, length, header.length, ssrc, 0, seq);
      if (opened !== clear.length || !isEqual(packet.subarray(0, opened), clear)) return false;
    }
    packet.set(sealed);
    packet[packet.length - 1]! ^= 1;
    return cipher.openRtp(packet, length, header.length, ssrc, 0, seq) === -1;
  } finally {
    cipher.close();
  }
}

function keysOf({ profile, key, salt, auth }: KnownPacket): SrtpSessionKeys {
  const keys = { key: Uint8Array.fromHex(key), salt: Uint8Array.fromHex(salt) };
  const authKey = Uint8Array.fromHex(auth);
  return {
    profile,
    rtpKey: keys.key,
    rtpSalt: keys.salt,
    rtpAuth: authKey,
    rtcpKey: keys.key,
    rtcpSalt: keys.salt,
    rtcpAuth: authKey,
  };
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
