/**
 * What waits to be written to one byte stream. A chunk of it is written while the rest waits, so
 * that what a call cannot do without may go before that.
 *
 * @module
 */
import type { Clock } from "../../base/platform.ts";
import type { SendKind } from "../datagrams/datagrams.ts";
import { type QueueLimits, type QueueRefusal, StreamQueue } from "./stream_queue.ts";

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

/** Whoever connects and says nothing is written nothing. */
const UNUSED = new Uint8Array(0);

/** What is told of a stream. */
export interface WriterHost {
  /** Everything is written, or cannot be. */
  idle(failed: boolean): void;
  /** Packets of video were left out because they had waited too long. */
  dropped(packets: number): void;
  /** Video was left out for a while, and is taken again: it goes on with key frames. */
  reopened(): void;
}

/** Writes to one stream what is queued for it. Whoever fills the queue keeps it within bounds. */
export class StreamWriter {
  /** Settles when nothing is being written; `undefined` if nothing is. */
  drained: Promise<void> | undefined;
  readonly #stream: ByteStream;
  readonly #clock: Clock;
  readonly #host: WriterHost;
  readonly #queue = new StreamQueue();
  readonly #dropped = (packets: number) => this.#host.dropped(packets);
  #writing = UNUSED;
  /** Bytes of `#writing` not yet taken by the system. */
  #unwritten = 0;
  #progressAt = 0;
  #isEnded = false;

  constructor(stream: ByteStream, clock: Clock, host: WriterHost) {
    this.#stream = stream;
    this.#clock = clock;
    this.#host = host;
  }

  /** Bytes that the system has not taken. */
  get queuedBytes(): number {
    return this.#queue.size + this.#unwritten;
  }

  /** Bytes of video that were left out, in all. */
  get droppedBytes(): number {
    return this.#queue.droppedBytes;
  }

  /**
   * Where the next `length` bytes are to be put in {@linkcode StreamWriter.bytes}, or why not; all
   * refusals but `tcp_rtp_for_slow_reader` end the stream.
   *
   * @param stream Which video it is of, by its SSRC, or `NO_STREAM`.
   */
  claim(
    length: number,
    limits: QueueLimits,
    kind: SendKind,
    stream: number,
  ): number | QueueRefusal {
    const now = this.#clock.now();
    const queue = this.#queue;
    const refusal = queue.refuses(length, this.#unwritten, kind, limits, now, this.#dropped);
    if (refusal === "tcp_reader_too_slow") return refusal;
    const isStuck = this.#unwritten > 0 && now - this.#progressAt >= limits.stuckMs;
    if (isStuck) return "tcp_reader_stuck";
    return refusal ?? queue.claim(length, kind, stream, now);
  }

  /** What was claimed is filled and is to be written. */
  start(): void {
    this.drained ??= this.#drain();
  }

  /** Where claimed bytes go, until the next claim, or {@linkcode StreamWriter.start}. */
  get bytes(): Uint8Array {
    return this.#queue.bytes;
  }

  /**
   * A picture of the stream begins anew: what is too old of it is not written any more.
   *
   * @returns Whether anything was.
   */
  outdate(stream: number): boolean {
    const packets = this.#queue.outdate(stream, this.#clock.now());
    if (packets > 0) this.#host.dropped(packets);
    return packets > 0;
  }

  /** Nothing more is written. */
  end(): void {
    this.#isEnded = true;
    this.#queue.clear();
  }

  async #drain(): Promise<void> {
    let failed = false;
    const queue = this.#queue;
    try {
      while (queue.size > 0 && !this.#isEnded) {
        const most = queue.chunkBytes(this.#clock.now());
        if (this.#writing.length < most) this.#writing = new Uint8Array(most);
        const full = this.#writing;
        const end = this.#unwritten = queue.take(full, most);
        this.#progressAt = this.#clock.now();
        while (this.#unwritten > 0 && !this.#isEnded) {
          const written = await this.#stream.write(full.subarray(end - this.#unwritten, end));
          this.#unwritten -= written;
          if (written > 0) this.#progressAt = this.#clock.now();
        }
      }
    } catch {
      failed = true;
    }
    this.drained = undefined;
    if (!failed && !this.#isEnded && queue.isReopened()) this.#host.reopened();
    this.#host.idle(failed);
  }
}
