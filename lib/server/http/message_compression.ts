/**
 * Compressed WebSocket messages (`permessage-deflate`, RFC 7692), each by itself: neither side
 * keeps what earlier messages were made of, so that a connection that says nothing costs nothing.
 *
 * `ws` negotiates, frames and asks for one message after the other. Its own streams would hold 280
 * kB for each connection that ever had a long message, and take half as much time again.
 *
 * Contract: what a message becomes is bounded while it is inflated, and so is what a peer may have
 * inflated in the long run.
 *
 * @module
 */
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import type { DropSink } from "../../base/drop_counters.ts";
import { joinBytes } from "../../base/joined_bytes.ts";
import type { Clock } from "../../base/platform.ts";
import type { ServerDrop } from "../drop_reasons.ts";
import type { Deflation } from "./taken_web_socket.ts";

/** Shorter messages hardly become shorter, bytes. */
const THRESHOLD = 1_024;
/** Fast: the next better level takes twice the time for a sixth less. */
const LEVEL = 1;
/** 128 KiB while a message is deflated. */
const MEMORY_LEVEL = 5;
const WINDOW_BITS = 15;
const MIN_WINDOW_BITS = 9;
/** Behind each message, and left out of it (RFC 7692 §7.2.1). */
const TAIL_BYTES = 4;
/** What a peer's messages may grow by, together, in the long run, bytes a second. */
const GROWTH_PER_SECOND = 512 * 1024;
/** As much at once as this many of the longest messages. */
const GROWTH_AT_ONCE = 2;
/** RFC 6455 §7.4.1. */
const INVALID_PAYLOAD = 1007;
const POLICY = 1008;

/** What `ws` is to offer: messages that are made by themselves, both ways. */
export const COMPRESSION_OFFER = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  threshold: THRESHOLD,
} as const;

/** What was agreed upon. */
interface Agreement {
  readonly server_max_window_bits?: number;
}

type Done = (error: Error | null, bytes?: Uint8Array) => void;

/** As much of what `ws` made of the agreement as is used here, and what is put in place of that. */
export interface AgreedCompression {
  readonly params: Agreement;
  decompress(bytes: Uint8Array, isLast: boolean, done: Done): void;
}

/** What a peer may do. */
export interface CompressionRules {
  /** Bytes that a message may become. */
  readonly maxMessageBytes: number;
  readonly clock: Clock;
  readonly counters: DropSink<ServerDrop>;
  /** Ends the connection. */
  readonly close: (code: number, reason: string) => void;
}

/**
 * Puts our own way into what `ws` reads by for one connection.
 *
 * @returns The same for what is sent.
 */
export function compressOneByOne(agreed: AgreedCompression, rules: CompressionRules): Deflation {
  const { server_max_window_bits: windowBits = WINDOW_BITS } = agreed.params;
  const inflating = new Inflating(rules);
  agreed.decompress = (bytes, isLast, done) => inflating.take(bytes, isLast, done);
  return { thresholdBytes: THRESHOLD, deflate: (message) => deflated(message, windowBits) };
}

/** What goes to many is deflated once. */
const known = new WeakMap<ArrayBufferLike, Uint8Array>();

function deflated(bytes: Uint8Array, windowBits: number): Uint8Array {
  const isWhole = bytes.byteLength === bytes.buffer.byteLength && windowBits === WINDOW_BITS;
  const earlier = isWhole ? known.get(bytes.buffer) : undefined;
  if (earlier !== undefined) return earlier;
  const whole = deflateRawSync(bytes, {
    // The library has no window that small, and what is only stored needs none.
    level: windowBits < MIN_WINDOW_BITS ? 0 : LEVEL,
    memLevel: MEMORY_LEVEL,
    windowBits: Math.max(MIN_WINDOW_BITS, windowBits),
    finishFlush: constants.Z_SYNC_FLUSH,
  });
  const made = whole.subarray(0, whole.length - TAIL_BYTES);
  if (isWhole) known.set(bytes.buffer, made);
  return made;
}

/** What comes from one peer. */
class Inflating {
  readonly #rules: CompressionRules;
  /** Of a message that has not come whole. */
  readonly #parts: Uint8Array[] = [];
  /** Bytes by which messages may still grow, and since when. */
  #growth: number;
  #grownAt: number;

  constructor(rules: CompressionRules) {
    this.#rules = rules;
    this.#growth = GROWTH_AT_ONCE * rules.maxMessageBytes;
    this.#grownAt = rules.clock.now();
  }

  /** `ws` counts what comes; it expects its answer later. */
  take(bytes: Uint8Array, isLast: boolean, done: Done): void {
    this.#parts.push(bytes);
    if (!isLast) return queueMicrotask(() => done(null, new Uint8Array()));
    const parts = this.#parts.splice(0);
    const whole = parts.length === 1 ? parts[0]! : joinBytes(parts);
    queueMicrotask(() => {
      const message = this.#inflate(whole);
      if (message instanceof Error) done(message);
      else done(null, message);
    });
  }

  #inflate(bytes: Uint8Array): Uint8Array | Error {
    const { maxMessageBytes } = this.#rules;
    const allowed = this.#allowance();
    try {
      const message = inflateRawSync(bytes, {
        finishFlush: constants.Z_SYNC_FLUSH,
        maxOutputLength: Math.max(1, Math.min(maxMessageBytes, bytes.length + allowed)),
      });
      this.#growth -= Math.max(0, message.length - bytes.length);
      return message;
    } catch (error) {
      if ((error as { readonly code?: string }).code !== "ERR_BUFFER_TOO_LARGE") {
        return this.#refuse("socket_inflate_failed", INVALID_PAYLOAD, "cannot be inflated");
      }
      return bytes.length + allowed < maxMessageBytes
        ? this.#refuse("socket_inflates_too_often", POLICY, "messages inflate to too much")
        : this.#refuse("socket_inflates_too_much", POLICY, "message inflates to too much");
    }
  }

  #allowance(): number {
    const { maxMessageBytes, clock } = this.#rules;
    const now = clock.now();
    const filled = this.#growth + (now - this.#grownAt) * GROWTH_PER_SECOND / 1_000;
    this.#growth = Math.min(GROWTH_AT_ONCE * maxMessageBytes, filled);
    this.#grownAt = now;
    return Math.max(0, Math.floor(this.#growth));
  }

  /** Ended before `ws` does it, which would say that too much was sent. */
  #refuse(drop: ServerDrop, code: number, reason: string): Error {
    this.#rules.counters.count(drop);
    this.#rules.close(code, reason);
    return new Error(reason);
  }
}
