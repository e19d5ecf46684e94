/**
 * Our half of an elliptic-curve Diffie-Hellman exchange with a server that has already shown its
 * own (RFC 8422 §5).
 *
 * @module
 */
import { createECDH } from "node:crypto";
import { CURVE } from "./dtls_client_flight.ts";
import { x25519KeyPair, x25519SharedSecret } from "./werift_key_exchange.ts";

/** What we send, and what both sides then know. */
export interface KeyShare {
  readonly publicKey: Uint8Array;
  readonly secret: Uint8Array;
}

/**
 * A fresh key of ours on `curve`, and the secret shared with `theirs`.
 *
 * @returns `undefined` for another curve, or for what is no point of it or one of small order.
 */
export function agreeOnKey(curve: number, theirs: Uint8Array): KeyShare | undefined {
  try {
    if (curve === CURVE.x25519) {
      const { publicKey, secretKey } = x25519KeyPair();
      return { publicKey, secret: x25519SharedSecret(secretKey, theirs) };
    }
    if (curve !== CURVE.secp256r1) return undefined;
    const ours = createECDH("prime256v1");
    const publicKey = new Uint8Array(ours.generateKeys());
    return { publicKey, secret: new Uint8Array(ours.computeSecret(theirs)) };
  } catch {
    return undefined;
  }
}
