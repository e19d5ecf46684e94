/**
 * AES counter mode for SRTP (RFC 3711 §4.1.1) on one AES object in ECB mode, which turns prepared
 * counter blocks into keystream.
 *
 * A call into `node:crypto` costs more than the cipher itself, so keystream is made for several
 * packets at once: a stream that counts on by one gets that of its next packets with this one's.
 * Nothing is ever made twice with another meaning, so how far it runs ahead changes no byte on the
 * wire.
 *
 * @module
 */
import { type Cipheriv, createCipheriv } from "node:crypto";
import { MAX_CM_BYTES, swapBytes } from "./srtp_layout.ts";

const BLOCK_BYTES = 16;
/** Of the longest packet: 128, fewer than the lowest byte of a counter has values. */
const MAX_BLOCKS = MAX_CM_BYTES / BLOCK_BYTES;
/** Packets made at once; with 1,200 bytes each they take 10 KiB per stream. */
const PACKETS_AHEAD = 8;
/** Streams that may run ahead; beyond, the memory of all sessions would show. */
const MAX_STREAMS = 64;

/** Keystream for packets `first … first + packets - 1` of one SSRC. */
class StreamAhead {
  first = 0;
  packets = 0;
  /** Blocks made for each of them. */
  blocks = 0;
  /** Most blocks a packet wanted since the last refill: what the next one makes. */
  wanted = 0;
  bytes: Uint8Array = new Uint8Array(0);
  words: Int32Array = new Int32Array(0);
}

/** Counter blocks on their way into the cipher, which takes them in before it returns. */
const counters = new Uint8Array(PACKETS_AHEAD * MAX_BLOCKS * BLOCK_BYTES);
/** The same bytes as words, whose order is not the counters'. */
const counterWords = new Int32Array(counters.buffer);

/**
 * One key's keystream, added to packets in place: what encrypts also decrypts. It holds memory of
 * the runtime until `close`, which is called once.
 */
export class CounterMode {
  readonly #aes: Cipheriv;
  readonly #salt: Int32Array;
  readonly #streams = new Map<number, StreamAhead>();
  readonly #single = new StreamAhead();

  /** @param salt Up to 14 bytes; padded with zeros on the right. */
  constructor(key: Uint8Array, salt: Uint8Array) {
    this.#aes = createCipheriv("aes-128-ecb", key, null);
    this.#aes.setAutoPadding(false);
    const padded = new Uint8Array(BLOCK_BYTES);
    padded.set(salt);
    this.#salt = new Int32Array(padded.buffer);
  }

  /**
   * Adds keystream to `bytes[from .. to)`, which encrypts or decrypts.
   *
   * @param high Upper 32 bits of the 48-bit packet index.
   * @param low Lower 16 bits of it.
   * @returns `false`, with nothing done, for more than {@linkcode MAX_CM_BYTES}.
   */
  apply(
    bytes: Uint8Array,
    from: number,
    to: number,
    ssrc: number,
    high: number,
    low: number,
  ): boolean {
    const blocks = (to - from + BLOCK_BYTES - 1) >>> 4;
    if (blocks > MAX_BLOCKS) return false;
    const index = high * 0x1_0000 + low;
    const stream = this.#streamFor(ssrc, index, blocks);
    const at = (index - stream.first) * stream.blocks * BLOCK_BYTES;
    addKeystream(bytes, from, to, stream, at);
    return true;
  }

  /** Gives back what the runtime holds of the key, which it never does by itself. Call it once. */
  close(): void {
    this.#aes.final();
    this.#streams.clear();
  }

  /** A stream that holds keystream for this packet. */
  #streamFor(ssrc: number, index: number, blocks: number): StreamAhead {
    const stream = this.#streams.get(ssrc);
    if (stream === undefined) {
      if (this.#streams.size >= MAX_STREAMS) this.#streams.clear();
      const made = new StreamAhead();
      this.#streams.set(ssrc, made);
      this.#refill(made, ssrc, index, 1, blocks);
      return made;
    }
    if (blocks > stream.wanted) stream.wanted = blocks;
    const ahead = index - stream.first;
    if (ahead >= 0 && ahead < stream.packets && blocks <= stream.blocks) return stream;
    if (ahead === stream.packets || ahead >= stream.packets + PACKETS_AHEAD) {
      // Only a stream that counts on by one is worth running ahead for.
      const packets = ahead === stream.packets ? PACKETS_AHEAD : 1;
      this.#refill(stream, ssrc, index, packets, packets === 1 ? blocks : stream.wanted);
      stream.wanted = blocks;
      return stream;
    }
    // A late packet, a skipped number or one longer than foreseen.
    this.#refill(this.#single, ssrc, index, 1, blocks);
    return this.#single;
  }

  #refill(into: StreamAhead, ssrc: number, index: number, packets: number, blocks: number): void {
    const words = counterWords;
    const word0 = this.#salt[0]!;
    const word1 = this.#salt[1]! ^ swapBytes(ssrc);
    let at = 0;
    for (let packet = 0; packet < packets; packet++) {
      const high = Math.floor((index + packet) / 0x1_0000);
      const low = (index + packet) % 0x1_0000;
      const word2 = this.#salt[2]! ^ swapBytes(high);
      const word3 = this.#salt[3]! ^ swapBytes(low << 16);
      for (let block = 0; block < blocks; block++, at += 4) {
        words[at] = word0;
        words[at + 1] = word1;
        words[at + 2] = word2;
        words[at + 3] = word3 ^ (block << 24); // block < 256 is the last, lowest byte
      }
    }
    const stream = this.#aes.update(counters.subarray(0, at * 4));
    into.first = index;
    into.packets = packets;
    into.blocks = blocks;
    into.bytes = stream;
    into.words = (stream.byteOffset & 3) === 0
      ? new Int32Array(stream.buffer, stream.byteOffset, stream.length >> 2)
      : new Int32Array(new Uint8Array(stream).buffer);
  }
}

/** Views by words on the buffers packets stand in, of which there are few. */
const wordViews = new WeakMap<ArrayBufferLike, Int32Array>();
/** The one used last, which is nearly always the next. */
let packetBuffer: ArrayBufferLike | undefined;
let packetWords: Int32Array = new Int32Array(0);

/** `buffer` by words, at least the first `count` of them, which must be there. */
function wordsOf(buffer: ArrayBufferLike, count: number): Int32Array {
  // A buffer that was resized leaves views behind that miss a part of it.
  if (buffer === packetBuffer && count <= packetWords.length) return packetWords;
  let words = wordViews.get(buffer);
  if (words === undefined || count > words.length) {
    words = new Int32Array(buffer, 0, buffer.byteLength >> 2);
    wordViews.set(buffer, words);
  }
  packetBuffer = buffer;
  packetWords = words;
  return words;
}

function addKeystream(
  bytes: Uint8Array,
  from: number,
  to: number,
  stream: StreamAhead,
  streamAt: number,
): void {
  let at = from;
  let s = streamAt;
  const start = bytes.byteOffset + from;
  if ((start & 3) === 0) {
    const keys = stream.words;
    const whole = (to - from) >> 2;
    const d = start >> 2;
    const k = streamAt >> 2;
    const data = wordsOf(bytes.buffer, d + whole);
    for (let i = 0; i < whole; i++) data[d + i]! ^= keys[k + i]!;
    at += whole * 4;
    s += whole * 4;
  }
  const keystream = stream.bytes;
  for (; at < to; at++, s++) bytes[at]! ^= keystream[s]!;
}
