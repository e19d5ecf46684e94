/**
 * The computations of a handshake by `node:crypto`, everywhere.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import {
  createECDH,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  sign,
  verify,
} from "node:crypto";
import { CURVE, type HandshakeCrypto, P256_KEY_HEAD, X25519_BYTES } from "./handshake_crypto.ts";

const P256 = "prime256v1";
/** DER in front of a raw key: PKCS#8 and SubjectPublicKeyInfo of RFC 8410 §4 and §7. */
const X25519_PRIVATE_PREFIX = Buffer.from("302e020100300506032b656e04220420", "hex");
const X25519_PUBLIC_PREFIX = Buffer.from("302a300506032b656e032100", "hex");
/** The same for P-256 (RFC 5915 §3 inside PKCS#8). */
const P256_PRIVATE_PREFIX = Buffer.from(
  "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420",
  "hex",
);

/** For every platform, and the default everywhere. */
export const PORTABLE_HANDSHAKE_CRYPTO: HandshakeCrypto = {
  sha256: (data) => new Uint8Array(createHash("sha256").update(data).digest()),
  hmac: (key, data) => new Uint8Array(createHmac("sha256", key).update(data).digest()),
  newKey: (curve) => curve === CURVE.x25519 ? newX25519() : newP256(),
  sharedSecret: (curve, privateKey, theirs) => {
    try {
      return curve === CURVE.x25519 ? x25519(privateKey, theirs) : ecdh(privateKey, theirs);
    } catch {
      return undefined;
    }
  },
  sign: (scalar, data) => {
    const key = privateKeyOf(P256_PRIVATE_PREFIX, scalar);
    return new Uint8Array(sign("sha256", Buffer.from(data), key));
  },
  isSigned: (point, data, signature) => {
    try {
      const key = publicKeyOf(P256_KEY_HEAD, point);
      return verify("sha256", Buffer.from(data), key, signature);
    } catch {
      return false;
    }
  },
};

function newX25519() {
  const pair = generateKeyPairSync("x25519");
  const secret = pair.privateKey.export({ format: "der", type: "pkcs8" });
  const open = pair.publicKey.export({ format: "der", type: "spki" });
  return {
    privateKey: new Uint8Array(secret.subarray(secret.length - X25519_BYTES)),
    publicKey: new Uint8Array(open.subarray(open.length - X25519_BYTES)),
  };
}

function newP256() {
  const ours = createECDH(P256);
  const publicKey = new Uint8Array(ours.generateKeys());
  return { privateKey: new Uint8Array(ours.getPrivateKey()), publicKey };
}

function x25519(privateKey: Uint8Array, theirs: Uint8Array): Uint8Array | undefined {
  if (theirs.length !== X25519_BYTES) return undefined;
  const secret = new Uint8Array(diffieHellman({
    privateKey: privateKeyOf(X25519_PRIVATE_PREFIX, privateKey),
    publicKey: publicKeyOf(X25519_PUBLIC_PREFIX, theirs),
  }));
  return secret.every((byte) => byte === 0) ? undefined : secret;
}

function ecdh(privateKey: Uint8Array, theirs: Uint8Array): Uint8Array {
  const ours = createECDH(P256);
  ours.setPrivateKey(privateKey);
  return new Uint8Array(ours.computeSecret(theirs));
}

function privateKeyOf(prefix: Uint8Array, key: Uint8Array) {
  return createPrivateKey({ key: Buffer.concat([prefix, key]), format: "der", type: "pkcs8" });
}

function publicKeyOf(prefix: Uint8Array, key: Uint8Array) {
  return createPublicKey({ key: Buffer.concat([prefix, key]), format: "der", type: "spki" });
}
