/**
 * The messages of a DTLS 1.2 client, values to bytes (RFC 5246 §7.4, RFC 6347 §4.2, RFC 8422 §5).
 *
 * @module
 */
import { CURVE } from "../crypto/handshake_crypto.ts";
import { SIGNATURE_SCHEME } from "./dtls_signatures.ts";
import { EXTENSION, extension, vector16, vector8, VERSION_1_2, words } from "./tls_vectors.ts";
import type { SrtpProfile } from "../srtp/srtp_keys.ts";

/** ECDHE with AES-128-GCM, signed by ECDSA or RSA (RFC 5289 §3.2). */
export const CIPHER_SUITES: readonly number[] = [0xc02b, 0xc02f];
const UNCOMPRESSED = 0;
const NO_COMPRESSION = 0;

/** A ClientHello; the second one says the same again, with the server's cookie. */
export function writeClientHello(
  random: Uint8Array,
  cookie: Uint8Array,
  profiles: readonly SrtpProfile[],
): Uint8Array {
  const extensions = [
    ...extension(EXTENSION.supportedGroups, vector16(words([CURVE.x25519, CURVE.secp256r1]))),
    ...extension(EXTENSION.pointFormats, vector8([UNCOMPRESSED])),
    ...extension(EXTENSION.signatureAlgorithms, vector16(words(Object.values(SIGNATURE_SCHEME)))),
    ...extension(EXTENSION.useSrtp, [...vector16(words(profiles)), ...vector8([])]),
    ...extension(EXTENSION.extendedMasterSecret, []),
    ...extension(EXTENSION.renegotiationInfo, vector8([])),
  ];
  return Uint8Array.from([
    ...words([VERSION_1_2]),
    ...random,
    ...vector8([]), // no session to resume
    ...vector8([...cookie]),
    ...vector16(words(CIPHER_SUITES)),
    ...vector8([NO_COMPRESSION]),
    ...vector16(extensions),
  ]);
}

/** A Certificate with one certificate in DER. */
export function writeCertificate(der: Uint8Array): Uint8Array {
  const list = der.length + 3;
  const body = new Uint8Array(list + 3);
  body.set([list >> 16, list >> 8, list, der.length >> 16, der.length >> 8, der.length]);
  body.set(der, 6);
  return body;
}

/** A ClientKeyExchange with our share of ECDHE. */
export function writeClientKeyExchange(publicKey: Uint8Array): Uint8Array {
  return Uint8Array.from(vector8([...publicKey]));
}

/** A CertificateVerify. */
export function writeCertificateVerify(scheme: number, signature: Uint8Array): Uint8Array {
  return Uint8Array.from([...words([scheme]), ...vector16([...signature])]);
}
