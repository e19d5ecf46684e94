/**
 * The SRTP ciphers that run here: the portable ones always, the native ones where libcrypto can be
 * used. Where it cannot, a line says why; with `CI=true` on Linux that is a failure.
 *
 * @module
 */
import {
  Libcrypto,
  type LibcryptoResult,
  openLibcrypto,
} from "../../../lib/transport/crypto/libcrypto.ts";
import { nativeCipherFactory } from "../../../lib/transport/srtp/native_srtp.ts";
import { portableCipher } from "../../../lib/transport/srtp/portable_srtp.ts";
import type { SrtpCipherFactory } from "../../../lib/transport/srtp/srtp_cipher.ts";
import {
  keyBytes,
  saltBytes,
  type SrtpParameters,
  type SrtpProfile,
  type SrtpSessionKeys,
} from "../../../lib/transport/srtp/srtp_keys.ts";
import type { SeededRandom } from "../virtual/seeded_random.ts";

export interface SrtpTwin {
  readonly name: "portable" | "native";
  readonly factory: SrtpCipherFactory;
}

export const SRTP_PROFILES: readonly SrtpProfile[] = [1, 7, 8];

const opened: LibcryptoResult = openLibcrypto();
if (!opened.ok) {
  const text = `native SRTP cannot run here: ${opened.reason}`;
  if (Deno.env.get("CI") === "true" && Deno.build.os === "linux") throw new Error(text);
  console.log(`skipping the native half of the SRTP tests: ${text}`);
}

/** The library, or `undefined` where the native twin is skipped. */
export const LIBCRYPTO: Libcrypto | undefined = opened.ok ? opened.library : undefined;

export const SRTP_TWINS: readonly SrtpTwin[] = [
  { name: "portable", factory: portableCipher },
  ...(LIBCRYPTO === undefined
    ? []
    : [{ name: "native", factory: nativeCipherFactory(LIBCRYPTO) } as const]),
];

/** Random session keys of the right lengths. */
export function randomSessionKeys(profile: SrtpProfile, random: SeededRandom): SrtpSessionKeys {
  const key = keyBytes(profile);
  const salt = saltBytes(profile);
  return {
    profile,
    rtpKey: random.bytes(key),
    rtpSalt: random.bytes(salt),
    rtpAuth: random.bytes(20),
    rtcpKey: random.bytes(key),
    rtcpSalt: random.bytes(salt),
    rtcpAuth: random.bytes(20),
  };
}

/** Random master keys of both directions. */
export function randomParameters(profile: SrtpProfile, random: SeededRandom): SrtpParameters {
  const master = () => ({
    key: random.bytes(keyBytes(profile)),
    salt: random.bytes(saltBytes(profile)),
  });
  return { profile, local: master(), remote: master() };
}

/** What the other peer holds. */
export function mirrored({ profile, local, remote }: SrtpParameters): SrtpParameters {
  return { profile, local: remote, remote: local };
}
