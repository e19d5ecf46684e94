/**
 * The memory of `recvmmsg` and `sendmmsg` (Linux, 64 bits, little-endian): message headers that
 * point to fixed slots, written once.
 *
 * @module
 */

/** `struct mmsghdr`, `struct iovec`. */
const HEADER_BYTES = 64;
const IOVEC_BYTES = 16;
/** Offsets in 32-bit words of a header: control length and received length. */
const CONTROL_LENGTH_WORD = 10;
const LENGTH_WORD = 14;
/** `CMSG_SPACE(sizeof(struct timespec))` and the words of its seconds and nanoseconds. */
const CONTROL_BYTES = 32;
const SECONDS_WORD = 4;
const NANOSECONDS_WORD = 6;

/**
 * Headers and slots of one vector. Addresses stay right as long as this object lives, because its
 * memory never moves.
 */
export class MessageVector {
  /** All slots, one after the other. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly slots: readonly Uint8Array<ArrayBuffer>[];
  /** What the system call takes. */
  readonly headers: Uint8Array<ArrayBuffer>;
  readonly #headerWords: Uint32Array<ArrayBuffer>;
  readonly #iovecWords: Uint32Array<ArrayBuffer>;
  readonly #controlWords: Uint32Array<ArrayBuffer>;

  /** Its pointers are into buffers that this object keeps alive. */
  constructor(readonly count: number, readonly slotBytes: number) {
    this.bytes = new Uint8Array(count * slotBytes);
    this.slots = Array.from(
      { length: count },
      (_, i) => this.bytes.subarray(i * slotBytes, (i + 1) * slotBytes),
    );
    this.headers = new Uint8Array(count * HEADER_BYTES);
    this.#headerWords = new Uint32Array(this.headers.buffer);
    this.#iovecWords = new Uint32Array(count * IOVEC_BYTES / 4);
    this.#controlWords = new Uint32Array(count * CONTROL_BYTES / 4);
    const headers = new DataView(this.headers.buffer);
    const iovecs = new DataView(this.#iovecWords.buffer);
    const slotsAt = addressOf(this.bytes);
    const iovecsAt = addressOf(this.#iovecWords);
    const controlAt = addressOf(this.#controlWords);
    for (let i = 0; i < count; i++) {
      iovecs.setBigUint64(i * IOVEC_BYTES, slotsAt + BigInt(i * slotBytes), true);
      iovecs.setBigUint64(i * IOVEC_BYTES + 8, BigInt(slotBytes), true);
      headers.setBigUint64(i * HEADER_BYTES + 16, iovecsAt + BigInt(i * IOVEC_BYTES), true);
      headers.setBigUint64(i * HEADER_BYTES + 24, 1n, true);
      headers.setBigUint64(i * HEADER_BYTES + 32, controlAt + BigInt(i * CONTROL_BYTES), true);
    }
    this.resetControl(count);
  }

  /** The kernel shortens the control lengths it used; call this before the next receive. */
  resetControl(used: number): void {
    for (let i = 0; i < used; i++) {
      this.#headerWords[i * HEADER_BYTES / 4 + CONTROL_LENGTH_WORD] = CONTROL_BYTES;
    }
  }

  /** For sending: no control data. */
  clearControl(): void {
    for (let i = 0; i < this.count; i++) {
      this.#headerWords[i * HEADER_BYTES / 4 + CONTROL_LENGTH_WORD] = 0;
    }
  }

  /** Bytes received in slot `i`. */
  received(i: number): number {
    return this.#headerWords[i * HEADER_BYTES / 4 + LENGTH_WORD]!;
  }

  setLength(i: number, length: number): void {
    this.#iovecWords[i * IOVEC_BYTES / 4 + 2] = length;
  }

  /** The kernel's time of arrival of slot `i`, µs since `baseSeconds`. */
  arrivedAt(i: number, baseSeconds: number): number {
    const at = i * CONTROL_BYTES / 4;
    return (this.#controlWords[at + SECONDS_WORD]! - baseSeconds) * 1e6 +
      this.#controlWords[at + NANOSECONDS_WORD]! / 1000;
  }
}

function addressOf(view: Uint8Array<ArrayBuffer> | Uint32Array<ArrayBuffer>): bigint {
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(view));
}
