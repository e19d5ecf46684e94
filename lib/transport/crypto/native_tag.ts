/**
 * How libcrypto 3 is told where the tag of AES-GCM stands: one list of parameters, which all
 * ciphers of a thread share, because one packet is worked on at a time.
 *
 * @module
 */
import { addressOf } from "./native_address.ts";

const TAG_BYTES = 16;
/** `EVP_CTRL_AEAD_GET_TAG` and `EVP_CTRL_AEAD_SET_TAG` of `openssl/evp.h`, for older versions. */
export const GET_TAG = 0x10;
export const SET_TAG = 0x11;

/** `OSSL_PARAM tag[2]` (`openssl/core.h`), what it is and the end of the list, and its name. */
const PARAM_BYTES = 40;
const NAME = 2 * PARAM_BYTES;
const OSSL_PARAM_OCTET_STRING = 5;

const bytes = new Uint8Array(NAME + 8);
const addresses = new BigUint64Array(bytes.buffer);
let param: bigint | undefined;

/** The list's address; made once the library is used, as it takes the permission. */
export function tagParam(): bigint {
  if (param !== undefined) return param;
  const base = addressOf(bytes);
  bytes.set(new TextEncoder().encode("tag\0"), NAME);
  addresses[0] = base + BigInt(NAME);
  new DataView(bytes.buffer).setUint32(8, OSSL_PARAM_OCTET_STRING, true);
  addresses[3] = BigInt(TAG_BYTES);
  return param = base;
}

/** Points {@linkcode tagParam} at the 16 bytes from `address` on. */
export function setTagParam(address: bigint): void {
  addresses[2] = address;
}
