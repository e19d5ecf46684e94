/**
 * Lets werift's DTLS do its X25519 in native code.
 *
 * werift 0.25.2 (`dtls/src/cipher/namedCurve.ts`, `prf.ts`) computes X25519 with `tweetnacl`, which
 * is plain JavaScript and takes 0.8 ms for a key pair and as long again for the shared secret;
 * node:crypto needs a tenth. `tweetnacl` is one shared object, so replacing two of its functions
 * with others of the same meaning (RFC 7748 §6.1) is enough; nothing else here uses it.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync } from "node:crypto";
import nacl from "tweetnacl";

const X25519_BYTES = 32;
/** DER in front of a raw key: PKCS#8 and SubjectPublicKeyInfo of RFC 8410 §4 and §7. */
const PRIVATE_KEY_PREFIX = Buffer.from("302e020100300506032b656e04220420", "hex");
const PUBLIC_KEY_PREFIX = Buffer.from("302a300506032b656e032100", "hex");

let installed = false;

/** A fresh X25519 key pair, raw 32-byte keys in their own buffers. */
export function x25519KeyPair(): { publicKey: Uint8Array; secretKey: Uint8Array } {
  const pair = generateKeyPairSync("x25519");
  const secret = pair.privateKey.export({ format: "der", type: "pkcs8" });
  const open = pair.publicKey.export({ format: "der", type: "spki" });
  return {
    publicKey: new Uint8Array(open.subarray(open.length - X25519_BYTES)),
    secretKey: new Uint8Array(secret.subarray(secret.length - X25519_BYTES)),
  };
}

/**
 * The X25519 shared secret.
 *
 * @throws If `publicKey` is no 32-byte key or a point of small order (RFC 7748 §6.1); the handshake
 *   that asked for it fails.
 */
export function x25519SharedSecret(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  if (secretKey.length !== X25519_BYTES || publicKey.length !== X25519_BYTES) {
    throw new Error(`Cannot use X25519 key: ${publicKey.length} bytes, expected ${X25519_BYTES}`);
  }
  const privateKey = createPrivateKey({
    key: Buffer.concat([PRIVATE_KEY_PREFIX, secretKey]),
    format: "der",
    type: "pkcs8",
  });
  const peerKey = createPublicKey({
    key: Buffer.concat([PUBLIC_KEY_PREFIX, publicKey]),
    format: "der",
    type: "spki",
  });
  const secret = new Uint8Array(diffieHellman({ privateKey, publicKey: peerKey }));
  if (secret.every((byte) => byte === 0)) throw new Error("Cannot use X25519 key: small order");
  return secret;
}

/** Installs the native functions; idempotent. */
export function useNativeKeyExchange(): void {
  if (installed) return;
  installed = true;
  nacl.box.keyPair = Object.assign(x25519KeyPair, {
    fromSecretKey: nacl.box.keyPair.fromSecretKey,
  });
  nacl.scalarMult = Object.assign(x25519SharedSecret, nacl.scalarMult);
}
