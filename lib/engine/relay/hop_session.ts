/**
 * Who the other end of a hop is, and what both seal with: the hellos, the epochs of keys, the
 * numbers of datagrams and the window against replayed ones.
 *
 * Each direction has keys of its own, so the number alone makes a nonce of AES-GCM.
 *
 * A hello says the sender's nonce and the receiver's, as far as it is known, and is authenticated
 * by the secret. Whoever hears its own nonce begins a session with the other end; a recorded hello
 * says an old nonce, or is of a life that is over, and changes nothing.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { SrtpCipher } from "../../transport/srtp/srtp_cipher.ts";
import { TokenBucket } from "../../base/token_bucket.ts";
import { ReplayWindow } from "../../transport/crypto/replay_window.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import {
  HOP_HEADER_BYTES,
  HOP_HELLO,
  HOP_SEALED,
  HOP_TAG_BYTES,
  readWord,
  writeWord,
} from "./hop_datagram.ts";
import { helloKey, type HopCrypto, HopKeys, isSame, NONCE_BYTES } from "./hop_keys.ts";

const ECHO_AT = HOP_HEADER_BYTES + NONCE_BYTES;
const MAC_AT = ECHO_AT + NONCE_BYTES;
const HELLO_BYTES = MAC_AT + 16;
/** Flags of a hello: the sender has a session with the receiver's present life… */
const IS_CONNECTED = 1;
/** …and got something by UDP lately. */
const HEARS_UDP = 2;

const REPLAY_WINDOW = 8192;
/** Keys are changed after so many datagrams, or so long, ms. */
const EPOCH_DATAGRAMS = 2 ** 32;
const EPOCH_MS = 3_600_000;
/** Former lives of the other end that are remembered. */
const MAX_FORMER = 64;
/**
 * Hellos that are answered at once, and then in a second. Whoever recorded one can say it again and
 * again: those of a life that is known have an allowance of their own, so that they do not use up
 * that of a life that begins.
 */
const ANSWERS = 8;
const ANSWERS_PER_SECOND = 20;
const TWO_16 = 0x1_0000;

/** What a hello brought. */
export interface Hello {
  /** The other end began anew since the session there was, or there was none. */
  readonly begins: boolean;
  /** It is to be answered with one of ours. */
  readonly answer: Uint8Array | undefined;
  readonly hearsUdp: boolean;
}

export interface HopSessionOptions {
  readonly crypto: HopCrypto;
  /** 32 bytes that both ends have. */
  readonly secret: Uint8Array;
  /** 16 random bytes, never used before. */
  readonly nonce: Uint8Array;
  /** What the other end calls this hop. */
  readonly theirId: number;
  readonly drops: DropSink<EngineDrop>;
  /** Datagrams sealed with one key. */
  readonly epochDatagrams?: number;
}

/** One end's keys and numbers. Holds memory of its ciphers until it is closed. */
export class HopSession {
  readonly #options: HopSessionOptions;
  readonly #helloKey: Uint8Array;
  #keys: HopKeys | undefined;
  #sealing: SrtpCipher | undefined;
  /** Those of the epoch before, of the present one and of the next. */
  readonly #opening: (SrtpCipher | undefined)[] = [undefined, undefined, undefined];
  /** Nonces of lives of the other end that are over: what said them was recorded. */
  readonly #former: Uint8Array[] = [];
  readonly #answersToKnown = new TokenBucket(ANSWERS, ANSWERS_PER_SECOND);
  readonly #answersToOthers = new TokenBucket(ANSWERS, ANSWERS_PER_SECOND);
  #window = new ReplayWindow(REPLAY_WINDOW);
  #sendEpoch = 0;
  #receiveEpoch = 0;
  /** In typed arrays, as fields above 2^30 are boxed: [next number, first number of the epoch]. */
  readonly #number = new Float64Array(2);
  #epochBegan = 0;
  /** What `open` found: [number, when it was sent]. */
  readonly opened = new Float64Array(2);

