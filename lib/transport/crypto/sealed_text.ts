/**
 * Texts that stand where others may read, sealed by a secret of the server: AES-256-GCM (NIST SP
 * 800-38D) under a key of their own (HKDF with SHA-256, RFC 5869).
 *
 * A sealed text is `1.` and base64 of nonce, ciphertext and tag: the number says how it was sealed.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";
import type { Random } from "../../base/platform.ts";

const VERSION = "1";
const CIPHER = "aes-256-gcm";
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What came of opening a text. */
export type Opened =
  | { readonly ok: true; readonly text: string }
  /** `why` is in words, and holds nothing of it. */
  | { readonly ok: false; readonly why: string };

/** Seals and opens for one purpose. */
export class TextSeal {
  readonly #key: Uint8Array;
  readonly #random: Pick<Random, "bytes">;

  /** @param purpose Texts of another purpose, though sealed by the same secret, do not open. */
  constructor(secret: Uint8Array, purpose: string, random: Pick<Random, "bytes">) {
    this.#key = new Uint8Array(hkdfSync("sha256", secret, "", `roomwire ${purpose}`, KEY_BYTES));
    this.#random = random;
  }

  /** @param place Where it stands; it does not open at another. */
  seal(text: string, place: string): string {
    const nonce = this.#random.bytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key, nonce);
    cipher.setAAD(new TextEncoder().encode(place));
    const sealed = [nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()];
    const bytes = new Uint8Array(sealed.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const piece of sealed) {
      bytes.set(piece, at);
      at += piece.length;
    }
    return `${VERSION}.${bytes.toBase64()}`;
  }

  /** Total: says why for whatever {@linkcode TextSeal.seal} has not made. */
  open(sealed: string, place: string): Opened {
    const [, version, words] = /^(\d{1,4})\.([A-Za-z0-9+/]*={0,2})$/.exec(sealed) ?? [];
    if (version === undefined) return { ok: false, why: "it is not sealed" };
    if (version !== VERSION) return { ok: false, why: "it was sealed by another version" };
    try {
      const bytes = Uint8Array.fromBase64(words!);
      if (bytes.length < NONCE_BYTES + TAG_BYTES) return { ok: false, why: "it was cut" };
      const decipher = createDecipheriv(CIPHER, this.#key, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(new TextEncoder().encode(place));
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      const text = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES), undefined, "utf8");
      return { ok: true, text: text + decipher.final("utf8") };
    } catch {
      return { ok: false, why: "it was sealed by another secret, or changed" };
    }
  }
}
