/**
 * Which SRTP ciphers a server uses, and which profiles it prefers with them. The one place that
 * knows both the portable and the native ones.
 *
 * @module
 */
import { SfuError } from "../../base/errors.ts";
import type { HandshakeCrypto } from "../crypto/handshake_crypto.ts";
import { type LibcryptoResult, openLibcrypto } from "../crypto/libcrypto.ts";
import { nativeHandshakeCrypto } from "../crypto/native_handshake_crypto.ts";
import { nativeRecordCipherFactory } from "../crypto/native_record_cipher.ts";
import { PORTABLE_HANDSHAKE_CRYPTO } from "../crypto/portable_handshake_crypto.ts";
import { portableRecordCipher } from "../crypto/portable_record_cipher.ts";
import type { RecordCipherFactory } from "../crypto/record_cipher.ts";
import { nativeCipherFactory } from "./native_srtp.ts";
import { portableCipher } from "./portable_srtp.ts";
import type { SrtpCipherFactory } from "./srtp_cipher.ts";
import { SRTP_PROFILE, type SrtpProfile } from "./srtp_keys.ts";
import { passesSelfTest } from "./srtp_self_test.ts";

/** `auto`: native where it works; `require`: native or an error; `off`: portable. */
export type NativeUse = "auto" | "off" | "require";

/** Ciphers and what to offer with them. Holds functions: each thread chooses its own. */
export interface SrtpEngine {
  readonly name: "native" | "portable";
  /** For the start line: the library's version, or why it is not used. */
  readonly detail: string;
  readonly cipherFactory: SrtpCipherFactory;
  /** For what goes by DTLS once it is connected: data. */
  readonly recordCipherFactory: RecordCipherFactory;
  readonly handshakeCrypto: HandshakeCrypto;
  /** In order of preference; a peer's order is of no account. */
  readonly profiles: readonly SrtpProfile[];
}

/** An object per packet makes AEAD slow here, so it comes last. */
const PORTABLE_PROFILES: readonly SrtpProfile[] = [
  SRTP_PROFILE.aes128CmSha1_80,
  SRTP_PROFILE.aeadAes128Gcm,
  SRTP_PROFILE.aeadAes256Gcm,
];
/**
 * AEAD takes half the time of AES-CM with SHA-1, and a shorter key a little less than a longer one.
 */
const NATIVE_PROFILES: readonly SrtpProfile[] = [
  SRTP_PROFILE.aeadAes128Gcm,
  SRTP_PROFILE.aeadAes256Gcm,
  SRTP_PROFILE.aes128CmSha1_80,
];

function portable(detail: string): SrtpEngine {
  return {
    name: "portable",
    detail,
    cipherFactory: portableCipher,
    recordCipherFactory: portableRecordCipher,
    handshakeCrypto: PORTABLE_HANDSHAKE_CRYPTO,
    profiles: PORTABLE_PROFILES,
  };
}

/** For every platform, and the default everywhere. */
export const PORTABLE_SRTP: SrtpEngine = portable("native code is off");

/**
 * The native engine, or why it cannot be used; opened once in a thread, as libraries stay loaded.
 */
type NativeResult =
  | { readonly ok: true; readonly engine: SrtpEngine }
  | { readonly ok: false; readonly reason: string };
let opened: NativeResult | undefined;

/**
 * The engine for a configured wish. Prompts for no permission.
 *
 * @throws {SfuError} `native_unavailable` with the reason, only if `native` is `require`.
 */
export function chooseSrtpEngine(native: NativeUse): SrtpEngine {
  if (native === "off") return PORTABLE_SRTP;
  const result = opened ??= nativeSrtp(openLibcrypto());
  if (result.ok) return result.engine;
  if (native === "auto") return portable(result.reason);
  throw new SfuError("native_unavailable", `Cannot use native SRTP: ${result.reason}`);
}

/** The engine on an opened library that computes what it must. */
export function nativeSrtp(libcrypto: LibcryptoResult): NativeResult {
  if (!libcrypto.ok) return { ok: false, reason: `libcrypto: ${libcrypto.reason}` };
  const { library } = libcrypto;
  const cipherFactory = nativeCipherFactory(library);
  if (!passesSelfTest(cipherFactory)) {
    return { ok: false, reason: `libcrypto: ${library.version} computes something else than SRTP` };
  }
  const detail = library.version;
  const recordCipherFactory = nativeRecordCipherFactory(library);
  return {
    ok: true,
    engine: {
      name: "native",
      detail,
      cipherFactory,
      recordCipherFactory,
      // A library without some of the calls still seals.
      handshakeCrypto: nativeHandshakeCrypto(library) ?? PORTABLE_HANDSHAKE_CRYPTO,
      profiles: NATIVE_PROFILES,
    },
  };
}
