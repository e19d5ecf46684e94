/**
 * TURN over one TCP or TLS connection.
 *
 * Contract: memory is bounded whatever the peer sends or fails to read; a connection that has not
 * allocated in time ends.
 *
 * @module
 */
import { BatchTime } from "../../base/batch_time.ts";
import type { Cancel } from "../../base/platform.ts";
import { TurnSplitter } from "../../wire/turn_framing.ts";
import {
  MAX_DATAGRAM_BYTES,
  MAX_SEND_BYTES,
  type RemoteAddress,
  SendKind,
} from "../datagrams/datagrams.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import { type ByteStream, StreamWriter } from "../tcp/stream_writer.ts";
import type { TcpConnection, TcpPathHost } from "../tcp/tcp_path.ts";
import type { TurnAllocation, TurnClient } from "./turn_allocation.ts";
import type { TurnServer } from "./turn_server.ts";

/** Bytes read at once. */
const READ_BYTES = 16 * 1024;

/** One connection. */
export class TurnStream implements TurnClient, TcpConnection {
  readonly protocol = "tcp";
  allocation: TurnAllocation | undefined;
  hasSpoken = false;
  readonly done: Promise<void>;
  readonly #stream: ByteStream;
  readonly #host: TcpPathHost;
  readonly #server: TurnServer;
  readonly #time: BatchTime;
  readonly #writer: StreamWriter;
  readonly #splitter = new TurnSplitter(MAX_DATAGRAM_BYTES);
  readonly #onMessage = (bytes: Uint8Array, length: number) => this.#receive(bytes, length);
  #reserved: Uint8Array | undefined;
  #isUnnamed = true;
  #isClosing = false;
  #isEnded = false;
  #cancelTimer: Cancel = () => {};

  constructor(
    stream: ByteStream,
    readonly remote: RemoteAddress,
    host: TcpPathHost,
    server: TurnServer,
  ) {
    this.#stream = stream;
    this.#host = host;
    this.#server = server;
    this.#time = new BatchTime(host.clock);
    this.#writer = new StreamWriter(stream, host.clock, (failed) => {
      if (failed) this.#end("tcp_write_failed");
      if (this.#isClosing) this.#end();
    });
    this.#waitForName();
    this.done = this.#read();
  }

  send(bytes: Uint8Array, length: number): boolean {
    return this.#queue(bytes, length, SendKind.other);
  }

  reserve(): Uint8Array | undefined {
    if (this.#isClosing || this.#isEnded) return undefined;
    return this.#reserved ??= new Uint8Array(MAX_SEND_BYTES);
  }

  commit(length: number, kind: SendKind): void {
    if (this.#reserved !== undefined) this.#queue(this.#reserved, length, kind);
  }

  kept(isKept: boolean): void {
    if (!isKept) return this.#isEnded ? undefined : this.#waitForName();
    if (!this.#isUnnamed) return this.#cancelTimer();
    this.#isUnnamed = false;
    this.#cancelTimer();
    this.#host.unnamedDone(this);
  }

  giveWay(reason: TransportDrop): void {
    this.#end(reason);
  }

  close(): void {
    if (this.#isClosing || this.#isEnded) return;
    if (this.#writer.queuedBytes === 0) return void this.#end();
    this.#isClosing = true;
    this.#cancelTimer();
    this.#cancelTimer = this.#host.timers.after(this.#host.limits.lingerMs, () => this.#end());
  }

  /** Without an allocation there is only so much time to get one. */
  #waitForName(): void {
    const { timers, limits } = this.#host;
    this.#cancelTimer();
    this.#cancelTimer = timers.after(limits.namingTimeoutMs, () => {
      this.#end("tcp_unnamed_timeout");
    });
  }

  /** What stands in a channel is padded to whole words, all else is of whole words. */
  #queue(bytes: Uint8Array, length: number, kind: SendKind): boolean {
    if (this.#isClosing || this.#isEnded) return false;
    const { limits, drops } = this.#host;
    const padded = (length + 3) & ~3;
    const queued = this.#writer.queuedBytes + padded;
    if (queued > limits.hardQueueBytes) return this.#end("tcp_reader_too_slow");
    if (this.#writer.isStuck(limits.stuckMs)) return this.#end("tcp_reader_stuck");
    if (queued > limits.softQueueBytes && kind === SendKind.video) {
      drops.count("tcp_rtp_for_slow_reader");
      return false;
    }
    const at = this.#writer.claim(padded);
    this.#writer.bytes.set(bytes.subarray(0, length), at);
    this.#writer.bytes.fill(0, at + length, at + padded);
    this.#writer.start();
    return true;
  }

  async #read(): Promise<void> {
    const chunk = new Uint8Array(READ_BYTES);
    while (!this.#isEnded) {
      let length: number | null;
      try {
        length = await this.#stream.read(chunk);
      } catch {
        // A reset is one way for a connection to end, and so is a handshake that fails.
        length = null;
      }
      this.#time.begin();
      if (length === null) this.#end();
      else if (!this.#isEnded && !this.#splitter.push(chunk, length, this.#onMessage)) {
        this.#end("tcp_frame_too_long");
      }
      this.#endBatch();
    }
    await this.#writer.drained;
  }

  #receive(bytes: Uint8Array, length: number): void {
    if (this.#isClosing || this.#isEnded) return;
    this.hasSpoken = true;
    const { drops, log } = this.#host;
    const { ms, us } = this.#time;
    // A bug behind the seam must end at most this connection.
    try {
      this.#server.receive(bytes, length, this, ms, us);
    } catch (error) {
      drops.count("receive_threw");
      log.error("Receiving a message failed inside", { kind: "turn", error });
    }
  }

  #endBatch(): void {
    const { drops, log } = this.#host;
    this.#time.end();
    try {
      this.#host.onBatchEnd(this.#time.ms);
    } catch (error) {
      drops.count("receive_threw");
      log.error("Ending a batch of messages failed inside", { error });
    }
  }

  /** Ends the connection now; `false`. Counts `reason` the first time. */
  #end(reason?: TransportDrop): false {
    if (this.#isEnded) return false;
    this.#isEnded = true;
    if (reason !== undefined) this.#host.drops.count(reason);
    this.#cancelTimer();
    this.#stream.close();
    this.#writer.end();
    this.#server.clientGone(this);
    if (this.#isUnnamed) {
      this.#isUnnamed = false;
      this.#host.unnamedDone(this);
    }
    this.#host.ended(this);
    return false;
  }
}
