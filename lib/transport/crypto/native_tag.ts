/**
 * How libcrypto 3 is told where tag and nonce of AES-GCM stand: one list of parameters, which all
 * ciphers of a thread share, because one packet is worked on at a time.
 *
 * @module
 */
import { addressOf } from "./native_address.ts";

const TAG_BYTES = 16;
/** `EVP_CTRL_AEAD_GET_TAG` and `EVP_CTRL_AEAD_SET_TAG` of `openssl/evp.h`, for older versions. */
export const GET_TAG = 0x10;
export const SET_TAG = 0x11;

/** `OSSL_PARAM` of `openssl/core.h`: name, kind, where the value stands, and its length. */
const PARAM_BYTES = 40;
const PARAM_WORDS = PARAM_BYTES / 8;
const VALUE = 2;
const LENGTH = 3;
const OSSL_PARAM_OCTET_STRING = 5;
/** In place of a length: the whole nonce, and not only the part of it that stays. */
const WHOLE = 2n ** 64n - 1n;

/** The tag and the end of its list; then the tag and the nonce, and the end of theirs. */
const TAG = 0;
const TAG_AND_NONCE = 2;
const NONCE = 3;
const PARAMS = 5;
const TAG_NAME = PARAMS * PARAM_BYTES;
const NONCE_NAME = TAG_NAME + 8;

const bytes = new Uint8Array(NONCE_NAME + 16);
const words = new BigUint64Array(bytes.buffer);
let isMade = false;

/** The address of the list that names a tag alone. */
export function tagParam(): bigint {
  return paramAt(TAG);
}

/**
 * The address of the list that names a whole nonce of 12 bytes, as libcrypto's TLS has it.
 *
 * @param nonce Where it stands, the same whenever this is called.
 */
export function nonceParam(nonce: bigint): bigint {
  const at = paramAt(NONCE);
  words[NONCE * PARAM_WORDS + VALUE] = nonce;
  return at;
}

/** The same with the tag before it. */
export function tagAndNonceParam(nonce: bigint): bigint {
  nonceParam(nonce);
  return paramAt(TAG_AND_NONCE);
}

/** Points the lists at the tag's 16 bytes, which begin at `address`. */
export function setTagParam(address: bigint): void {
  words[TAG * PARAM_WORDS + VALUE] = address;
  words[TAG_AND_NONCE * PARAM_WORDS + VALUE] = address;
}

/** Made once the library is used, as it takes the permission. */
function paramAt(param: number): bigint {
  const base = addressOf(bytes);
  if (!isMade) {
    isMade = true;
    bytes.set(new TextEncoder().encode("tag"), TAG_NAME);
    bytes.set(new TextEncoder().encode("tlsivfixed"), NONCE_NAME);
    fill(TAG, base + BigInt(TAG_NAME), BigInt(TAG_BYTES));
    fill(TAG_AND_NONCE, base + BigInt(TAG_NAME), BigInt(TAG_BYTES));
    fill(NONCE, base + BigInt(NONCE_NAME), WHOLE);
  }
  return base + BigInt(param * PARAM_BYTES);
}

function fill(param: number, name: bigint, length: bigint): void {
  const at = param * PARAM_WORDS;
  words[at] = name;
  words[at + 1] = BigInt(OSSL_PARAM_OCTET_STRING);
  words[at + LENGTH] = length;
}
