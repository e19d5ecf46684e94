/**
 * What computes handshakes here, as `srtp_twins.ts` has the ciphers for SRTP.
 *
 * @module
 */
import type { HandshakeCrypto } from "../../../lib/transport/crypto/handshake_crypto.ts";
import { nativeHandshakeCrypto } from "../../../lib/transport/crypto/native_handshake_crypto.ts";
import { PORTABLE_HANDSHAKE_CRYPTO } from "../../../lib/transport/crypto/portable_handshake_crypto.ts";
import { LIBCRYPTO } from "./srtp_twins.ts";

export interface HandshakeTwin {
  readonly name: "portable" | "native";
  readonly crypto: HandshakeCrypto;
}

const native = LIBCRYPTO === undefined ? undefined : nativeHandshakeCrypto(LIBCRYPTO);
if (LIBCRYPTO !== undefined && native === undefined) {
  throw new Error(`${LIBCRYPTO.version} cannot compute handshakes`);
}

/** The portable one first. */
export const HANDSHAKE_TWINS: readonly HandshakeTwin[] = [
  { name: "portable", crypto: PORTABLE_HANDSHAKE_CRYPTO },
  ...(native === undefined ? [] : [{ name: "native", crypto: native } as const]),
];
