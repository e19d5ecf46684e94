/**
 * The computations of a handshake on libcrypto. `node:crypto` is not OpenSSL here: a signature of
 * P-256 takes it twenty times as long, and a check of one seven times.
 *
 * Contract: that of `handshake_crypto.ts`. What is asked of the library is tried out before it is
 * used, and every key of a connection is freed in the call that made it, but one of ours on X25519:
 * that is kept for the secret which is going to be made of it, because to read it again takes the
 * library as long as to make it.
 *
 * @module
 */
import { addressOf } from "./native_address.ts";
import {
  CURVE,
  type Curve,
  type CurveKey,
  type HandshakeCrypto,
  P256_POINT_BYTES,
  P256_SCALAR_BYTES,
  SHA256_BYTES,
  X25519_BYTES,
} from "./handshake_crypto.ts";
import type { Libcrypto, LibcryptoCalls } from "./libcrypto.ts";

/** `NID_X9_62_prime256v1` and `NID_X25519` of `openssl/obj_mac.h`. */
const NID_P256 = 415;
const NID_X25519 = 1034;
/** `POINT_CONVERSION_UNCOMPRESSED` of `openssl/ec.h`. */
const UNCOMPRESSED = 4;
/** ECDSA's in DER: two numbers of 33 bytes with their heads. */
const MAX_SIGNATURE_BYTES = 72;

/** Keys that wait for their secrets: those of more handshakes at a time are read again. */
const MAX_WAITING_KEYS = 256;

/** Those of the library's calls that are needed here, all there. */
type Calls =
  & LibcryptoCalls
  & {
    readonly [Name in (typeof NEEDED)[number]]: NonNullable<LibcryptoCalls[Name]>;
  };

const NEEDED = [
  "RAND_bytes",
  "SHA256",
  "HMAC",
  "EVP_sha256",
  "EC_KEY_new_by_curve_name",
  "EC_KEY_free",
  "EC_KEY_generate_key",
  "EC_KEY_oct2key",
  "EC_KEY_oct2priv",
  "EC_KEY_priv2oct",
  "EC_KEY_get0_group",
  "EC_KEY_get0_public_key",
  "EC_POINT_point2oct",
  "ECDH_compute_key",
  "ECDSA_sign",
  "ECDSA_verify",
  "EVP_PKEY_new_raw_private_key",
  "EVP_PKEY_new_raw_public_key",
  "EVP_PKEY_get_raw_public_key",
  "EVP_PKEY_free",
  "EVP_PKEY_CTX_new",
  "EVP_PKEY_CTX_free",
  "EVP_PKEY_derive_init",
  "EVP_PKEY_derive_set_peer",
  "EVP_PKEY_derive",
] as const satisfies readonly (keyof LibcryptoCalls)[];

/**
 * The native twin; `undefined` if the library lacks a call, or computes something else than the
 * published values.
 */
export function nativeHandshakeCrypto(library: Libcrypto): HandshakeCrypto | undefined {
  if (NEEDED.some((name) => library.calls[name] === null)) return undefined;
  const made = new NativeHandshakeCrypto(library.calls as Calls);
  try {
    return passesSelfTest(made) ? made : undefined;
  } catch {
    return undefined;
  }
}

class NativeHandshakeCrypto implements HandshakeCrypto {
  readonly #calls: Calls;
  readonly #sha256: bigint;
  /** Where calls write lengths and the address of a new key. */
  readonly #cell = new BigUint64Array(1);
  readonly #cellAt: bigint;
  #kept = 0n;
  /** Of X25519, by their raw form; the oldest first. */
  readonly #waiting = new Map<Uint8Array, bigint>();

  constructor(calls: Calls) {
    this.#calls = calls;
    this.#sha256 = calls.EVP_sha256();
    this.#cellAt = addressOf(new Uint8Array(this.#cell.buffer));
  }

  sha256(data: Uint8Array): Uint8Array {
    const out = new Uint8Array(SHA256_BYTES);
    this.#calls.SHA256(data as Uint8Array<ArrayBuffer>, BigInt(data.length), out);
    return out;
  }

