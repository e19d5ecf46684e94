/**
 * SRTP keys: from the DTLS export to master keys (RFC 5764 §4.2) and from those to session keys
 * (RFC 3711 §4.3, RFC 7714 §11).
 *
 * @module
 */
import { createCipheriv } from "node:crypto";
import type { DtlsRole } from "../../base/media_vocabulary.ts";

/** DTLS-SRTP protection profiles we speak, by their IANA numbers. */
export const SRTP_PROFILE = {
  /** SRTP_AES128_CM_HMAC_SHA1_80, RFC 5764 §4.1.2. */
  aes128CmSha1_80: 1,
  /** SRTP_AEAD_AES_128_GCM, RFC 7714 §14.2. */
  aeadAes128Gcm: 7,
  /** SRTP_AEAD_AES_256_GCM, RFC 7714 §14.2. */
  aeadAes256Gcm: 8,
} as const;
export type SrtpProfile = (typeof SRTP_PROFILE)[keyof typeof SRTP_PROFILE];

/** One direction's master key and salt. */
export interface SrtpMasterKey {
  /** 16 bytes, or 32 of AES-256. */
  readonly key: Uint8Array;
  /** 14 bytes (AES-CM) or 12 bytes (GCM). */
  readonly salt: Uint8Array;
}

/** What one peer needs to protect and unprotect: its own direction and the other's. */
export interface SrtpParameters {
  readonly profile: SrtpProfile;
  readonly local: SrtpMasterKey;
  readonly remote: SrtpMasterKey;
}

/** Session keys of one direction. */
export interface SrtpSessionKeys {
  readonly profile: SrtpProfile;
  readonly rtpKey: Uint8Array;
  readonly rtpSalt: Uint8Array;
  /** 20 bytes; unused by GCM. */
  readonly rtpAuth: Uint8Array;
  readonly rtcpKey: Uint8Array;
  readonly rtcpSalt: Uint8Array;
  readonly rtcpAuth: Uint8Array;
}

const AUTH_BYTES = 20;
/** Key derivation labels of RFC 3711 §4.3.2. */
const LABELS = 6;
const BLOCK_BYTES = 16;
/** Keystream made for each label: two blocks, as the longest key has. */
const LABEL_BYTES = 2 * BLOCK_BYTES;
const LABEL = { rtpKey: 0, rtpAuth: 1, rtpSalt: 2, rtcpKey: 3, rtcpAuth: 4, rtcpSalt: 5 } as const;

/** Key length of a profile, bytes. */
export function keyBytes(profile: SrtpProfile): number {
  return profile === SRTP_PROFILE.aeadAes256Gcm ? 32 : 16;
}

/** Salt length of a profile, bytes. */
export function saltBytes(profile: SrtpProfile): number {
  return profile === SRTP_PROFILE.aes128CmSha1_80 ? 14 : 12;
}

/** How many bytes to export with the label `EXTRACTOR-dtls_srtp`. */
export function keyingMaterialBytes(profile: SrtpProfile): number {
  return 2 * (keyBytes(profile) + saltBytes(profile));
}

/**
 * Cuts exported keying material (RFC 5764 §4.2): client key, server key, client salt, server salt.
 *
 * @param role Ours in the DTLS handshake: it says which of them is ours.
 */
export function srtpParameters(
  role: DtlsRole,
  profile: SrtpProfile,
  material: Uint8Array,
): SrtpParameters {
  const key = keyBytes(profile);
  const salt = saltBytes(profile);
  const salts = 2 * key;
  const client = { key: material.slice(0, key), salt: material.slice(salts, salts + salt) };
  const server = {
    key: material.slice(key, salts),
    salt: material.slice(salts + salt, salts + 2 * salt),
  };
  return role === "server"
    ? { profile, local: server, remote: client }
    : { profile, local: client, remote: server };
}

/** Session keys from a master key, with a key derivation rate of zero. */
export function deriveSessionKeys(profile: SrtpProfile, master: SrtpMasterKey): SrtpSessionKeys {
  const key = keyBytes(profile);
  const salt = saltBytes(profile);
  const keystreams = deriveAll(master);
  const cut = (label: number, length: number) =>
    keystreams.slice(label * LABEL_BYTES, label * LABEL_BYTES + length);
  return {
    profile,
    rtpKey: cut(LABEL.rtpKey, key),
    rtpSalt: cut(LABEL.rtpSalt, salt),
    rtpAuth: cut(LABEL.rtpAuth, AUTH_BYTES),
    rtcpKey: cut(LABEL.rtcpKey, key),
    rtcpSalt: cut(LABEL.rtcpSalt, salt),
    rtcpAuth: cut(LABEL.rtcpAuth, AUTH_BYTES),
  };
}

/**
 * The AES-CM pseudo-random function of RFC 3711 §4.3.3, for 32 bytes of key that of RFC 6188 §3:
 * keystream under the master key, two blocks of it for each label in turn. One cipher makes all: an
 * object of the runtime's costs more than what it encrypts.
 */
function deriveAll(master: SrtpMasterKey): Uint8Array {
  const counters = new Uint8Array(LABELS * LABEL_BYTES);
  for (let label = 0; label < LABELS; label++) {
    for (let block = 0; block < LABEL_BYTES / BLOCK_BYTES; block++) {
      // A 12-byte salt stands left of two zero bytes (RFC 7714 §11); the label is byte 7 of 14.
      const at = label * LABEL_BYTES + block * BLOCK_BYTES;
      counters.set(master.salt, at);
      counters[at + 7]! ^= label;
      counters[at + BLOCK_BYTES - 1] = block;
    }
  }
  const cipher = createCipheriv(`aes-${master.key.length * 8}-ecb`, master.key, null);
  cipher.setAutoPadding(false);
  const keystreams = new Uint8Array(cipher.update(counters));
  cipher.final(); // the runtime keeps an unfinished cipher for ever
  return keystreams;
}
