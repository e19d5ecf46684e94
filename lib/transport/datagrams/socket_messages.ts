/**
 * The memory that `sendmmsg` and `recvmmsg` read and write: arrays of `struct mmsghdr` with all
 * that they point to, built once, so that a packet costs a few 32-bit stores.
 *
 * The layout is that of 64-bit little-endian Linux (x86-64 and aarch64 agree): 64 bytes a message,
 * 16 an I/O vector, 24 a control message with one 16-bit value. `libc.ts` tries it out before
 * anybody relies on it. Needs the permission for native code.
 *
 * @module
 */
import { MAX_DATAGRAM_BYTES, MAX_SEND_BYTES } from "./datagrams.ts";
import { DROPPED, type SendQueue } from "./send_queue.ts";
import { NAME_WORDS, type SocketAddress } from "./socket_address.ts";

/** Datagrams, and so messages, that one call sends at most. */
const SEND_BATCH = 1024;
/**
 * Datagrams that one call receives at most: of acknowledgements that came together one is opened,
 * so those of a room are to fit.
 */
export const RECEIVE_BATCH = 128;
/**
 * Limits of UDP_SEGMENT: `UDP_MAX_SEGMENTS` of kernels before 6.9, and what an IPv4 datagram holds.
 */
const MAX_SEGMENTS = 64;
const MAX_MESSAGE_BYTES = 65_507;

/** Offsets and sizes in 32-bit words; a pointer and a `size_t` take two. */
const MESSAGE_WORDS = 16;
const NAME_LENGTH = 2;
const VECTORS = 4;
const VECTOR_COUNT = 6;
const CONTROL = 8;
const CONTROL_LENGTH = 10;
const FLAGS = 12;
const TRANSFERRED = 14;
const VECTOR_WORDS = 4;
const VECTOR_LENGTH = 2;
/** The longest `sockaddr`. */
const NAME_BYTES = 28;
const CONTROL_WORDS = 6;
const CONTROL_BYTES = 4 * CONTROL_WORDS;
/** `cmsg_len` of a 16-bit value: the header without the padding after the value. */
const SEGMENT_CONTROL_LENGTH = 18;
const SEGMENT_SIZE = 4;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const MSG_TRUNC = 0x20;

const TWO_32 = 2 ** 32;

/** Where a buffer stands in memory, as a number: addresses of programs stay below 2^48. */
function addressOf(buffer: ArrayBuffer): number {
  return Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(new Uint8Array(buffer))));
}

/** Words that native code reads, none of them across a multiple of 4 GiB: one high half for all. */
class NativeWords {
  readonly words: Int32Array<ArrayBuffer>;
  readonly pointer: Deno.PointerObject;
  readonly high: number;
  readonly low: number;

  constructor(length: number) {
    // Kept until the end, or the second try would get the memory of the first.
    const refused: Int32Array[] = [];
    for (;;) {
      this.words = new Int32Array(new ArrayBuffer(4 * length));
      const address = addressOf(this.words.buffer);
      this.high = Math.floor(address / TWO_32);
      this.low = address % TWO_32 | 0;
      if (Math.floor((address + 4 * length) / TWO_32) === this.high) break;
      refused.push(this.words);
    }
    this.pointer = Deno.UnsafePointer.of(this.words)!;
  }

  /** Low half of the address of a word. */
  lowOf(word: number): number {
    return this.low + 4 * word | 0;
  }

  /** Stores the address of `target`'s word at two words of this. */
  pointAt(word: number, target: NativeWords, targetWord: number): void {
    this.words[word] = target.lowOf(targetWord);
    this.words[word + 1] = target.high;
  }
}

/** Messages to be sent, filled out of a queue whose slots they point into. */
export class SendMessages {
  /** What `sendmmsg` takes. */
  readonly pointer: Deno.PointerObject;
  /** Messages of the last {@linkcode fill}. */
  count = 0;
  /** By message: the queue's position after its last datagram, its datagrams, and their bytes. */
  readonly ends = new Int32Array(SEND_BATCH);
  readonly datagrams = new Int32Array(SEND_BATCH);
  readonly bytes = new Int32Array(SEND_BATCH);
  readonly #queue: SendQueue<SocketAddress>;
  readonly #headers = new NativeWords(SEND_BATCH * MESSAGE_WORDS);
  readonly #vectors = new NativeWords(SEND_BATCH * VECTOR_WORDS);
  readonly #names = new NativeWords(SEND_BATCH * NAME_WORDS);
  readonly #controls = new NativeWords(SEND_BATCH * CONTROL_WORDS);
  readonly #slabLow: number;
  readonly #slabHigh: number;
  /** The first slot that begins beyond a multiple of 4 GiB, where the high half is one more. */
  readonly #crossing: number;

  /**
   * @param nameLength Of the socket's addresses: 16 (IPv4), 28 (IPv6), or 0 for a connected socket.
   */
  constructor(queue: SendQueue<SocketAddress>, nameLength: number) {
    this.#queue = queue;
    this.pointer = this.#headers.pointer;
    const slab = addressOf(queue.slab);
    this.#slabHigh = Math.floor(slab / TWO_32);
    this.#slabLow = slab % TWO_32 | 0;
    this.#crossing = Math.ceil((TWO_32 - slab % TWO_32) / MAX_SEND_BYTES);
    for (let i = 0; i < SEND_BATCH; i++) this.#prepare(i, nameLength);
  }

