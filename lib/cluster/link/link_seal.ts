/**
 * How nodes of a cluster prove that they know its secret, and keep what they say to themselves:
 * AES-256-GCM under keys made of that secret by HKDF (RFC 5869). Whoever can seal knows it; whoever
 * listens learns nothing, whether the link has TLS or not.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";
import { joinBytes } from "../../base/joined_bytes.ts";

const CIPHER = "aes-256-gcm";
const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** Frames under one key, far below what GCM allows (NIST SP 800-38D §8.3: 2^32). */
const MAX_FRAMES = 2 ** 31;

/**
 * A key for one purpose.
 *
 * @param salt Not secret; what makes it this one, for example nonces of both sides.
 * @param purpose Words; another purpose is another key.
 */
export function deriveLinkKey(secret: Uint8Array, salt: Uint8Array, purpose: string): Uint8Array {
  const info = new TextEncoder().encode(`roomwire cluster ${purpose}`);
  return new Uint8Array(hkdfSync("sha256", secret, salt, info, KEY_BYTES));
}

/**
 * Seals one message under a key that seals few.
 *
 * @param iv 12 random bytes, which go first.
 * @param context What both sides must agree on without its being sent.
 */
export function sealOnce(
  key: Uint8Array,
  iv: Uint8Array,
  context: Uint8Array,
  message: Uint8Array,
): Uint8Array {
  const cipher = createCipheriv(CIPHER, key, iv);
  cipher.setAAD(context);
  return joinBytes([iv, cipher.update(message), cipher.final(), cipher.getAuthTag()]);
}

/** Opens what {@linkcode sealOnce} made; `undefined` for anything else. */
export function openOnce(
  key: Uint8Array,
  context: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  if (sealed.length < IV_BYTES + TAG_BYTES) return undefined;
  return open(key, sealed.subarray(0, IV_BYTES), context, sealed.subarray(IV_BYTES));
}

/** One direction of a connection: each frame has a number that is not sent, as order is kept. */
export class FrameSeal {
  readonly #iv = new Uint8Array(IV_BYTES);
  readonly #number = new DataView(this.#iv.buffer, IV_BYTES - 4);
  #frames = 0;

  constructor(readonly key: Uint8Array) {}

  /** Whether the key has done enough; the connection is then to be made anew. */
  get isSpent(): boolean {
    return this.#frames >= MAX_FRAMES;
  }

  /** Seals the next frame: the parts one after the other. */
  seal(...parts: readonly Uint8Array[]): Uint8Array {
    const cipher = createCipheriv(CIPHER, this.key, this.#next());
    const sealed = parts.map((part) => cipher.update(part));
    return joinBytes([...sealed, cipher.final(), cipher.getAuthTag()]);
  }

  /** Opens the next frame; `undefined` if it is not that. */
  open(sealed: Uint8Array): Uint8Array | undefined {
    if (sealed.length < TAG_BYTES) return undefined;
    return open(this.key, this.#next(), NOTHING, sealed);
  }

  #next(): Uint8Array {
    this.#number.setUint32(0, this.#frames++);
    return this.#iv;
  }
}

const NOTHING = new Uint8Array();

function open(
  key: Uint8Array,
  iv: Uint8Array,
  context: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  const end = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv(CIPHER, key, iv);
  decipher.setAAD(context);
  decipher.setAuthTag(sealed.subarray(end));
  try {
    // A copy, also because Node's buffers share a pool.
    return joinBytes([decipher.update(sealed.subarray(0, end)), decipher.final()]);
  } catch {
    return undefined;
  }
}
