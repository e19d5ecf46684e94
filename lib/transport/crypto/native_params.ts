/**
 * Parameters of libcrypto 3 (`OSSL_PARAM` of `openssl/core.h`), made once and kept.
 *
 * @module
 */
import { addressOf } from "./native_address.ts";

const PARAM_BYTES = 40;
const OSSL_PARAM_OCTET_STRING = 5;

/** Native code reads them as long as the program lives. */
const kept: Uint8Array[] = [];

/**
 * A list of one parameter that is `length` bytes.
 *
 * @param value Where they stand.
 * @returns The list's address.
 */
export function octetParam(name: string, value: bigint, length: number): bigint {
  const nameAt = 2 * PARAM_BYTES;
  const bytes = new Uint8Array(nameAt + name.length + 1);
  const list = addressOf(bytes);
  bytes.set(new TextEncoder().encode(name), nameAt);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, list + BigInt(nameAt), true);
  view.setUint32(8, OSSL_PARAM_OCTET_STRING, true);
  view.setBigUint64(16, value, true);
  view.setBigUint64(24, BigInt(length), true);
  kept.push(bytes);
  return list;
}
