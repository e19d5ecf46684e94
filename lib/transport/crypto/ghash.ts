/**
 * GHASH, the authenticating half of GCM (NIST SP 800-38D §6.4), for short messages: a call into
 * `node:crypto` costs more than what is computed. The program that computes it is in
 * `ghash_program.ts`; it takes the same time whatever the key and the bytes are, and allocates
 * nothing.
 *
 * @module
 */
import { readUint32, writeUint32 } from "../../wire/big_endian.ts";
import {
  createGhashProgram,
  FACTOR_BYTES,
  GHASH_DATA_AT,
  GHASH_KEY_AT,
  GHASH_STATE_AT,
  type GhashProgram,
  HOLES,
} from "./ghash_program.ts";

export const GHASH_BYTES = 16;
const FACTORS = 6;
/** Up to here copying by bytes is faster. */
const LONG_BYTES = 64;

/** One for the thread, made when it is first needed: one message is hashed at a time. */
let shared: { readonly program: GhashProgram; readonly memory: Uint8Array } | undefined;

/** One key's hash. */
export class Ghash {
  readonly #hash: GhashProgram["hash"];
  readonly #memory: Uint8Array;
  /** As the program wants it: two words and their sum, and the same reversed. */
  readonly #key = new Uint8Array(FACTORS * FACTOR_BYTES);

  /** @param key H: what the cipher makes of a block of zeros. */
  constructor(key: Uint8Array) {
    if (shared === undefined) {
      const program = createGhashProgram();
      shared = { program, memory: new Uint8Array(program.memory.buffer) };
    }
    const { program, memory } = shared;
    this.#hash = program.hash;
    this.#memory = memory;
    const high = wordOf(key, 0);
    const low = wordOf(key, 8);
    const words = [low, high, low ^ high];
    const factors = [...words, ...words.map((word) => program.reverse(word))];
    const view = new DataView(this.#key.buffer);
    factors.forEach((factor, i) => {
      HOLES.forEach((bits, j) => {
        view.setBigUint64(FACTOR_BYTES * i + 8 * j, BigInt.asUintN(64, factor) & bits, true);
      });
    });
  }

  /**
   * Hashes `data`, at most a block that is only authenticated, and `bytes[from, to)`, at most 32
   * KiB.
   *
   * @param out Room for {@linkcode GHASH_BYTES}.
   */
  digest(data: Uint8Array, bytes: Uint8Array, from: number, to: number, out: Uint8Array): void {
    const memory = this.#memory;
    memory.set(this.#key, GHASH_KEY_AT);
    memory.fill(0, GHASH_STATE_AT, GHASH_DATA_AT + GHASH_BYTES);
    for (let i = 0; i < data.length; i++) memory[GHASH_DATA_AT + i] = data[i]!;
    let at = GHASH_DATA_AT + GHASH_BYTES;
    const length = to - from;
    if (length > LONG_BYTES) memory.set(bytes.subarray(from, to), at);
    else for (let i = 0; i < length; i++) memory[at + i] = bytes[from + i]!;
    at += length;
    while ((at & (GHASH_BYTES - 1)) !== 0) memory[at++] = 0;
    // Both lengths in bits, 64 bits each.
    writeUint32(memory, at, 0);
    writeUint32(memory, at + 4, data.length << 3);
    writeUint32(memory, at + 8, 0);
    writeUint32(memory, at + 12, length << 3);
    this.#hash(GHASH_DATA_AT, at + GHASH_BYTES);
    const end = GHASH_STATE_AT + GHASH_BYTES - 1;
    for (let i = 0; i < GHASH_BYTES; i++) out[i] = memory[end - i]!;
  }

  /** Forgets the key. */
  close(): void {
    this.#key.fill(0);
    this.#memory.fill(0, 0, GHASH_DATA_AT);
  }
}

function wordOf(bytes: Uint8Array, at: number): bigint {
  return BigInt(readUint32(bytes, at)) << 32n | BigInt(readUint32(bytes, at + 4));
}
