/**
 * The key schedule of TLS 1.2 with SHA-256: from a shared secret to a master secret (RFC 5246 §8.1,
 * RFC 7627 §4), and from that to record keys, Finished values and exported keys.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash, createHmac } from "node:crypto";
import { RECORD_KEY_BYTES, RECORD_SALT_BYTES, type RecordKey } from "../crypto/record_cipher.ts";

const MASTER_SECRET_BYTES = 48;
const VERIFY_DATA_BYTES = 12;

/** Both random values of a handshake, 32 bytes each. */
export interface HandshakeRandoms {
  readonly client: Uint8Array;
  readonly server: Uint8Array;
}

/** SHA-256 of all handshake messages so far. */
export function transcriptHash(messages: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("sha256");
  for (const message of messages) hash.update(message);
  return hash.digest();
}

/** The master secret without the extension for a safer one (RFC 5246 §8.1). */
export function masterSecret(preMaster: Uint8Array, randoms: HandshakeRandoms): Uint8Array {
  return prf(preMaster, "master secret", join(randoms.client, randoms.server), MASTER_SECRET_BYTES);
}

/** The extended master secret (RFC 7627 §4); `hash` covers the messages up to ClientKeyExchange. */
export function extendedMasterSecret(preMaster: Uint8Array, hash: Uint8Array): Uint8Array {
  return prf(preMaster, "extended master secret", hash, MASTER_SECRET_BYTES);
}

/** The record keys of both directions (RFC 5246 §6.3). */
export function recordKeys(
  master: Uint8Array,
  randoms: HandshakeRandoms,
): { readonly client: RecordKey; readonly server: RecordKey } {
  const seed = join(randoms.server, randoms.client);
  const block = prf(master, "key expansion", seed, 2 * (RECORD_KEY_BYTES + RECORD_SALT_BYTES));
  const salts = 2 * RECORD_KEY_BYTES;
  return {
    client: {
      key: block.slice(0, RECORD_KEY_BYTES),
      salt: block.slice(salts, salts + RECORD_SALT_BYTES),
    },
    server: {
      key: block.slice(RECORD_KEY_BYTES, salts),
      salt: block.slice(salts + RECORD_SALT_BYTES),
    },
  };
}

/** What Finished of that side carries (RFC 5246 §7.4.9). */
export function verifyData(
  master: Uint8Array,
  side: "client" | "server",
  hash: Uint8Array,
): Uint8Array {
  return prf(master, `${side} finished`, hash, VERIFY_DATA_BYTES);
}

/** Exported keying material without a context (RFC 5705 §4). */
export function exportKeys(
  master: Uint8Array,
  randoms: HandshakeRandoms,
  label: string,
  length: number,
): Uint8Array {
  return prf(master, label, join(randoms.client, randoms.server), length);
}

/** P_SHA256 over label and seed (RFC 5246 §5). */
function prf(secret: Uint8Array, label: string, seed: Uint8Array, length: number): Uint8Array {
  const labelled = join(new TextEncoder().encode(label), seed);
  const out = new Uint8Array(length);
  let chained = labelled;
  for (let at = 0; at < length;) {
    chained = hmac(secret, chained);
    const bytes = hmac(secret, join(chained, labelled)).subarray(0, length - at);
    out.set(bytes, at);
    at += bytes.length;
  }
  return out;
}

function hmac(secret: Uint8Array, data: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac("sha256", secret).update(data).digest());
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.concat([a, b]));
}
