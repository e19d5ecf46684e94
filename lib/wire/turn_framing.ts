/**
 * TURN over a byte stream: each message says itself how long it is, and what a channel carries is
 * padded to whole words (RFC 8656 §12.5).
 *
 * @module
 */
import { readUint16 } from "./big_endian.ts";
import { STUN_HEADER_BYTES } from "./stun.ts";
import { CHANNEL_HEADER_BYTES, isChannelByte } from "./turn_message.ts";

/**
 * Cuts one direction of one stream into messages. It owns one buffer of a fixed size, whatever
 * lengths the stream claims.
 */
export class TurnSplitter {
  readonly #message: Uint8Array;
  #filled = 0;
  /** Of the message, once its head is there; with its padding. */
  #expected = 0;
  /** Without its padding. */
  #length = 0;
  #broken = false;

  /** @param maxBytes A longer message ends the stream. */
  constructor(maxBytes: number) {
    this.#message = new Uint8Array(maxBytes);
  }

  /**
   * Takes the next `length` bytes of the stream and hands out each message they complete, in order;
   * `onMessage` gets the splitter's own buffer, free to be changed during the call.
   *
   * @returns `false` once the stream cannot be read on; everything later is ignored.
   */
  push(
    chunk: Uint8Array,
    length: number,
    onMessage: (bytes: Uint8Array, length: number) => void,
  ): boolean {
    let at = 0;
    while (at < length && !this.#broken) {
      const wanted = this.#expected === 0 ? CHANNEL_HEADER_BYTES : this.#expected;
      const take = Math.min(wanted - this.#filled, length - at);
      this.#message.set(chunk.subarray(at, at + take), this.#filled);
      this.#filled += take;
      at += take;
      if (this.#filled < wanted) break;
      if (this.#expected === 0) this.#readHead();
      if (this.#broken || this.#filled < this.#expected) continue;
      const size = this.#length;
      this.#filled = this.#expected = 0;
      onMessage(this.#message, size);
    }
    return !this.#broken;
  }

  #readHead(): void {
    const bytes = this.#message;
    const first = bytes[0]!;
    const isChannel = isChannelByte(first);
    const size = readUint16(bytes, 2);
    this.#length = (isChannel ? CHANNEL_HEADER_BYTES : STUN_HEADER_BYTES) + size;
    this.#expected = (this.#length + 3) & ~3;
    this.#broken = !isChannel && first > 3 || this.#expected > bytes.length;
  }
}
