/**
 * Remote addresses that carry the bytes the kernel wants (`sockaddr_in`, `sockaddr_in6`), and a
 * table that finds the one for received bytes without building a text or an object.
 *
 * The table is a cache and nothing depends on it: an address that was pushed out lives on where it
 * is held, is made anew when its peer sends again, and is then equal to the old one as a value.
 *
 * @module
 */
import { formatIpAddress, parseIpAddress } from "../../wire/ip_address.ts";
import type { RemoteAddress } from "./datagrams.ts";

/** Families and lengths of `struct sockaddr_*` on Linux. */
export const AF_INET = 2;
export const AF_INET6 = 10;
/** Room for one address of either family in 32-bit words. */
export const NAME_WORDS = 8;
const SOCKADDR_BYTES = { [AF_INET]: 16, [AF_INET6]: 28 } as const;
export type AddressFamily = keyof typeof SOCKADDR_BYTES;

/** Addresses remembered: `SETS` times `WAYS`, above what one socket serves. A power of two. */
const SETS = 4096;
const WAYS = 4;
/** Hints from a value's port to its address; a power of two. */
const HINTS = 4096;

/** Bytes of a family's `sockaddr`. */
export function sockaddrBytes(family: AddressFamily): number {
  return SOCKADDR_BYTES[family];
}

/** A remote address of one family. Never changes, apart from two notes to its user. */
export class SocketAddress implements RemoteAddress {
  readonly transport = "udp";
  readonly hostname: string;
  readonly port: number;
  readonly family: AddressFamily;
  /** Cleared when the kernel refused runs of datagrams (UDP_SEGMENT) for this destination. */
  takesRuns = true;
  /** Whether it was found in the table since it was made or last spared. */
  wasFound = false;
  /** The `sockaddr` as words: family and port, then IPv4's address, or flow, address and scope. */
  readonly #word0: number;
  readonly #word1: number;
  readonly #word2: number;
  readonly #word3: number;
  readonly #word4: number;
  readonly #word5: number;
  readonly #word6: number;

  /** Reads `NAME_WORDS` words from `at`. */
  constructor(family: AddressFamily, words: Int32Array, at: number) {
    const isV6 = family === AF_INET6;
    this.family = family;
    this.#word0 = words[at]!;
    // Flow labels are not part of who somebody is.
    this.#word1 = isV6 ? 0 : words[at + 1]!;
    this.#word2 = isV6 ? words[at + 2]! : 0;
    this.#word3 = isV6 ? words[at + 3]! : 0;
    this.#word4 = isV6 ? words[at + 4]! : 0;
    this.#word5 = isV6 ? words[at + 5]! : 0;
    this.#word6 = isV6 ? words[at + 6]! : 0;
    const bytes = new Uint8Array(words.buffer, words.byteOffset + 4 * at, 4 * NAME_WORDS);
    this.hostname = isV6 ? formatIpAddress(bytes.subarray(8, 24)) : bytes.subarray(4, 8).join(".");
    this.port = bytes[2]! << 8 | bytes[3]!;
  }

  /** Whether the words from `at` are this address. */
  equals(words: Int32Array, at: number): boolean {
    if (words[at] !== this.#word0) return false;
    if (this.family === AF_INET) return words[at + 1] === this.#word1;
    return words[at + 5] === this.#word5 && words[at + 4] === this.#word4 &&
      words[at + 3] === this.#word3 && words[at + 2] === this.#word2 &&
      words[at + 6] === this.#word6;
  }

  /** Stores the `sockaddr` from word `at` on. */
  writeTo(words: Int32Array, at: number): void {
    words[at] = this.#word0;
    words[at + 1] = this.#word1;
    if (this.family === AF_INET) return;
    words[at + 2] = this.#word2;
    words[at + 3] = this.#word3;
    words[at + 4] = this.#word4;
    words[at + 5] = this.#word5;
    words[at + 6] = this.#word6;
  }
}

/** The addresses of one socket's peers. Memory is bounded whatever addresses a flood invents. */
export class SocketAddressTable {
  readonly family: AddressFamily;
  readonly #entries: (SocketAddress | undefined)[] = new Array(SETS * WAYS).fill(undefined);
  readonly #scratch = new Int32Array(NAME_WORDS);
  /** By the low bits of a port, the address asked for last by its value. */
  readonly #hints: (SocketAddress | undefined)[] = new Array(HINTS).fill(undefined);
  /** The way that is looked at first when a set is full. */
  #hand = 0;