  hmac(key: Uint8Array, data: Uint8Array): Uint8Array {
    const out = new Uint8Array(SHA256_BYTES);
    this.#calls.HMAC(
      this.#sha256,
      key as Uint8Array<ArrayBuffer>,
      key.length,
      data as Uint8Array<ArrayBuffer>,
      BigInt(data.length),
      out,
      0n,
    );
    return out;
  }

  newKey(curve: Curve): CurveKey {
    return curve === CURVE.x25519 ? this.#newX25519() : this.#newP256();
  }

  sharedSecret(curve: Curve, privateKey: Uint8Array, theirs: Uint8Array): Uint8Array | undefined {
    return curve === CURVE.x25519
      ? this.#x25519(privateKey, theirs)
      : this.#ecdh(privateKey, theirs);
  }

  sign(scalar: Uint8Array, data: Uint8Array): Uint8Array {
    const calls = this.#calls;
    const out = new Uint8Array(MAX_SIGNATURE_BYTES);
    const key = this.#keptKey();
    const isTaken = scalar.length === P256_SCALAR_BYTES &&
      calls.EC_KEY_oct2priv(key, scalar as Uint8Array<ArrayBuffer>, BigInt(scalar.length)) === 1;
    if (!isTaken) throw new Error("Cannot sign: libcrypto refused the key");
    this.#cell[0] = 0n;
    const digest = this.sha256(data) as Uint8Array<ArrayBuffer>;
    const isDone = calls.ECDSA_sign(0, digest, SHA256_BYTES, out, this.#cellAt, key) === 1;
    if (!isDone) throw new Error("Cannot sign: libcrypto failed");
    return out.slice(0, Number(this.#cell[0]));
  }

  isSigned(point: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean {
    const calls = this.#calls;
    const key = this.#keptKey();
    if (!isUncompressed(point)) return false;
    const octets = point as Uint8Array<ArrayBuffer>;
    if (calls.EC_KEY_oct2key(key, octets, BigInt(point.length), 0n) !== 1) return false;
    return calls.ECDSA_verify(
      0,
      this.sha256(data) as Uint8Array<ArrayBuffer>,
      SHA256_BYTES,
      signature as Uint8Array<ArrayBuffer>,
      signature.length,
      key,
    ) === 1;
  }

  /**
   * A place for keys of certificates, which are no secrets of one connection. To make one takes
   * half as long as to sign.
   */
  #keptKey(): bigint {
    if (this.#kept === 0n) this.#kept = this.#calls.EC_KEY_new_by_curve_name(NID_P256);
    if (this.#kept === 0n) throw new Error("Cannot make a P-256 key: libcrypto gave none");
    return this.#kept;
  }

  #newX25519(): CurveKey {
    const calls = this.#calls;
    const privateKey = new Uint8Array(X25519_BYTES);
    const publicKey = new Uint8Array(X25519_BYTES);
    const isDrawn = calls.RAND_bytes(privateKey, X25519_BYTES) === 1;
    const key = isDrawn ? this.#privateX25519(privateKey) : 0n;
    this.#cell[0] = BigInt(X25519_BYTES);
    const isMade = key !== 0n &&
      calls.EVP_PKEY_get_raw_public_key(key, publicKey, this.#cellAt) === 1;
    if (!isMade) {
      calls.EVP_PKEY_free(key);
      throw new Error("Cannot make an X25519 key: libcrypto failed");
    }
    this.#wait(privateKey, key);
    return { privateKey, publicKey };
  }

  #x25519(privateKey: Uint8Array, theirs: Uint8Array): Uint8Array | undefined {
    if (privateKey.length !== X25519_BYTES || theirs.length !== X25519_BYTES) return undefined;
    const calls = this.#calls;
    const length = BigInt(X25519_BYTES);
    const peer = theirs as Uint8Array<ArrayBuffer>;
    const key = this.#waiting.get(privateKey) ?? this.#privateX25519(privateKey);
    this.#waiting.delete(privateKey);
    const other = calls.EVP_PKEY_new_raw_public_key(NID_X25519, 0n, peer, length);
    const context = calls.EVP_PKEY_CTX_new(key, 0n);
    const secret = new Uint8Array(X25519_BYTES);
    this.#cell[0] = length;
    // It fails for points of small order by itself (RFC 7748 §6.1).
    const isDone = key !== 0n && other !== 0n && context !== 0n &&
      calls.EVP_PKEY_derive_init(context) === 1 &&
      calls.EVP_PKEY_derive_set_peer(context, other) === 1 &&
      calls.EVP_PKEY_derive(context, secret, this.#cellAt) === 1;
    calls.EVP_PKEY_CTX_free(context);
    calls.EVP_PKEY_free(other);
    calls.EVP_PKEY_free(key);
    return isDone && secret.some((byte) => byte !== 0) ? secret : undefined;
  }

  /** A key to be freed; 0 if the library gives none. */
  #privateX25519(raw: Uint8Array): bigint {
    const octets = raw as Uint8Array<ArrayBuffer>;
    return this.#calls.EVP_PKEY_new_raw_private_key(NID_X25519, 0n, octets, BigInt(raw.length));
  }

  /** Handshakes may end before they come to their secrets. */
  #wait(privateKey: Uint8Array, key: bigint): void {
    if (this.#waiting.size >= MAX_WAITING_KEYS) {
      for (const [oldest, old] of this.#waiting) {
        this.#waiting.delete(oldest);
        this.#calls.EVP_PKEY_free(old);
        break;
      }
    }
    this.#waiting.set(privateKey, key);
  }

  #newP256(): CurveKey {
    const calls = this.#calls;
    const key = calls.EC_KEY_new_by_curve_name(NID_P256);
    const privateKey = new Uint8Array(P256_SCALAR_BYTES);
    const publicKey = new Uint8Array(P256_POINT_BYTES);
    const isMade = key !== 0n && calls.EC_KEY_generate_key(key) === 1 &&
      calls.EC_KEY_priv2oct(key, privateKey, BigInt(P256_SCALAR_BYTES)) ===
        BigInt(P256_SCALAR_BYTES) &&
      calls.EC_POINT_point2oct(
          calls.EC_KEY_get0_group(key),
          calls.EC_KEY_get0_public_key(key),
          UNCOMPRESSED,
          publicKey,
          BigInt(P256_POINT_BYTES),
          0n,
        ) === BigInt(P256_POINT_BYTES);
    calls.EC_KEY_free(key);
    if (!isMade) throw new Error("Cannot make a P-256 key: libcrypto failed");
    return { privateKey, publicKey };
  }

  #ecdh(privateKey: Uint8Array, theirs: Uint8Array): Uint8Array | undefined {
    const calls = this.#calls;
    const ours = this.#privateP256(privateKey);
    const other = this.#publicP256(theirs);
    const secret = new Uint8Array(P256_SCALAR_BYTES);
    const length = BigInt(P256_SCALAR_BYTES);
    const isDone = ours !== 0n && other !== 0n &&
      calls.ECDH_compute_key(secret, length, calls.EC_KEY_get0_public_key(other), ours, 0n) ===
        P256_SCALAR_BYTES;
    calls.EC_KEY_free(ours);
    calls.EC_KEY_free(other);
    return isDone ? secret : undefined;
  }

  /** A key to be freed; 0 for what is no scalar. */
  #privateP256(scalar: Uint8Array): bigint {
    if (scalar.length !== P256_SCALAR_BYTES) return 0n;
    const calls = this.#calls;
    const key = calls.EC_KEY_new_by_curve_name(NID_P256);
    const octets = scalar as Uint8Array<ArrayBuffer>;
    if (calls.EC_KEY_oct2priv(key, octets, BigInt(scalar.length)) === 1) return key;
    calls.EC_KEY_free(key);
    return 0n;
  }

  /** A key to be freed; 0 for what is no point of the curve. */
  #publicP256(point: Uint8Array): bigint {
    if (!isUncompressed(point)) return 0n;
    const calls = this.#calls;
    const key = calls.EC_KEY_new_by_curve_name(NID_P256);
    const octets = point as Uint8Array<ArrayBuffer>;
    if (calls.EC_KEY_oct2key(key, octets, BigInt(point.length), 0n) === 1) return key;
    calls.EC_KEY_free(key);
    return 0n;
  }
}

