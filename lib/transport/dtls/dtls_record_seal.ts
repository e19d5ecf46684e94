/**
 * Seals and opens DTLS 1.2 records with AES-128-GCM (RFC 5288 §3, RFC 6347 §4.1.2).
 *
 * Contract: a sequence number is never used twice under one key; what does not open is `undefined`.
 *
 * @module
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { type DtlsRecord, RECORD_HEADER_BYTES, writeRecord } from "./dtls_records.ts";
import type { RecordKey } from "./tls_key_schedule.ts";

const ALGORITHM = "aes-128-gcm";
const EXPLICIT_NONCE_BYTES = 8;
const TAG_BYTES = 16;
const NONCE_BYTES = 12;
/** DTLS 1.2 (RFC 6347 §4.1). */
const VERSION = 0xfefd;

/**
 * Keys and numbers of one direction pair in epoch 1, the only one, as there is no renegotiation. No
 * number is used twice; a record that does not open is `undefined`.
 */
export class DtlsRecordSeal {
  readonly #local: RecordKey;
  readonly #remote: RecordKey;
  /** Next sequence number of ours. */
  #sequence = 0;

  constructor(local: RecordKey, remote: RecordKey) {
    this.#local = local;
    this.#remote = remote;
  }

  /** A whole record of epoch 1. */
  seal(type: number, body: Uint8Array): Uint8Array {
    const sequence = this.#sequence++;
    const sealed = new Uint8Array(EXPLICIT_NONCE_BYTES + body.length + TAG_BYTES);
    const record = writeRecord(type, 1, sequence, sealed);
    // The explicit part of the nonce is epoch and sequence number, as they stand in the header.
    const explicit = record.slice(3, 11);
    const cipher = createCipheriv(ALGORITHM, this.#local.key, nonceOf(this.#local, explicit));
    cipher.setAAD(additionalData(explicit, type, body.length));
    const text = cipher.update(body);
    cipher.final();
    record.set(explicit, RECORD_HEADER_BYTES);
    record.set(text, RECORD_HEADER_BYTES + EXPLICIT_NONCE_BYTES);
    record.set(cipher.getAuthTag(), record.length - TAG_BYTES);
    return record;
  }

  /** The plain content of a record that the peer sealed. */
  open({ type, epoch, sequence, body }: DtlsRecord): Uint8Array | undefined {
    const length = body.length - EXPLICIT_NONCE_BYTES - TAG_BYTES;
    if (length < 0) return undefined;
    try {
      const explicit = body.subarray(0, EXPLICIT_NONCE_BYTES);
      const header = writeRecord(type, epoch, sequence, new Uint8Array(0)).subarray(3, 11);
      const key = this.#remote;
      const decipher = createDecipheriv(ALGORITHM, key.key, nonceOf(key, explicit));
      decipher.setAAD(additionalData(header, type, length));
      decipher.setAuthTag(body.subarray(body.length - TAG_BYTES));
      const text = decipher.update(body.subarray(EXPLICIT_NONCE_BYTES, body.length - TAG_BYTES));
      decipher.final();
      return new Uint8Array(text);
    } catch {
      return undefined;
    }
  }
}

function nonceOf({ salt }: RecordKey, explicit: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(NONCE_BYTES);
  nonce.set(salt);
  nonce.set(explicit, salt.length);
  return nonce;
}

/** Epoch and sequence number, type, version, length of the content (RFC 5246 §6.2.3.3). */
function additionalData(numbers: Uint8Array, type: number, length: number): Uint8Array {
  const data = new Uint8Array(13);
  data.set(numbers);
  const view = new DataView(data.buffer);
  view.setUint8(8, type);
  view.setUint16(9, VERSION);
  view.setUint16(11, length);
  return data;
}
