/**
 * What waits to be written to one byte stream: one buffer is written while the other fills, as
 * writes do not copy.
 *
 * @module
 */
import type { Clock } from "../../base/platform.ts";

/**
 * The byte stream below; the part of `Deno.TcpConn` that is used, so that tests can stand in for
 * it.
 */
export interface ByteStream {
  /** Its end here, where it has one of its own. */
  readonly localAddr?: { readonly hostname: string; readonly port: number };
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  /** Says that nothing more will be written. */
  closeWrite?(): Promise<void>;
  close(): void;
}

/** First size of a write buffer that is used; it doubles while a reader lags. */
const WRITE_BYTES = 8 * 1024;
/** Whoever connects and says nothing is written nothing. */
const UNUSED = new Uint8Array(0);
/** A larger write buffer is given back once it is empty. */
const KEEP_WRITE_BYTES = 64 * 1024;

/** How much may wait for a reader. */
export interface QueueLimits {
  /** Queued bytes above which media is dropped: old media is worth less than none. */
  readonly softQueueBytes: number;
  /** Queued bytes above which the connection is closed. */
  readonly hardQueueBytes: number;
  /** A write without progress for this long closes the connection, ms. */
  readonly stuckMs: number;
}

/** Why something is not queued. */
export type QueueRefusal =
  | "tcp_reader_too_slow"
  | "tcp_reader_stuck"
  | "tcp_rtp_for_slow_reader";

/** The queue of one stream. Whoever fills it keeps it within bounds. */
export class StreamWriter {
  /** Settles when nothing is being written; `undefined` if nothing is. */
  drained: Promise<void> | undefined;
  readonly #stream: ByteStream;
  readonly #clock: Clock;
  readonly #idle: (failed: boolean) => void;
  #filling = UNUSED;
  #writing = UNUSED;
  /** Bytes waiting in `#filling`. */
  #filled = 0;
  /** Bytes of `#writing` not yet taken by the system. */
  #unwritten = 0;
  #progressAt = 0;
  #isEnded = false;

  /** @param idle Everything is written, or cannot be. */
  constructor(stream: ByteStream, clock: Clock, idle: (failed: boolean) => void) {
    this.#stream = stream;
    this.#clock = clock;
    this.#idle = idle;
  }

  /** Bytes that the system has not taken. */
  get queuedBytes(): number {
    return this.#filled + this.#unwritten;
  }

  /** Whether the other end has taken nothing for so long, ms. */
  isStuck(stuckMs: number): boolean {
    return this.#unwritten > 0 && this.#clock.now() - this.#progressAt >= stuckMs;
  }

  /** Where the next `length` bytes are to be put in {@linkcode StreamWriter.bytes}. */
  claim(length: number): number {
    const at = this.#filled;
    const end = at + length;
    if (end > this.#filling.length) {
      let size = Math.max(WRITE_BYTES, this.#filling.length * 2);
      while (size < end) size *= 2;
      const larger = new Uint8Array(size);
      larger.set(this.#filling.subarray(0, at));
      this.#filling = larger;
    }
    this.#filled = end;
    return at;
  }

  /**
   * As {@linkcode claim}, within bounds.
   *
   * @param mayGiveWay Whether it is media, which is worth nothing when it is old.
   * @returns Where, or why not; all but `tcp_rtp_for_slow_reader` end the stream.
   */
  claimWithin(length: number, limits: QueueLimits, mayGiveWay: boolean): number | QueueRefusal {
    const queued = this.queuedBytes + length;
    if (queued > limits.hardQueueBytes) return "tcp_reader_too_slow";
    if (this.isStuck(limits.stuckMs)) return "tcp_reader_stuck";
    if (queued > limits.softQueueBytes && mayGiveWay) return "tcp_rtp_for_slow_reader";
    return this.claim(length);
  }

  /** What was claimed is filled and is to be written. */
  start(): void {
    this.drained ??= this.#drain();
  }

  /** Where claimed bytes go, until {@linkcode StreamWriter.start}. */
  get bytes(): Uint8Array {
    return this.#filling;
  }

  /** Nothing more is written. */
  end(): void {
    this.#isEnded = true;
    this.#filled = 0;
  }

  async #drain(): Promise<void> {
    let failed = false;
    try {
      while (this.#filled > 0 && !this.#isEnded) {
        const full = this.#filling;
        this.#filling = this.#writing;
        this.#writing = full;
        const end = this.#filled;
        this.#filled = 0;
        this.#unwritten = end;
        this.#progressAt = this.#clock.now();
        while (this.#unwritten > 0 && !this.#isEnded) {
          const written = await this.#stream.write(full.subarray(end - this.#unwritten, end));
          this.#unwritten -= written;
          if (written > 0) this.#progressAt = this.#clock.now();
        }
      }
      if (this.#writing.length > KEEP_WRITE_BYTES) this.#writing = UNUSED;
      if (this.#filling.length > KEEP_WRITE_BYTES) this.#filling = UNUSED;
    } catch {
      failed = true;
    }
    this.drained = undefined;
    this.#idle(failed);
  }
}