  #prepare(message: number, nameLength: number): void {
    const header = message * MESSAGE_WORDS;
    const control = message * CONTROL_WORDS;
    const { words } = this.#headers;
    if (nameLength > 0) this.#headers.pointAt(header, this.#names, message * NAME_WORDS);
    words[header + NAME_LENGTH] = nameLength;
    this.#headers.pointAt(header + VECTORS, this.#vectors, 0);
    this.#headers.pointAt(header + CONTROL, this.#controls, control);
    this.#controls.words[control] = SEGMENT_CONTROL_LENGTH;
    this.#controls.words[control + 2] = SOL_UDP;
    this.#controls.words[control + 3] = UDP_SEGMENT;
  }

  /**
   * Makes messages of what waits, from the front, as many as one call takes.
   *
   * @param mayMerge Whether consecutive datagrams for one destination, of equal length except that
   * the last may be shorter, become one message that the kernel cuts up again (UDP_SEGMENT).
   */
  fill(mayMerge: boolean): void {
    const { kinds, lengths, remotes, tail } = this.#queue;
    const headers = this.#headers.words;
    let message = 0;
    let vector = 0;
    let at = this.#queue.head;
    while (at < tail && vector < SEND_BATCH) {
      if (kinds[at] === DROPPED) {
        at++;
        continue;
      }
      const remote = remotes[at]!;
      const size = lengths[at]!;
      const header = message * MESSAGE_WORDS;
      headers[header + VECTORS] = this.#vectors.lowOf(vector * VECTOR_WORDS);
      remote.writeTo(this.#names.words, message * NAME_WORDS);
      this.#setVector(vector++, at++);
      let total = size;
      let segments = 1;
      if (mayMerge && remote.takesRuns && size > 0) {
        while (at < tail && vector < SEND_BATCH && segments < MAX_SEGMENTS) {
          const length = lengths[at]!;
          if (remotes[at] !== remote || length > size || length === 0) break;
          if (total + length > MAX_MESSAGE_BYTES || kinds[at] === DROPPED) break;
          this.#setVector(vector++, at++);
          total += length;
          segments++;
          if (length < size) break;
        }
      }
      headers[header + VECTOR_COUNT] = segments;
      headers[header + CONTROL_LENGTH] = segments > 1 ? CONTROL_BYTES : 0;
      this.#controls.words[message * CONTROL_WORDS + SEGMENT_SIZE] = size;
      this.ends[message] = at;
      this.datagrams[message] = segments;
      this.bytes[message++] = total;
    }
    this.count = message;
  }

  /** Lets a vector cover the datagram at a position of the queue. */
  #setVector(vector: number, position: number): void {
    const slot = this.#queue.slots[position]!;
    const words = this.#vectors.words;
    const word = vector * VECTOR_WORDS;
    words[word] = this.#slabLow + Math.imul(slot, MAX_SEND_BYTES) | 0;
    words[word + 1] = slot < this.#crossing ? this.#slabHigh : this.#slabHigh + 1;
    words[word + VECTOR_LENGTH] = this.#queue.lengths[position]!;
  }
}

/** Messages to be received, each into a buffer of its own. */
export class ReceiveMessages {
  /** What `recvmmsg` takes. */
  readonly pointer: Deno.PointerObject;
  /** By message: its buffer of `MAX_DATAGRAM_BYTES`. */
  readonly views: readonly Uint8Array[];
  /** The senders, `NAME_WORDS` for each message. */
  readonly names: Int32Array;
  readonly #headers = new NativeWords(RECEIVE_BATCH * MESSAGE_WORDS);
  readonly #vectors = new NativeWords(RECEIVE_BATCH * VECTOR_WORDS);
  readonly #names = new NativeWords(RECEIVE_BATCH * NAME_WORDS);
  readonly #bytes = new NativeWords(RECEIVE_BATCH * MAX_DATAGRAM_BYTES / 4);

  constructor() {
    this.pointer = this.#headers.pointer;
    this.names = this.#names.words;
    const { words } = this.#headers;
    this.views = Array.from({ length: RECEIVE_BATCH }, (_, i) => {
      const header = i * MESSAGE_WORDS;
      const start = i * MAX_DATAGRAM_BYTES;
      this.#headers.pointAt(header, this.#names, i * NAME_WORDS);
      // The kernel writes back the real length, which is the same for all addresses of a family.
      words[header + NAME_LENGTH] = NAME_BYTES;
      this.#headers.pointAt(header + VECTORS, this.#vectors, i * VECTOR_WORDS);
      words[header + VECTOR_COUNT] = 1;
      this.#vectors.pointAt(i * VECTOR_WORDS, this.#bytes, start / 4);
      this.#vectors.words[i * VECTOR_WORDS + VECTOR_LENGTH] = MAX_DATAGRAM_BYTES;
      return new Uint8Array(this.#bytes.words.buffer, start, MAX_DATAGRAM_BYTES);
    });
  }

  /** Bytes of a received datagram that are in its buffer. */
  lengthOf(message: number): number {
    return this.#headers.words[message * MESSAGE_WORDS + TRANSFERRED]!;
  }

  /** Whether the datagram was longer than its buffer. */
  isCut(message: number): boolean {
    return (this.#headers.words[message * MESSAGE_WORDS + FLAGS]! & MSG_TRUNC) !== 0;
  }

  /** Bytes of the sender's address. */
  nameLengthOf(message: number): number {
    return this.#headers.words[message * MESSAGE_WORDS + NAME_LENGTH]!;
  }
}
