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
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
}

/** First size of a write buffer; it doubles while a reader lags. */
const WRITE_BYTES = 8 * 1024;
/** A larger write buffer is given back once it is empty. */
const KEEP_WRITE_BYTES = 64 * 1024;

/** The queue of one stream. Whoever fills it keeps it within bounds. */
export class StreamWriter {
  /** Settles when nothing is being written; `undefined` if nothing is. */
  drained: Promise<void> | undefined;
  readonly #stream: ByteStream;
  readonly #clock: Clock;
  readonly #idle: (failed: boolean) => void;
  #filling = new Uint8Array(WRITE_BYTES);
  #writing = new Uint8Array(WRITE_BYTES);
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
      let size = this.#filling.length * 2;
      while (size < end) size *= 2;
      const larger = new Uint8Array(size);
      larger.set(this.#filling.subarray(0, at));
      this.#filling = larger;
    }
    this.#filled = end;
    return at;
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
      if (this.#writing.length > KEEP_WRITE_BYTES) this.#writing = new Uint8Array(WRITE_BYTES);
      if (this.#filling.length > KEEP_WRITE_BYTES) this.#filling = new Uint8Array(WRITE_BYTES);
    } catch {
      failed = true;
    }
    this.drained = undefined;
    this.#idle(failed);
  }
}
