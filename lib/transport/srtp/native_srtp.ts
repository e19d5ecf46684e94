/**
 * SRTP ciphers on libcrypto: byte for byte what `portable_srtp.ts` does, many times faster.
 *
 * @module
 */
import type { Libcrypto } from "../crypto/libcrypto.ts";
import { NativeCm } from "./native_cm.ts";
import { NativeGcm } from "./native_gcm.ts";
import type { SrtpCipherFactory } from "./srtp_cipher.ts";
import { SRTP_PROFILE, type SrtpProfile } from "./srtp_keys.ts";

/**
 * In order of preference: AEAD takes half the time of AES-CM with SHA-1, and a shorter key a little
 * less than a longer one.
 */
export const NATIVE_PROFILES: readonly SrtpProfile[] = [
  SRTP_PROFILE.aeadAes128Gcm,
  SRTP_PROFILE.aeadAes256Gcm,
  SRTP_PROFILE.aes128CmSha1_80,
];

/**
 * Makes the cipher for the profile of its keys; each holds memory of `library` until it is closed.
 *
 * @param takesNonces Whether the library is given IVs as its TLS does, where it knows how.
 */
export function nativeCipherFactory(library: Libcrypto, takesNonces = true): SrtpCipherFactory {
  return (keys) =>
    keys.profile === SRTP_PROFILE.aes128CmSha1_80
      ? new NativeCm(library, keys)
      : new NativeGcm(library, keys, takesNonces);
}
