/**
 * What a server seals and shakes hands with, and which SRTP profiles it prefers. The one place that
 * knows both the portable and the native twin of each port.
 *
 * @module
 */
import { SfuError } from "../base/errors.ts";
import type { HandshakeCrypto } from "./crypto/handshake_crypto.ts";
import { type LibcryptoResult, openLibcrypto } from "./crypto/libcrypto.ts";
import { nativeHandshakeCrypto } from "./crypto/native_handshake_crypto.ts";
import { nativeRecordCipherFactory } from "./crypto/native_record_cipher.ts";
import { PORTABLE_HANDSHAKE_CRYPTO } from "./crypto/portable_handshake_crypto.ts";
import { portableRecordCipher } from "./crypto/portable_record_cipher.ts";
import type { RecordCipherFactory } from "./crypto/record_cipher.ts";
import { passesRecordSelfTest } from "./crypto/record_self_test.ts";
import { NATIVE_PROFILES, nativeCipherFactory } from "./srtp/native_srtp.ts";
import { PORTABLE_PROFILES, portableCipher } from "./srtp/portable_srtp.ts";
import type { SrtpCipherFactory } from "./srtp/srtp_cipher.ts";
import type { SrtpProfile } from "./srtp/srtp_keys.ts";
import { passesSelfTest } from "./srtp/srtp_self_test.ts";

/** `auto`: native where it works; `require`: native or an error; `off`: portable. */
export type NativeUse = "auto" | "off" | "require";

/** Ciphers, and what to offer with them. Holds functions: each thread chooses its own. */
export interface MediaCrypto {
  readonly name: "native" | "portable";
  /** For the start line: the library's version, or why it is not used. */
  readonly detail: string;
  readonly srtpCipherFactory: SrtpCipherFactory;
  /** For what goes by DTLS once it is connected: data. */
  readonly recordCipherFactory: RecordCipherFactory;
  readonly handshakeCrypto: HandshakeCrypto;
  /** In order of preference; a peer's order is of no account. */
  readonly srtpProfiles: readonly SrtpProfile[];
}

function portable(detail: string): MediaCrypto {
  return {
    name: "portable",
    detail,
    srtpCipherFactory: portableCipher,
    recordCipherFactory: portableRecordCipher,
    handshakeCrypto: PORTABLE_HANDSHAKE_CRYPTO,
    srtpProfiles: PORTABLE_PROFILES,
  };
}

/** For every platform, and the default everywhere. */
export const PORTABLE_CRYPTO: MediaCrypto = portable("native code is off");

/**
 * The native twins, or why it cannot be used; opened once in a thread, as libraries stay loaded.
 */
type NativeResult =
  | { readonly ok: true; readonly crypto: MediaCrypto }
  | { readonly ok: false; readonly reason: string };
let opened: NativeResult | undefined;

/**
 * The twins for a configured wish. Prompts for no permission.
 *
 * @throws {SfuError} `native_unavailable` with the reason, only if `native` is `require`.
 */
export function chooseMediaCrypto(native: NativeUse): MediaCrypto {
  if (native === "off") return PORTABLE_CRYPTO;
  const result = opened ??= nativeCrypto(openLibcrypto());
  if (result.ok) return result.crypto;
  if (native === "auto") return portable(result.reason);
  throw new SfuError("native_unavailable", `Cannot use native SRTP: ${result.reason}`);
}

/** The native twins on an opened library that computes what it must. */
export function nativeCrypto(libcrypto: LibcryptoResult): NativeResult {
  if (!libcrypto.ok) return { ok: false, reason: `libcrypto: ${libcrypto.reason}` };
  const { library } = libcrypto;
  const srtpCipherFactory = [nativeCipherFactory(library), nativeCipherFactory(library, false)]
    .find(passesSelfTest);
  if (srtpCipherFactory === undefined) {
    return { ok: false, reason: `libcrypto: ${library.version} computes something else than SRTP` };
  }
  const detail = library.version;
  const nativeRecords = nativeRecordCipherFactory(library);
  // Records are sealed in a way that SRTP has not tried.
  const recordCipherFactory = passesRecordSelfTest(nativeRecords)
    ? nativeRecords
    : portableRecordCipher;
  return {
    ok: true,
    crypto: {
      name: "native",
      detail,
      srtpCipherFactory,
      recordCipherFactory,
      // A library without some of the calls still seals.
      handshakeCrypto: nativeHandshakeCrypto(library) ?? PORTABLE_HANDSHAKE_CRYPTO,
      srtpProfiles: NATIVE_PROFILES,
    },
  };
}
