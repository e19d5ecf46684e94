/**
 * Lets werift's DTLS clients do their X25519 by `node:crypto`. werift 0.25.2 computes it with
 * `tweetnacl`, which is plain JavaScript and takes 0.8 ms for a key and as long again for the
 * secret: most of the time of tests with many clients. `tweetnacl` is one shared object, so
 * replacing two of its functions with others of the same meaning (RFC 7748 §6.1) is enough.
 *
 * @module
 */
import nacl from "tweetnacl";
import { CURVE } from "../../../lib/transport/crypto/handshake_crypto.ts";
import { PORTABLE_HANDSHAKE_CRYPTO } from "../../../lib/transport/crypto/portable_handshake_crypto.ts";

const keyPair = () => {
  const { privateKey: secretKey, publicKey } = PORTABLE_HANDSHAKE_CRYPTO.newKey(CURVE.x25519);
  return { secretKey, publicKey };
};
const scalarMult = (secretKey: Uint8Array, theirs: Uint8Array) => {
  const secret = PORTABLE_HANDSHAKE_CRYPTO.sharedSecret(CURVE.x25519, secretKey, theirs);
  if (secret === undefined) throw new Error("Cannot use X25519 key");
  return secret;
};
nacl.box.keyPair = Object.assign(keyPair, { fromSecretKey: nacl.box.keyPair.fromSecretKey });
nacl.scalarMult = Object.assign(scalarMult, nacl.scalarMult);
