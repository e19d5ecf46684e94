/**
 * The signatures of a handshake: ours over what we say, and the check of a peer's with the key of
 * its certificate (RFC 5246 §4.7, §7.4.1.4.1).
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createPrivateKey, timingSafeEqual, verify, X509Certificate } from "node:crypto";
import type { HandshakeCrypto } from "../crypto/handshake_crypto.ts";
import { p256PointOf } from "./certificate_key.ts";
import type { DtlsCertificate } from "./dtls_certificate.ts";

/** Signature schemes we ask for and check, by their numbers in TLS 1.2. */
export const SIGNATURE_SCHEME = {
  ecdsaSha256: 0x0403,
  rsaSha256: 0x0401,
} as const;

const KEY_TYPES: ReadonlyMap<number, string> = new Map([
  [SIGNATURE_SCHEME.ecdsaSha256, "ec"],
  [SIGNATURE_SCHEME.rsaSha256, "rsa"],
]);
/** A larger key of a stranger's would buy nothing but our time. */
const MAX_RSA_BITS = 4096;
const MAX_RSA_EXPONENT = 0x1_0000_0001n;

/** Private scalars of P-256, read once per certificate: reading takes as long as signing. */
const scalars = new WeakMap<DtlsCertificate, Uint8Array>();

function scalarOf(certificate: DtlsCertificate): Uint8Array {
  let scalar = scalars.get(certificate);
  if (scalar === undefined) {
    const { d } = createPrivateKey(certificate.keyPem).export({ format: "jwk" });
    scalar = new Uint8Array(Buffer.from(d!, "base64url"));
    scalars.set(certificate, scalar);
  }
  return scalar;
}

/** ECDSA with SHA-256, as `ecdsaSha256` wants it. */
export function signWith(
  certificate: DtlsCertificate,
  data: Uint8Array,
  crypto: HandshakeCrypto,
): Uint8Array {
  return crypto.sign(scalarOf(certificate), data);
}

/**
 * Whether the key of the certificate `der` signed `data`; `false` for whatever cannot be checked.
 */
export function isSignedBy(
  der: Uint8Array,
  scheme: number,
  data: Uint8Array,
  signature: Uint8Array,
  crypto: HandshakeCrypto,
): boolean {
  const point = scheme === SIGNATURE_SCHEME.ecdsaSha256 ? p256PointOf(der) : undefined;
  if (point !== undefined) return crypto.isSigned(point, data, signature);
  try {
    const key = new X509Certificate(der).publicKey;
    if (key.asymmetricKeyType !== KEY_TYPES.get(scheme)) return false;
    const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
    if (modulusLength > MAX_RSA_BITS || publicExponent > MAX_RSA_EXPONENT) return false;
    return verify("sha256", Buffer.from(data), key, signature);
  } catch {
    return false;
  }
}

/**
 * Whether two Finished values, or cookies, are the same, in a time that does not tell where not.
 */
export function isSameSecret(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
