/**
 * The life of one accepted connection, whatever is spoken on it: what is read and what waits to be
 * written, how long it may be nameless, and its end.
 *
 * Contract: memory is bounded whatever the peer sends or fails to read. Reads and writes use
 * buffers of its own, so callers may reuse theirs at once. The end comes once.
 *
 * @module
 */
import { BatchTime } from "../../base/batch_time.ts";
import type { Cancel } from "../../base/platform.ts";
import { endBatchSafely, type ReceivedUnit, receivingThrew } from "../datagrams/batch_guard.ts";
import { MAX_SEND_BYTES } from "../datagrams/datagrams.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import type { QueueRefusal } from "./stream_queue.ts";
import { type ByteStream, StreamWriter } from "./stream_writer.ts";
import type { TcpConnection, TcpPathHost } from "./tcp_connection.ts";

/** Bytes read at once: of a session's client, and before one is named. */
const READ_BYTES = 16 * 1024;
const FIRST_READ_BYTES = 1024;

/** What is spoken on a connection. */
export interface StreamSpeaker extends TcpConnection {
  readonly unit: ReceivedUnit;
  /** Takes what was read. @returns `false` once it cannot be read on. */
  take(chunk: Uint8Array, length: number): boolean;
  /** Asked after each read: reading waits for what it returns. */
  readonly pause?: (() => Promise<void> | undefined) | undefined;
  /** Video was left out that had waited too long, and is taken again. */
  videoGap(): void;
  /** Nothing comes or goes any more. */
  over(): void;
}

/** One connection; its speaker is what everybody else knows of it. */
export class StreamConnection {
  /** Settles when reading and writing have stopped; never rejects. */
  readonly done: Promise<void>;
  readonly writer: StreamWriter;
  /** Of what is being read. */
  readonly time: BatchTime;
  /** Another thread has a number of its own for the connection. */
  isLent = false;
  readonly #stream: ByteStream;
  readonly #host: TcpPathHost;
  readonly #speaker: StreamSpeaker;
  /** Lent by `reserve`; made at its first use. */
  #reserved: Uint8Array | undefined;
  #isUnnamed = true;
  #isClosing = false;
  #isEnded = false;
  #cancelTimer: Cancel = () => {};

  /** Begins to read. */
  constructor(stream: ByteStream, host: TcpPathHost, speaker: StreamSpeaker) {
    this.#stream = stream;
    this.#host = host;
    this.#speaker = speaker;
    this.time = new BatchTime(host.clock);
    this.writer = new StreamWriter(stream, host.clock, {
      idle: (failed) => {
        if (failed) this.end("tcp_write_failed");
        if (this.#isClosing) this.end();
      },
      dropped: (packets) => host.drops.count("tcp_video_too_old", packets),
      reopened: () => speaker.videoGap(),
    });
    this.done = this.#read();
  }

  /** Whether something can be sent, and is heard. */
  get isOpen(): boolean {
    return !this.#isClosing && !this.#isEnded;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Ends by itself unless {@linkcode named} or this is called before. */
  endIn(ms: number, reason: TransportDrop): void {
    this.after(ms, () => void this.end(reason));
  }

  /** The one thing that is waited for. */
  after(ms: number, callback: () => void): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#host.timers.after(ms, callback);
  }

  /** Its session is known: it may stay. */
  named(): void {
    // Otherwise what is waited for is the last byte.
    if (!this.isOpen) return;
    this.#cancelTimer();
    this.#tellNamed();
  }

  /** Room for what is sent next, from index 0 on. */
  reserve(): Uint8Array | undefined {
    return this.isOpen ? this.#reserved ??= new Uint8Array(MAX_SEND_BYTES) : undefined;
  }

  get reserved(): Uint8Array | undefined {
    return this.#reserved;
  }

  /** Something could not be queued: it is dropped, or everything ends. @returns `false`. */
  refused(refusal: QueueRefusal): false {
    if (refusal !== "tcp_rtp_for_slow_reader") return this.end(refusal);
    this.#host.drops.count(refusal);
    return false;
  }

  /** Ends it once its queue is written. Idempotent. */
  close(): void {
    if (!this.isOpen) return;
    if (this.writer.queuedBytes === 0) return void this.end();
    this.#isClosing = true;
    this.after(this.#host.limits.lingerMs, () => void this.end());
  }

  /** Ends it now; `false`, so that `send` can return it. Counts `reason` the first time. */
  end(reason?: TransportDrop): false {
    if (this.#isEnded) return false;
    this.#isEnded = true;
    if (reason !== undefined) this.#host.drops.count(reason);
    this.#cancelTimer();
    // Otherwise it would go on until the other number is closed, too.
    if (this.isLent) this.#stream.closeWrite?.().catch(() => {});
    this.#stream.close();
    this.writer.end();
    this.#speaker.over();
    this.#tellNamed();
    this.#host.ended(this.#speaker);
    return false;
  }

  /** Taking one unit threw: a bug behind the seam ends at most this connection. */
  threw(kind: string, error: unknown): void {
    receivingThrew(this.#host, this.#speaker.unit, kind, error);
  }

  #tellNamed(): void {
    if (!this.#isUnnamed) return;
    this.#isUnnamed = false;
    this.#host.unnamedDone(this.#speaker);
  }

  async #read(): Promise<void> {
    const host = this.#host;
    const speaker = this.#speaker;
    let chunk = new Uint8Array(FIRST_READ_BYTES);
    while (!this.#isEnded) {
      if (!this.#isUnnamed && chunk.length < READ_BYTES) chunk = new Uint8Array(READ_BYTES);
      let length: number | null;
      try {
        length = await this.#stream.read(chunk);
      } catch (error) {
        // A reset is one way for a connection to end, and so is a handshake that fails: most often
        // because the client does not believe the certificate.
        const failed = !speaker.hasSpoken && error instanceof Deno.errors.InvalidData;
        if (failed) this.end("tls_handshake_failed");
        length = null;
      }
      this.time.begin();
      if (length === null) this.end();
      else if (!this.#isEnded && !speaker.take(chunk, length)) this.end("tcp_frame_too_long");
      this.time.end();
      endBatchSafely(host, speaker.unit, host.onBatchEnd, this.time.ms);
      await speaker.pause?.();
    }
    await this.writer.drained;
  }
}
