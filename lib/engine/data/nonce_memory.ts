/**
 * Which user packets a room has had, by the number that their senders made up for them.
 *
 * @module
 */

/** User packets of one room remembered by their nonce (LiveKit's server 1.13.5, `room.go`). */
const REMEMBERED_NONCES = 100;
const NONCE_BYTES = 16;

/** Nonces of the last user packets of a room, so that a packet sent over two ways arrives once. */
export class NonceMemory {
  readonly #seen = new Set<string>();

  /** Whether `nonce` is new; anything but 16 bytes is always new. */
  accept(nonce: Uint8Array): boolean {
    if (nonce.length !== NONCE_BYTES) return true;
    const key = String.fromCharCode(...nonce);
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    if (this.#seen.size > REMEMBERED_NONCES) {
      for (const oldest of this.#seen) {
        this.#seen.delete(oldest);
        break;
      }
    }
    return true;
  }
}
