/**
 * SRTP ciphers on node:crypto alone, for every platform Deno runs on, and which of them to prefer.
 *
 * @module
 */
import { PortableCm } from "./portable_cm.ts";
import { PortableGcm } from "./portable_gcm.ts";
import type { SrtpCipher } from "./srtp_cipher.ts";
import { SRTP_PROFILE, type SrtpProfile, type SrtpSessionKeys } from "./srtp_keys.ts";

/** In order of preference: an object per packet makes AEAD slow here, so it comes last. */
export const PORTABLE_PROFILES: readonly SrtpProfile[] = [
  SRTP_PROFILE.aes128CmSha1_80,
  SRTP_PROFILE.aeadAes128Gcm,
  SRTP_PROFILE.aeadAes256Gcm,
];

/** The portable cipher for the profile of `keys`. */
export function portableCipher(keys: SrtpSessionKeys): SrtpCipher {
  return keys.profile === SRTP_PROFILE.aes128CmSha1_80
    ? new PortableCm(keys)
    : new PortableGcm(keys);
}
