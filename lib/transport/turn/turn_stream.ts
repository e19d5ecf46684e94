/**
 * TURN over one TCP or TLS connection.
 *
 * Contract: a connection that has not allocated in time ends; what holds of all connections is in
 * `stream_connection.ts`.
 *
 * @module
 */
import { TurnSplitter } from "../../wire/turn_framing.ts";
import { CHANNEL_HEADER_BYTES, isChannelByte } from "../../wire/turn_message.ts";
import { MAX_DATAGRAM_BYTES, type RemoteAddress, SendKind } from "../datagrams/datagrams.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import { videoStreamAt } from "../tcp/framed_queue.ts";
import { StreamConnection, type StreamSpeaker } from "../tcp/stream_connection.ts";
import { NO_STREAM } from "../tcp/stream_queue.ts";
import type { ByteStream } from "../tcp/stream_writer.ts";
import type { TcpPathHost } from "../tcp/tcp_connection.ts";
import type { TurnAllocation, TurnClient } from "./turn_allocation.ts";
import type { TurnServer } from "./turn_server.ts";

/** One connection. */
export class TurnStream implements TurnClient, StreamSpeaker {
  readonly protocol = "tcp";
  readonly unit = "message";
  allocation: TurnAllocation | undefined;
  hasSpoken = false;
  readonly #host: TcpPathHost;
  readonly #server: TurnServer;
  readonly #splitter = new TurnSplitter(MAX_DATAGRAM_BYTES);
  readonly #onMessage = (bytes: Uint8Array, length: number) => this.#receive(bytes, length);
  readonly #connection: StreamConnection;

  constructor(
    stream: ByteStream,
    readonly remote: RemoteAddress,
    host: TcpPathHost,
    server: TurnServer,
  ) {
    this.#host = host;
    this.#server = server;
    this.#connection = new StreamConnection(stream, host, this);
    this.#waitForName();
  }

  get done(): Promise<void> {
    return this.#connection.done;
  }

  get queuedBytes(): number {
    return this.#connection.writer.queuedBytes;
  }

  get droppedBytes(): number {
    return this.#connection.writer.droppedBytes;
  }

  get drained(): Promise<void> | undefined {
    return this.#connection.writer.drained;
  }

  outdate(ssrc: number): boolean {
    return this.#connection.writer.outdate(ssrc);
  }

  videoGap(): void {
    this.allocation?.videoGap();
  }

  send(bytes: Uint8Array, length: number): boolean {
    return this.#queue(bytes, length, SendKind.other);
  }

  reserve(): Uint8Array | undefined {
    return this.#connection.reserve();
  }

  commit(length: number, kind: SendKind): void {
    const { reserved } = this.#connection;
    if (reserved !== undefined) this.#queue(reserved, length, kind);
  }

  kept(isKept: boolean): void {
    if (isKept) this.#connection.named();
    else if (!this.#connection.isEnded) this.#waitForName();
  }

  giveWay(reason: TransportDrop): void {
    this.#connection.end(reason);
  }

  close(): void {
    this.#connection.close();
  }

  take(chunk: Uint8Array, length: number): boolean {
    return this.#splitter.push(chunk, length, this.#onMessage);
  }

  over(): void {
    this.#server.clientGone(this);
  }

  /** Without an allocation there is only so much time to get one. */
  #waitForName(): void {
    this.#connection.endIn(this.#host.limits.namingTimeoutMs, "tcp_unnamed_timeout");
  }

  /** What stands in a channel is padded to whole words, all else is of whole words. */
  #queue(bytes: Uint8Array, length: number, kind: SendKind): boolean {
    const connection = this.#connection;
    if (!connection.isOpen) return false;
    const { writer } = connection;
    const padded = (length + 3) & ~3;
    const isKnown = kind === SendKind.video && isChannelByte(bytes[0]!);
    const video = isKnown ? videoStreamAt(bytes, CHANNEL_HEADER_BYTES) : NO_STREAM;
    const at = writer.claim(padded, this.#host.limits, kind, video);
    if (typeof at === "string") return connection.refused(at);
    writer.bytes.set(bytes.subarray(0, length), at);
    writer.bytes.fill(0, at + length, at + padded);
    writer.start();
    return true;
  }

  #receive(bytes: Uint8Array, length: number): void {
    const connection = this.#connection;
    if (!connection.isOpen) return;
    this.hasSpoken = true;
    const { ms, us } = connection.time;
    try {
      this.#server.receive(bytes, length, this, ms, us);
    } catch (error) {
      connection.threw("turn", error);
    }
  }
}
