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
  return {
    profile,
    rtpKey: derive(master, LABEL.rtpKey, key),
    rtpSalt: derive(master, LABEL.rtpSalt, salt),
    rtpAuth: derive(master, LABEL.rtpAuth, AUTH_BYTES),
    rtcpKey: derive(master, LABEL.rtcpKey, key),
    rtcpSalt: derive(master, LABEL.rtcpSalt, salt),
    rtcpAuth: derive(master, LABEL.rtcpAuth, AUTH_BYTES),
  };
}

/**
 * The AES-CM pseudo-random function of RFC 3711 §4.3.3, for 32 bytes of key that of RFC 6188 §3:
 * keystream under the master key.
 */
function derive(master: SrtpMasterKey, label: number, length: number): Uint8Array {
  // A 12-byte salt stands left of two zero bytes (RFC 7714 §11); the label is byte 7 of 14.
  const counter = new Uint8Array(16);
  counter.set(master.salt);
  counter[7]! ^= label;
  const cipher = createCipheriv(`aes-${master.key.length * 8}-ctr`, master.key, counter);
  const keystream = new Uint8Array(cipher.update(new Uint8Array(length)));
  cipher.final(); // the runtime keeps an unfinished cipher for ever
  return keystream;
}