  constructor(family: AddressFamily) {
    this.family = family;
  }

  /** Addresses it can hold. */
  static readonly capacity = SETS * WAYS;

  /** Addresses it holds. */
  get size(): number {
    return this.#entries.reduce((sum, entry) => entry === undefined ? sum : sum + 1, 0);
  }

  /**
   * The address of the `sockaddr` from word `at` on, the same object while it stays in the table.
   */
  find(words: Int32Array, at: number): SocketAddress {
    const set = this.#setOf(words, at);
    for (let entry = set; entry < set + WAYS; entry++) {
      const address = this.#entries[entry];
      if (address === undefined) break;
      if (address.equals(words, at)) {
        address.wasFound = true;
        return address;
      }
    }
    const made = new SocketAddress(this.family, words, at);
    this.#entries[this.#placeIn(set)] = made;
    return made;
  }

  /** The address of a value, or `undefined` if sockets of this family cannot send there. */
  of(remote: RemoteAddress): SocketAddress | undefined {
    if (remote instanceof SocketAddress && remote.family === this.family) return remote;
    const { hostname, port } = remote;
    const hint = this.#hints[port & HINTS - 1];
    if (hint !== undefined && hint.port === port && hint.hostname === hostname) return hint;
    if (!this.#parse(hostname, port)) return undefined;
    const address = this.find(this.#scratch, 0);
    this.#hints[port & HINTS - 1] = address;
    return address;
  }

  /** Writes a text's `sockaddr` to the scratch words. An IPv6 socket reaches IPv4 by mapping it. */
  #parse(hostname: string, port: number): boolean {
    const ip = parseIpAddress(hostname);
    if (ip === undefined || !(port >= 0 && port <= 0xffff)) return false;
    const bytes = new Uint8Array(this.#scratch.buffer).fill(0);
    bytes[0] = this.family;
    bytes[2] = port >> 8;
    bytes[3] = port;
    if (this.family === AF_INET) {
      bytes.set(ip.subarray(0, 4), 4);
      return ip.length === 4;
    }
    if (ip.length === 4) bytes.fill(0xff, 18, 20);
    bytes.set(ip, 24 - ip.length);
    return true;
  }

  /** The first entry of the only set an address may be in. */
  #setOf(words: Int32Array, at: number): number {
    let mixed = words[at]!;
    if (this.family === AF_INET) mixed ^= Math.imul(words[at + 1]!, 0x9e37_79b1);
    else {
      mixed ^= Math.imul(words[at + 5]!, 0x9e37_79b1) ^ Math.imul(words[at + 4]!, 0x85eb_ca6b) ^
        Math.imul(words[at + 3]!, 0xc2b2_ae35) ^ Math.imul(words[at + 2]!, 0x27d4_eb2f);
    }
    mixed = Math.imul(mixed ^ mixed >>> 15, 0x2c1b_3c6d);
    return ((mixed ^ mixed >>> 12) & SETS - 1) * WAYS;
  }

  /**
   * Where in a set a new address goes: an empty place, else that of one never heard again, as all
   * the invented ones are, else the next in turn, after which the others have to be found once
   * more.
   */
  #placeIn(set: number): number {
    for (let way = 0; way < WAYS; way++) {
      if (this.#entries[set + way] === undefined) return set + way;
    }
    this.#hand = (this.#hand + 1) % WAYS;
    for (let step = 0; step < WAYS; step++) {
      const entry = set + (this.#hand + step) % WAYS;
      if (!this.#entries[entry]!.wasFound) return entry;
    }
    for (let way = 0; way < WAYS; way++) this.#entries[set + way]!.wasFound = false;
    return set + this.#hand;
  }
}
