/**
 * Sockets of the listening thread that this thread sends on by itself; see `lent_socket.ts`.
 *
 * @module
 */
import type { Cancel } from "../../base/platform.ts";
import { Errno, MSG_DONTWAIT, MSG_EOR, MSG_NOSIGNAL } from "../datagrams/libc.ts";
import {
  BorrowedChannels,
  type BorrowedChannelsOptions,
  type ChannelReceiver,
} from "./borrowed_channels.ts";
import type { SendKind } from "../datagrams/datagrams.ts";
import type { BorrowedOutlet } from "./borrowed_outlet.ts";
import { queueFrame } from "./framed_queue.ts";
import type { LentSocket } from "./lent_socket.ts";
import type { TcpLimits } from "./tcp_connection.ts";
import type { QueueLimits } from "./stream_queue.ts";
import { type ByteStream, StreamWriter } from "./stream_writer.ts";

/** Wait before the kernel is asked again after it had no room, ms; doubled up to the second. */
const RETRY_MS = 1;
const MAX_RETRY_MS = 16;

/**
 * Each write begins a segment of its own: only before one the kernel asks how much is not sent yet,
 * and otherwise would add up to 64 KiB to the last.
 */
const FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_EOR;

/** What borrowed sockets hang on. */
export interface BorrowedSocketsOptions extends BorrowedChannelsOptions {
  readonly limits: BorrowedLimits;
}

/** Bounds of connections; those of the thread that has accepted them. */
export type BorrowedLimits = QueueLimits & Pick<TcpLimits, "lingerMs">;

/** Who a path's packets are for, and what is told of its way out. */
export interface Borrower {
  readonly receive: ChannelReceiver;
  /** The connection has to end. */
  readonly failed: () => void;
  /** Video was left out that had waited too long, and is taken again. */
  readonly videoGap: () => void;
}

/** Those of one thread. */
export class BorrowedSockets {
  readonly #options: BorrowedSocketsOptions;
  readonly #channels: BorrowedChannels;

  constructor(options: BorrowedSocketsOptions) {
    this.#options = options;
    this.#channels = new BorrowedChannels(options);
  }

  open(socket: LentSocket, borrower: Borrower): BorrowedOutlet & { begin?(): void } {
    return socket.kind === "stream"
      ? new BorrowedStream(socket.fd, this.#options, borrower)
      : this.#channels.open(socket, borrower.receive);
  }

  /** The TURN server has looked at so much of what came for no channel. */
  straysTaken(bytes: number): void {
    this.#channels.straysTaken(bytes);
  }

  /** Nothing more is sent or received in channels. Connections are closed one by one. */
  close(): void {
    this.#channels.close();
  }
}

/** A TCP connection; what is queued waits until the lender has written all of its own. */
class BorrowedStream implements BorrowedOutlet {
  readonly #stream: DescriptorStream;
  readonly #writer: StreamWriter;
  readonly #options: BorrowedSocketsOptions;
  #mayWrite = false;
  #hasFailed = false;
  /** Who waits for the last byte. */
  #finished: (() => void) | undefined;
  #cancelLinger: Cancel = () => {};

  constructor(
    fd: number,
    options: BorrowedSocketsOptions,
    { failed, videoGap: reopened }: Borrower,
  ) {
    this.#options = options;
    this.#stream = new DescriptorStream(fd, options);
    this.#writer = new StreamWriter(this.#stream, options.clock, {
      idle: (isBroken) => {
        if (isBroken && !this.#hasFailed) {
          this.#hasFailed = true;
          options.drops.count(this.#stream.isStuck ? "tcp_reader_stuck" : "tcp_write_failed");
          failed();
        }
        this.#end();
      },
      dropped: (packets) => options.drops.count("tcp_video_too_old", packets),
      reopened,
    });
  }

  isOpen(): boolean {
    return true;
  }

  get queuedBytes(): number {
    return this.#writer.queuedBytes;
  }

  get droppedBytes(): number {
    return this.#writer.droppedBytes;
  }

  outdate(ssrc: number): boolean {
    return this.#writer.outdate(ssrc);
  }

  /** The lender writes no more. */
  begin(): void {
    this.#mayWrite = true;
    this.flush();
  }

  send(bytes: Uint8Array, length: number, kind: SendKind): boolean | undefined {
    if (this.#hasFailed) return false;
    const { limits, drops } = this.#options;
    const refusal = queueFrame(this.#writer, bytes, length, limits, kind);
    if (refusal === undefined) return true;
    drops.count(refusal);
    return refusal === "tcp_rtp_for_slow_reader" ? false : undefined;
  }

  flush(): void {
    if (this.#mayWrite && this.queuedBytes > 0) this.#writer.start();
  }

  finish(done: () => void): void {
    const { timers, limits } = this.#options;
    this.#finished = done;
    if (this.#hasFailed || this.queuedBytes === 0) return this.#end();
    this.#cancelLinger = timers.after(limits.lingerMs, () => this.#end());
    this.flush();
  }

  close(): void {
    this.#hasFailed = true;
    this.#cancelLinger();
    this.#finished = undefined;
    this.#writer.end();
    this.#stream.close();
  }

  #end(): void {
    this.#cancelLinger();
    const finished = this.#finished;
    this.#finished = undefined;
    finished?.();
  }
}

/** A descriptor as a stream that is only written to. */
class DescriptorStream implements ByteStream {
  readonly #options: BorrowedSocketsOptions;
  /** Below 0 once closed: the number may then be somebody else's. */
  #fd: number;
  /** The other end has taken nothing for too long. */
  isStuck = false;

  constructor(fd: number, options: BorrowedSocketsOptions) {
    this.#fd = fd;
    this.#options = options;
  }

  read(): Promise<number | null> {
    return Promise.reject(new Error("the lender reads"));
  }

  async write(bytes: Uint8Array): Promise<number> {
    const { libc, timers, clock, limits } = this.#options;
    const beganAt = clock.now();
    const length = BigInt(bytes.length);
    const view = bytes as Uint8Array<ArrayBuffer>;
    for (let waitMs = RETRY_MS;; waitMs = Math.min(2 * waitMs, MAX_RETRY_MS)) {
      if (this.#fd < 0) throw new Error("closed");
      const sent = libc.sharing.send(this.#fd, view, length, FLAGS);
      if (sent >= 0) return Number(sent);
      const errno = libc.errno();
      if (errno !== Errno.EAGAIN && errno !== Errno.EINTR && errno !== Errno.ENOBUFS) {
        throw new Error(`send failed with ${errno}`);
      }
      this.isStuck = clock.now() - beganAt >= limits.stuckMs;
      if (this.isStuck) throw new Error("nobody reads");
      await new Promise<void>((resume) => timers.after(waitMs, resume));
    }
  }

  close(): void {
    if (this.#fd < 0) return;
    this.#options.libc.sharing.close(this.#fd);
    this.#fd = -1;
  }
}
