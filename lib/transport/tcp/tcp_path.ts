/**
 * One accepted TCP connection as a network path (ICE-TCP passive, RFC 6544 §4.4, framed by RFC 4571
 * §2).
 *
 * Contract: memory per connection is bounded whatever the peer sends or fails to read; until a
 * proven STUN request names its session, anything but STUN ends it. Reads and writes use buffers of
 * its own, so callers may reuse theirs at once.
 *
 * @module
 */
import { BatchTime } from "../../base/batch_time.ts";
import type { DropSink } from "../../base/drop_counters.ts";
import type { Cancel, Clock, Log, Timers } from "../../base/platform.ts";
import { datagramKind } from "../../wire/datagram_kind.ts";
import { FRAME_HEADER_BYTES, FrameSplitter, writeFrameHeader } from "../../wire/stream_framing.ts";
import { MAX_DATAGRAM_BYTES, MAX_SEND_BYTES, type RemoteAddress } from "../datagrams/datagrams.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import type { StunOrigin, StunReceiver } from "../ice/ice_directory.ts";
import type { NetworkPath, PathOwner, PathValidator } from "../ice/network_path.ts";
import { type ByteStream, StreamWriter } from "./stream_writer.ts";
import type { Stranger } from "./tcp_strangers.ts";

/** Bounds of TCP connections; each is a policy, not a protocol constant. */
export interface TcpLimits {
  /** Wait for the first frame, ms: clients send it as soon as they are connected. */
  readonly firstFrameMs: number;
  /** Wait for the request that names the session, ms. */
  readonly namingTimeoutMs: number;
  /** Connections that have not named a session, in total. */
  readonly unnamed: number;
  /** The same from one IPv4 address or IPv6 /64; offices share one. */
  readonly unnamedPerAddress: number;
  /** Queued bytes above which RTP is dropped: old media is worth less than none. */
  readonly softQueueBytes: number;
  /** Queued bytes above which the connection is closed. */
  readonly hardQueueBytes: number;
  /** A write without progress for this long closes the connection, ms. */
  readonly stuckMs: number;
  /** After `close`, time for what is queued (a DTLS close_notify) to leave, ms. */
  readonly lingerMs: number;
}

/**
 * Half a second of 4 Mbit/s video may wait; ICE gives up after 15 s, so 10 s without progress do.
 */
export const DEFAULT_TCP_LIMITS: TcpLimits = {
  firstFrameMs: 3_000,
  namingTimeoutMs: 10_000,
  unnamed: 512,
  unnamedPerAddress: 32,
  softQueueBytes: 256 * 1024,
  hardQueueBytes: 1024 * 1024,
  stuckMs: 10_000,
  lingerMs: 1_000,
};

/** One accepted connection, whatever is spoken on it. */
export interface TcpConnection extends Stranger {
  /** Settles when reading and writing have stopped; never rejects. */
  readonly done: Promise<void>;
  /** Ends it once its queue is written. Idempotent. */
  close(): void;
  /** Ends it, nameless, for the sake of a newcomer. */
  giveWay(reason: TransportDrop): void;
}

/** What a connection uses of its mux. */
export interface TcpPathHost {
  readonly directory: StunReceiver;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly drops: DropSink<TransportDrop>;
  readonly log: Log;
  readonly limits: TcpLimits;
  /** After the frames of one read were delivered. */
  onBatchEnd(now: number): void;
  /** Once, when the connection has named its session, or ended without. */
  unnamedDone(connection: TcpConnection): void;
  /** Once, when the connection is gone. */
  ended(connection: TcpConnection): void;
}

/** Bytes read at once. */
const READ_BYTES = 16 * 1024;
/**
 * One TCP connection. What it buffers is bounded both ways; it becomes a session's path only by a
 * proven STUN request.
 */
export class TcpPath implements NetworkPath, StunOrigin, TcpConnection {
  readonly protocol = "tcp";
  readonly remote: RemoteAddress;
  owner: PathOwner | undefined;
  validator: PathValidator | undefined;
  /** Asked after each read by whoever hands frames on: reading waits for what it returns. */
  pause: (() => Promise<void> | undefined) | undefined;
  /** Whether a whole frame has come. */
  hasSpoken = false;
  /** Settles when reading and writing have stopped; never rejects. */
  readonly done: Promise<void>;
  readonly #stream: ByteStream;
  readonly #host: TcpPathHost;
  readonly #time: BatchTime;
  readonly #splitter = new FrameSplitter(MAX_DATAGRAM_BYTES);
  readonly #onFrame = (bytes: Uint8Array, length: number) => this.#receive(bytes, length);
  /** Lent by `reserve`; made at its first use. */
  #reserved: Uint8Array | undefined;
  readonly #writer: StreamWriter;
  #isUnnamed = true;
  #isClosing = false;
  #isEnded = false;
  #cancelTimer: Cancel;

