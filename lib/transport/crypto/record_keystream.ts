/**
 * The keystream of AES-128-GCM for DTLS records (NIST SP 800-38D §6.5), several records at once: a
 * call into `node:crypto` costs more than the cipher itself, and both ends number their records one
 * by one. A record whose nonce is not the next one gets its own, by a call.
 *
 * Each record's is first the block that masks its tag, and then what its content is combined with.
 *
 * @module
 */
import { type Cipheriv, createCipheriv } from "node:crypto";
import { readInt32, writeUint32 } from "../../wire/big_endian.ts";

const BLOCK_BYTES = 16;
/** Content of the longest record that this is for, bytes. */
export const MAX_KEYSTREAM_CONTENT = 1_216;
const MAX_BLOCKS = 1 + MAX_KEYSTREAM_CONTENT / BLOCK_BYTES;
const RECORDS_AHEAD = 8;

/** Counter blocks on their way into the cipher, which takes them in before it returns. */
const counters = new Uint8Array(RECORDS_AHEAD * MAX_BLOCKS * BLOCK_BYTES);

/** One direction's. It holds memory of the runtime until `close`. */
export class RecordKeystream {
  /** What was made last; {@linkcode RecordKeystream.find} says where a record's begins. */
  bytes: Uint8Array = new Uint8Array(0);
  readonly #aes: Cipheriv;
  readonly #salt: number;
  /** Nonce of the first record of what was made, how many there are, and blocks for each. */
  #high = 0;
  #low = 0;
  #records = 0;
  #blocks = 0;
  /** The most that a record wanted since something was made. */
  #wanted = 0;

  /** @param salt The four bytes of the nonce that stay. */
  constructor(key: Uint8Array, salt: Uint8Array) {
    this.#aes = createCipheriv("aes-128-ecb", key, null);
    this.#aes.setAutoPadding(false);
    this.#salt = readInt32(salt, 0);
  }

  /** The block that the cipher makes of zeros. */
  hashKey(): Uint8Array {
    return this.#aes.update(new Uint8Array(BLOCK_BYTES));
  }

  /**
   * Finds a record's keystream, or makes it.
   *
   * @param nonce Where the 8 bytes of the nonce stand that the record carries.
   * @param length Bytes of content, at most {@linkcode MAX_KEYSTREAM_CONTENT}.
   * @returns Where it begins in {@linkcode RecordKeystream.bytes}, which the next call may replace.
   */
  find(bytes: Uint8Array, nonce: number, length: number): number {
    const high = readInt32(bytes, nonce);
    const low = readInt32(bytes, nonce + 4);
    const blocks = 1 + ((length + BLOCK_BYTES - 1) >>> 4);
    if (blocks > this.#wanted) this.#wanted = blocks;
    // A number that wraps around is only one for which there is no next.
    const ahead = high === this.#high ? (low >>> 0) - (this.#low >>> 0) : -1;
    if (ahead < 0 || ahead >= this.#records || blocks > this.#blocks) {
      const isNext = this.#records > 0 && ahead >= 0 && ahead <= this.#records;
      this.#make(high, low, isNext ? RECORDS_AHEAD : 1, isNext ? this.#wanted : blocks);
      this.#wanted = blocks;
      return 0;
    }
    return ahead * this.#blocks * BLOCK_BYTES;
  }

  /** Gives back what the runtime holds of the key. Call it once. */
  close(): void {
    this.#aes.final();
    this.bytes = new Uint8Array(0);
    this.#records = 0;
  }

  #make(high: number, low: number, records: number, blocks: number): void {
    let at = 0;
    for (let record = 0; record < records; record++) {
      // The tag's block has number 1, the content's begin with 2 (§7.1).
      for (let block = 1; block <= blocks; block++, at += BLOCK_BYTES) {
        writeUint32(counters, at, this.#salt);
        writeUint32(counters, at + 4, high);
        writeUint32(counters, at + 8, low + record);
        writeUint32(counters, at + 12, block);
      }
    }
    this.bytes = this.#aes.update(counters.subarray(0, at));
    this.#high = high;
    this.#low = low;
    // Beyond the lower half's end its upper half would be another one.
    this.#records = Math.min(records, 0x1_0000_0000 - (low >>> 0));
    this.#blocks = blocks;
  }
}
