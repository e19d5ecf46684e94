/**
 * Keys of a hop: of the hello that begins it, and of each direction and epoch.
 *
 * Both ends draw a nonce for each life of theirs. Keys come from the shared secret and both, so an
 * end that begins anew never seals with a key that it sealed with before.
 *
 * @module
 */
import type { HandshakeCrypto } from "../../transport/crypto/handshake_crypto.ts";
import { hkdfExpand, hkdfExtract } from "../../transport/crypto/hkdf.ts";
import { deriveSessionKeys, SRTP_PROFILE } from "../../transport/srtp/srtp_keys.ts";
import type { SrtpCipher, SrtpCipherFactory } from "../../transport/srtp/srtp_cipher.ts";

export const NONCE_BYTES = 16;
const KEY_BYTES = 16;
const SALT_BYTES = 12;
const encoder = new TextEncoder();
const HELLO_INFO = encoder.encode("roomwire hop hello");
const EPOCH_INFO = encoder.encode("roomwire hop epoch");

/** What a hop seals with. */
export interface HopCrypto {
  readonly srtpCipherFactory: SrtpCipherFactory;
  readonly handshakeCrypto: HandshakeCrypto;
}

/** The key that authenticates hellos. */
export function helloKey({ handshakeCrypto }: HopCrypto, secret: Uint8Array): Uint8Array {
  const prk = hkdfExtract(handshakeCrypto, new Uint8Array(NONCE_BYTES), secret);
  return hkdfExpand(handshakeCrypto, prk, HELLO_INFO, 2 * KEY_BYTES);
}

/** The keys of one pair of lives. */
export class HopKeys {
  readonly #prk: Uint8Array;

  constructor(
    readonly crypto: HopCrypto,
    secret: Uint8Array,
    readonly ours: Uint8Array,
    readonly theirs: Uint8Array,
  ) {
    const [first, second] = isBelow(ours, theirs) ? [ours, theirs] : [theirs, ours];
    const salt = new Uint8Array(2 * NONCE_BYTES);
    salt.set(first);
    salt.set(second, NONCE_BYTES);
    this.#prk = hkdfExtract(crypto.handshakeCrypto, salt, secret);
  }

  /** The cipher of what we send in an epoch; to be closed. */
  sealing(epoch: number): SrtpCipher {
    return this.#cipher(this.ours, epoch);
  }

  /** The cipher of what they send in an epoch; to be closed. */
  opening(epoch: number): SrtpCipher {
    return this.#cipher(this.theirs, epoch);
  }

  #cipher(sender: Uint8Array, epoch: number): SrtpCipher {
    const info = new Uint8Array(EPOCH_INFO.length + NONCE_BYTES + 4);
    info.set(EPOCH_INFO);
    info.set(sender, EPOCH_INFO.length);
    new DataView(info.buffer).setUint32(EPOCH_INFO.length + NONCE_BYTES, epoch);
    const { handshakeCrypto, srtpCipherFactory } = this.crypto;
    const material = hkdfExpand(handshakeCrypto, this.#prk, info, KEY_BYTES + SALT_BYTES);
    const master = { key: material.slice(0, KEY_BYTES), salt: material.slice(KEY_BYTES) };
    return srtpCipherFactory(deriveSessionKeys(SRTP_PROFILE.aeadAes128Gcm, master));
  }
}

/** Whether the bytes are equal, in a time that does not tell where they differ. */
export function isSame(left: Uint8Array, right: Uint8Array): boolean {
  let difference = left.length ^ right.length;
  for (let i = 0; i < left.length; i++) difference |= left[i]! ^ right[i]!;
  return difference === 0;
}

function isBelow(left: Uint8Array, right: Uint8Array): boolean {
  for (let i = 0; i < left.length; i++) {
    if (left[i] !== right[i]) return left[i]! < right[i]!;
  }
  return false;
}