  constructor(options: HopSessionOptions) {
    this.#options = options;
    this.#helloKey = helloKey(options.crypto, options.secret);
  }

  get isConnected(): boolean {
    return this.#keys !== undefined;
  }

  /** The number of the next datagram. */
  get nextNumber(): number {
    return this.#number[0]!;
  }

  /** Keys that were changed, both ways. */
  get epochs(): number {
    return this.#sendEpoch + this.#receiveEpoch;
  }

  /** A hello to the life of the other end that is known. */
  hello(hearsUdp: boolean): Uint8Array {
    return this.#writeHello(this.#keys?.theirs, hearsUdp);
  }

  /** Takes a hello; `undefined` if it is none of the other end's. */
  receiveHello(
    bytes: Uint8Array,
    length: number,
    hearsUdp: boolean,
    now: number,
  ): Hello | undefined {
    const { drops, nonce } = this.#options;
    if (length !== HELLO_BYTES) {
      drops.count("hop_malformed");
      return undefined;
    }
    const hello = bytes.slice(0, HELLO_BYTES);
    const theirs = hello.slice(HOP_HEADER_BYTES, ECHO_AT);
    if (!isSame(this.#mac(hello), hello.subarray(MAC_AT)) || isSame(theirs, nonce)) {
      drops.count("hop_not_authentic");
      return undefined;
    }
    const flags = hello[1]!;
    const isFresh = isSame(hello.subarray(ECHO_AT, MAC_AT), nonce);
    if (this.#former.some((nonce) => isSame(nonce, theirs))) {
      drops.count("hop_replayed");
      return undefined;
    }
    const isKnown = this.#isWith(theirs);
    const begins = isFresh && !isKnown;
    if (begins) this.#begin(theirs);
    const wantsAnswer = !isFresh || (flags & IS_CONNECTED) === 0;
    const allowance = isKnown ? this.#answersToKnown : this.#answersToOthers;
    const answers = wantsAnswer && allowance.take(now);
    if (wantsAnswer && !answers) drops.count("hop_replayed");
    return {
      begins,
      answer: answers ? this.#writeHello(theirs, hearsUdp) : undefined,
      hearsUdp: begins && (flags & HEARS_UDP) !== 0,
    };
  }

  /**
   * Seals frames out of `source[at, at + length)` into `out`, bytes.
   *
   * @returns Length of the datagram; 0 if it cannot be sealed.
   */
  seal(out: Uint8Array, source: Uint8Array, at: number, length: number, now: number): number {
    const sealing = this.#sealing;
    if (sealing === undefined) return 0;
    const number = this.#number;
    if (number[0] === number[1]) this.#epochBegan = now;
    const seq = number[0]!++;
    const upper = Math.floor(seq / TWO_16);
    const lower = seq % TWO_16;
    const { theirId } = this.#options;
    out[0] = HOP_SEALED;
    out[1] = this.#sendEpoch;
    writeWord(out, 2, upper);
    out[6] = lower >>> 8;
    out[7] = lower;
    writeWord(out, 8, theirId);
    writeWord(out, 12, now);
    return sealing.sealRtpFrom(out, HOP_HEADER_BYTES, 0, source, at, length, 0, upper, lower);
  }

  /**
   * Opens a datagram in place: its frames follow the header.
   *
   * @returns Bytes of the frames, or -1 if it is not the other end's, or came before.
   */
  open(bytes: Uint8Array, length: number): number {
    const { drops } = this.#options;
    const clear = length - HOP_HEADER_BYTES - HOP_TAG_BYTES;
    if (clear <= 0 || (clear & 3) !== 0) return this.#refuse("hop_malformed");
    if (this.#keys === undefined) return this.#refuse("hop_before_keys");
    const step = ((bytes[1]! - this.#receiveEpoch) << 24) >> 24;
    const upper = readWord(bytes, 2);
    const lower = (bytes[6]! << 8) | bytes[7]!;
    const number = upper * TWO_16 + lower;
    if (!this.#window.isFresh(number)) return this.#refuse("hop_replayed");
    const cipher = step >= -1 && step <= 1 ? this.#openingFor(step) : undefined;
    if (
      cipher === undefined ||
      cipher.openRtp(bytes, length, HOP_HEADER_BYTES, 0, upper, lower) < 0
    ) {
      drops.count("hop_not_authentic");
      return -1;
    }
    if (step === 1) this.#receiveNextEpoch();
    this.#window.accept(number);
    this.opened[0] = number;
    this.opened[1] = readWord(bytes, 12);
    return clear;
  }

  /**
   * Goes on to the next keys, when it is time.
   *
   * @param isAnswered The other end answers, so it will not miss that.
   */
  tick(now: number, isAnswered: boolean): void {
    const { epochDatagrams = EPOCH_DATAGRAMS } = this.#options;
    const [next, first] = this.#number as unknown as [number, number];
    if (this.#keys === undefined || next === first || !isAnswered) return;
    if (next - first < epochDatagrams && now - this.#epochBegan < EPOCH_MS) return;
    this.#sealing?.close();
    this.#sealing = this.#keys.sealing(++this.#sendEpoch);
    this.#number[1] = next;
  }

  /** Idempotent. */
  close(): void {
    this.#sealing?.close();
    this.#sealing = undefined;
    for (const cipher of this.#opening) cipher?.close();
    this.#opening.fill(undefined);
    this.#keys = undefined;
  }

  #refuse(reason: EngineDrop): number {
    this.#options.drops.count(reason);
    return -1;
  }

  #isWith(theirs: Uint8Array): boolean {
    return this.#keys !== undefined && isSame(this.#keys.theirs, theirs);
  }

  #begin(theirs: Uint8Array): void {
    const { crypto, secret, nonce } = this.#options;
    if (this.#keys !== undefined && this.#former.push(this.#keys.theirs) > MAX_FORMER) {
      this.#former.shift();
    }
    this.close();
    const keys = this.#keys = new HopKeys(crypto, secret, nonce, theirs);
    this.#sendEpoch = this.#receiveEpoch = 0;
    this.#number.fill(0);
    this.#window = new ReplayWindow(REPLAY_WINDOW);
    this.#sealing = keys.sealing(0);
    this.#opening[1] = keys.opening(0);
  }

  #openingFor(step: number): SrtpCipher | undefined {
    if (step === 1) this.#opening[2] ??= this.#keys!.opening(this.#receiveEpoch + 1);
    return this.#opening[step + 1];
  }

  #receiveNextEpoch(): void {
    const opening = this.#opening;
    opening[0]?.close();
    opening[0] = opening[1];
    opening[1] = opening[2];
    opening[2] = undefined;
    this.#receiveEpoch++;
  }

  #writeHello(theirs: Uint8Array | undefined, hearsUdp: boolean): Uint8Array {
    const { nonce, theirId } = this.#options;
    const hello = new Uint8Array(HELLO_BYTES);
    hello[0] = HOP_HELLO;
    if (hearsUdp) hello[1]! |= HEARS_UDP;
    writeWord(hello, 8, theirId);
    hello.set(nonce, HOP_HEADER_BYTES);
    if (theirs !== undefined) {
      hello.set(theirs, ECHO_AT);
      if (this.#isWith(theirs)) hello[1]! |= IS_CONNECTED;
    }
    hello.set(this.#mac(hello), MAC_AT);
    return hello;
  }

  #mac(hello: Uint8Array): Uint8Array {
    const { handshakeCrypto } = this.#options.crypto;
    return handshakeCrypto.hmac(this.#helloKey, hello.subarray(0, MAC_AT))
      .slice(0, HELLO_BYTES - MAC_AT);
  }
}