  constructor(stream: ByteStream, remote: RemoteAddress, host: TcpPathHost) {
    this.#stream = stream;
    this.#host = host;
    this.#time = new BatchTime(host.clock);
    this.remote = remote;
    this.#writer = new StreamWriter(stream, host.clock, (failed) => {
      if (failed) this.#end("tcp_write_failed");
      if (this.#isClosing) this.#end();
    });
    const { firstFrameMs, namingTimeoutMs } = host.limits;
    this.#cancelTimer = host.timers.after(Math.min(firstFrameMs, namingTimeoutMs), () => {
      if (!this.hasSpoken) return void this.#end("tcp_first_frame_timeout");
      this.#cancelTimer = host.timers.after(Math.max(0, namingTimeoutMs - firstFrameMs), () => {
        this.#end("tcp_unnamed_timeout");
      });
    });
    this.done = this.#read();
  }

  /** Itself once validated; as {@linkcode StunOrigin}. */
  get path(): NetworkPath | undefined {
    return this.validator === undefined ? undefined : this;
  }

  /** Bytes queued for a reader that has not taken them. */
  get queuedBytes(): number {
    return this.#writer.queuedBytes;
  }

  reply(bytes: Uint8Array, length: number): void {
    this.send(bytes, length);
  }

  openPath(): NetworkPath {
    if (this.#isUnnamed) {
      this.#isUnnamed = false;
      this.#cancelTimer();
      this.#host.unnamedDone(this);
    }
    return this;
  }

  send(bytes: Uint8Array, length: number): boolean {
    if (this.#isClosing || this.#isEnded) return false;
    const { limits, drops } = this.#host;
    const queued = this.queuedBytes + FRAME_HEADER_BYTES + length;
    if (queued > limits.hardQueueBytes) return this.#end("tcp_reader_too_slow");
    if (this.#writer.isStuck(limits.stuckMs)) return this.#end("tcp_reader_stuck");
    if (queued > limits.softQueueBytes && datagramKind(bytes, length) === "rtp") {
      drops.count("tcp_rtp_for_slow_reader");
      return false;
    }
    const at = this.#writer.claim(FRAME_HEADER_BYTES + length);
    writeFrameHeader(this.#writer.bytes, at, length);
    this.#writer.bytes.set(bytes.subarray(0, length), at + FRAME_HEADER_BYTES);
    this.#writer.start();
    return true;
  }

  reserve(): Uint8Array | undefined {
    if (this.#isClosing || this.#isEnded) return undefined;
    return this.#reserved ??= new Uint8Array(MAX_SEND_BYTES);
  }

  /** Which packets give way to a slow reader is told by their bytes. */
  commit(length: number): void {
    if (this.#reserved !== undefined) this.send(this.#reserved, length);
  }

  /** Ends a connection without a session for the sake of a newcomer. */
  giveWay(reason: TransportDrop): void {
    this.#end(reason);
  }

  close(): void {
    if (this.#isClosing || this.#isEnded) return;
    if (this.queuedBytes === 0) return void this.#end();
    this.#isClosing = true;
    this.#cancelTimer();
    this.#cancelTimer = this.#host.timers.after(this.#host.limits.lingerMs, () => this.#end());
  }

  async #read(): Promise<void> {
    const chunk = new Uint8Array(READ_BYTES);
    while (!this.#isEnded) {
      let length: number | null;
      try {
        length = await this.#stream.read(chunk);
      } catch {
        // A reset is one way for a connection to end.
        length = null;
      }
      this.#time.begin();
      if (length === null) this.#end();
      else if (!this.#isEnded && !this.#splitter.push(chunk, length, this.#onFrame)) {
        this.#end("tcp_frame_too_long");
      }
      this.#endBatch();
      await this.pause?.();
    }
    await this.#writer.drained;
  }

  #receive(bytes: Uint8Array, length: number): void {
    if (this.#isClosing || this.#isEnded) return;
    this.hasSpoken = true;
    const { directory, drops, log } = this.#host;
    const { ms, us } = this.#time;
    const kind = datagramKind(bytes, length);
    // A bug behind the seam must end at most this connection.
    try {
      if (kind === "stun") directory.receiveStun(bytes, length, this, ms);
      else if (this.owner === undefined) this.#end("tcp_not_validated");
      else if (kind === "other") drops.count("tcp_unknown_protocol");
      else this.owner.receive(kind, bytes, length, this, ms, us);
    } catch (error) {
      drops.count("receive_threw");
      log.error("Receiving a frame failed inside", { kind, error });
    }
  }

  #endBatch(): void {
    const { drops, log } = this.#host;
    this.#time.end();
    try {
      this.#host.onBatchEnd(this.#time.ms);
    } catch (error) {
      drops.count("receive_threw");
      log.error("Ending a batch of frames failed inside", { error });
    }
  }

  /**
   * Ends the connection now; `false`, so that `send` can return it. Counts `reason` the first time.
   */
  #end(reason?: TransportDrop): false {
    if (this.#isEnded) return false;
    this.#isEnded = true;
    if (reason !== undefined) this.#host.drops.count(reason);
    this.#cancelTimer();
    this.#stream.close();
    this.#writer.end();
    this.validator?.pathClosed(this);
    if (this.#isUnnamed) {
      this.#isUnnamed = false;
      this.#host.unnamedDone(this);
    }
    this.#host.ended(this);
    return false;
  }
}
