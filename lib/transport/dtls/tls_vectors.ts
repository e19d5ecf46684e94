/**
 * Numbers and vectors as TLS writes them (RFC 5246 §4), and what messages of both sides have in
 * common.
 *
 * @module
 */

/** DTLS 1.2 on the wire (RFC 6347 §4.1). */
export const VERSION_1_2 = 0xfefd;

/**
 * Extensions that either side of ours names (RFC 5764 §4.1, RFC 7627 §5.1, RFC 5746 §3.2, RFC 8422
 * §5.1).
 */
export const EXTENSION = {
  supportedGroups: 10,
  pointFormats: 11,
  signatureAlgorithms: 13,
  useSrtp: 14,
  extendedMasterSecret: 23,
  renegotiationInfo: 0xff01,
} as const;

/** Extensions of one hello: browsers name about twelve. */
const MAX_EXTENSIONS = 64;

/**
 * The extensions at the end of a hello, by type; a hello may end without any. `undefined` if one is
 * named twice, or the list is not what it says.
 */
export function readExtensions(reader: VectorReader): Map<number, Uint8Array> | undefined {
  const extensions = new Map<number, Uint8Array>();
  if (reader.isFailed || reader.isAtEnd) return extensions;
  const list = new VectorReader(reader.vector(2));
  while (!list.isFailed && !list.isAtEnd) {
    const type = list.number(2);
    const value = list.vector(2);
    if (extensions.has(type) || extensions.size === MAX_EXTENSIONS) return undefined;
    extensions.set(type, value);
  }
  return list.isDone ? extensions : undefined;
}

/** Takes numbers and vectors off the front; after the first that is not there, all are empty. */
export class VectorReader {
  #at = 0;
  #isFailed = false;

  constructor(readonly bytes: Uint8Array) {}

  get isFailed(): boolean {
    return this.#isFailed;
  }

  get isAtEnd(): boolean {
    return this.#at === this.bytes.length;
  }

  /** Everything was there, and nothing is left. */
  get isDone(): boolean {
    return !this.#isFailed && this.isAtEnd;
  }

  take(length: number): Uint8Array {
    if (!this.#skip(length)) return this.bytes.subarray(0, 0);
    return this.bytes.subarray(this.#at - length, this.#at);
  }

  number(bytes: number): number {
    let value = 0;
    if (this.#skip(bytes)) {
      for (let at = this.#at - bytes; at < this.#at; at++) value = value * 256 + this.bytes[at]!;
    }
    return value;
  }

  /** A vector whose length stands before it in `lengthBytes` bytes. */
  vector(lengthBytes: number): Uint8Array {
    return this.take(this.number(lengthBytes));
  }

  /** Goes on by so many bytes; `false` if they are not there. */
  #skip(length: number): boolean {
    if (this.#at + length > this.bytes.length) this.#isFailed = true;
    if (!this.#isFailed) this.#at += length;
    return !this.#isFailed;
  }
}

/** One extension of a hello. */
export function extension(type: number, value: readonly number[]): number[] {
  return [...words([type]), ...vector16(value)];
}

/** Numbers of 16 bits. */
export function words(values: readonly number[]): number[] {
  return values.flatMap((value) => [value >> 8, value & 255]);
}

/** A vector whose length has 8 bits. */
export function vector8(bytes: readonly number[]): number[] {
  return [bytes.length, ...bytes];
}

/** One whose length has 16 bits. */
export function vector16(bytes: readonly number[]): number[] {
  return [bytes.length >> 8, bytes.length & 255, ...bytes];
}
