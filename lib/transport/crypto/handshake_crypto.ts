/**
 * What a DTLS handshake computes: hashes, elliptic-curve Diffie-Hellman and signatures. A port with
 * two twins; both take and give the same bytes.
 *
 * Contract: whatever a peer's bytes are, nothing throws: a share that is no point, or one of small
 * order, and a signature that does not verify are answers. Calls are synchronous.
 *
 * @module
 */

/** Curves for a key share, by their numbers in TLS (RFC 8422 §5.1.1). */
export const CURVE = { x25519: 29, secp256r1: 23 } as const;
export type Curve = (typeof CURVE)[keyof typeof CURVE];

/** Uncompressed: 4, and both coordinates. */
export const P256_POINT_BYTES = 65;
/** SubjectPublicKeyInfo of a key on P-256 up to its point (RFC 5480 §2). */
export const P256_KEY_HEAD: Uint8Array = Uint8Array.fromHex(
  "3059301306072a8648ce3d020106082a8648ce3d030107034200",
);
export const P256_SCALAR_BYTES = 32;
export const X25519_BYTES = 32;
export const SHA256_BYTES = 32;

/** A fresh key of ours on one curve. */
export interface CurveKey {
  readonly privateKey: Uint8Array;
  /** As it is sent: 32 bytes, or a point of 65. */
  readonly publicKey: Uint8Array;
}

/** One twin. Results are the caller's own. */
export interface HandshakeCrypto {
  sha256(data: Uint8Array): Uint8Array;
  /** HMAC with SHA-256 (RFC 2104). */
  hmac(key: Uint8Array, data: Uint8Array): Uint8Array;
  newKey(curve: Curve): CurveKey;
  /**
   * The secret that `privateKey` shares with who sent `theirs`; `undefined` if that is no point of
   * the curve, or gives one away (RFC 7748 §6.1).
   */
  sharedSecret(curve: Curve, privateKey: Uint8Array, theirs: Uint8Array): Uint8Array | undefined;
  /** ECDSA with P-256 and SHA-256, in DER. `scalar` has {@linkcode P256_SCALAR_BYTES}. */
  sign(scalar: Uint8Array, data: Uint8Array): Uint8Array;
  /** Whether the key at `point` ({@linkcode P256_POINT_BYTES}) signed `data`. */
  isSigned(point: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean;
}
