/**
 * The key schedule of TLS 1.2 with SHA-256: from a shared secret to a master secret (RFC 5246 §8.1,
 * RFC 7627 §4), and from that to record keys, Finished values and exported keys.
 *
 * @module
 */
import { joinBytes } from "../../base/joined_bytes.ts";
import type { HandshakeCrypto } from "../crypto/handshake_crypto.ts";
import { RECORD_KEY_BYTES, RECORD_SALT_BYTES, type RecordKey } from "../crypto/record_cipher.ts";

const MASTER_SECRET_BYTES = 48;
const VERIFY_DATA_BYTES = 12;

/** Both random values of a handshake, 32 bytes each. */
export interface HandshakeRandoms {
  readonly client: Uint8Array;
  readonly server: Uint8Array;
}

/** The keys of one handshake. */
export class TlsKeySchedule {
  readonly #crypto: HandshakeCrypto;
  readonly #randoms: HandshakeRandoms;
  readonly #master: Uint8Array;

  /**
   * @param preMaster The shared secret.
   * @param hash Of the messages up to ClientKeyExchange, where both sides extend the master secret
   *   by it (RFC 7627 §4); else the random values stand for them (RFC 5246 §8.1).
   */
  constructor(
    crypto: HandshakeCrypto,
    preMaster: Uint8Array,
    randoms: HandshakeRandoms,
    hash: Uint8Array | undefined,
  ) {
    this.#crypto = crypto;
    this.#randoms = randoms;
    this.#master = hash === undefined
      ? this.#prf(preMaster, "master secret", bothRandoms(randoms), MASTER_SECRET_BYTES)
      : this.#prf(preMaster, "extended master secret", hash, MASTER_SECRET_BYTES);
  }

  /** The record keys of both directions (RFC 5246 §6.3). */
  recordKeys(): { readonly client: RecordKey; readonly server: RecordKey } {
    const seed = joinBytes([this.#randoms.server, this.#randoms.client]);
    const length = 2 * (RECORD_KEY_BYTES + RECORD_SALT_BYTES);
    const block = this.#prf(this.#master, "key expansion", seed, length);
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

  /** What Finished of that side carries (RFC 5246 §7.4.9); `hash` covers what was said before. */
  verifyData(side: "client" | "server", hash: Uint8Array): Uint8Array {
    return this.#prf(this.#master, `${side} finished`, hash, VERIFY_DATA_BYTES);
  }

  /** Exported keying material without a context (RFC 5705 §4). */
  exportKeys(label: string, length: number): Uint8Array {
    return this.#prf(this.#master, label, bothRandoms(this.#randoms), length);
  }

  #prf(secret: Uint8Array, label: string, seed: Uint8Array, length: number): Uint8Array {
    return prf(this.#crypto, secret, label, seed, length);
  }
}

/** Labels are a handful, each for every handshake. */
const labels = new Map<string, Uint8Array>();
const MAX_LABELS = 16;

function bytesOf(label: string): Uint8Array {
  let bytes = labels.get(label);
  if (bytes === undefined) {
    bytes = new TextEncoder().encode(label);
    if (labels.size < MAX_LABELS) labels.set(label, bytes);
  }
  return bytes;
}

/** P_SHA256 over label and seed (RFC 5246 §5). */
export function prf(
  crypto: HandshakeCrypto,
  secret: Uint8Array,
  label: string,
  seed: Uint8Array,
  length: number,
): Uint8Array {
  const labelled = joinBytes([bytesOf(label), seed]);
  const out = new Uint8Array(length);
  let chained: Uint8Array = labelled;
  for (let at = 0; at < length;) {
    chained = crypto.hmac(secret, chained);
    const bytes = crypto.hmac(secret, joinBytes([chained, labelled])).subarray(0, length - at);
    out.set(bytes, at);
    at += bytes.length;
  }
  return out;
}

function bothRandoms({ client, server }: HandshakeRandoms): Uint8Array {
  return joinBytes([client, server]);
}