function isUncompressed(point: Uint8Array): boolean {
  return point.length === P256_POINT_BYTES && point[0] === UNCOMPRESSED;
}

/** RFC 4231 §4.3, RFC 7748 §6.1, RFC 6979 §A.2.5, and that what is signed verifies. */
function passesSelfTest(crypto: HandshakeCrypto): boolean {
  const text = new TextEncoder();
  const hex = (bytes: Uint8Array | undefined) => bytes?.toHex();
  const bytes = (digits: string) => Uint8Array.fromHex(digits);
  const sample = text.encode("sample");
  const scalar = bytes("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
  const point = bytes(
    "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6" +
      "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
  );
  const known = bytes(
    "3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716" +
      "022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
  );
  const agree = (curve: Curve) => {
    const [ours, other] = [crypto.newKey(curve), crypto.newKey(curve)];
    return hex(crypto.sharedSecret(curve, ours.privateKey, other.publicKey)) ===
      hex(crypto.sharedSecret(curve, other.privateKey, ours.publicKey));
  };
  return hex(crypto.sha256(text.encode("abc"))) ===
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" &&
    hex(crypto.hmac(text.encode("Jefe"), text.encode("what do ya want for nothing?"))) ===
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" &&
    hex(crypto.sharedSecret(
        CURVE.x25519,
        bytes("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"),
        bytes("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"),
      )) ===
      "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742" &&
    crypto.isSigned(point, sample, known) &&
    !crypto.isSigned(point, text.encode("Sample"), known) &&
    crypto.isSigned(point, sample, crypto.sign(scalar, sample)) &&
    agree(CURVE.secp256r1) && agree(CURVE.x25519);
}
