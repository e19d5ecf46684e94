/**
 * One accepted TCP connection as a network path (ICE-TCP passive, RFC 6544 §4.4, framed by RFC 4571
 * §2).
 *
 * Contract: until a proven STUN request names its session, anything but STUN ends it; what holds of
 * all connections is in `stream_connection.ts`.
 *
 * @module
 */
import { datagramKind } from "../../wire/datagram_kind.ts";
import { FrameSplitter } from "../../wire/stream_framing.ts";
import { MAX_DATAGRAM_BYTES, type RemoteAddress, type SendKind } from "../datagrams/datagrams.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import type { StunOrigin } from "../ice/ice_directory.ts";
import type { NetworkPath, PathOwner, PathValidator } from "../ice/network_path.ts";
import { kindByBytes, queueFrame } from "./framed_queue.ts";
import type { LendableOutlet } from "./lent_socket.ts";
import { StreamConnection, type StreamSpeaker } from "./stream_connection.ts";
import type { ByteStream } from "./stream_writer.ts";
import type { TcpPathHost } from "./tcp_connection.ts";

/** One TCP connection. It becomes a session's path only by a proven STUN request. */
export class TcpPath implements NetworkPath, StunOrigin, StreamSpeaker {
  readonly protocol = "tcp";
  readonly unit = "frame";
  readonly remote: RemoteAddress;
  owner: PathOwner | undefined;
  validator: PathValidator | undefined;
  /** Asked after each read by whoever hands frames on: reading waits for what it returns. */
  pause: (() => Promise<void> | undefined) | undefined;
  /** Whether a whole frame has come. */
  hasSpoken = false;
  readonly #stream: ByteStream;
  readonly #host: TcpPathHost;
  readonly #splitter = new FrameSplitter(MAX_DATAGRAM_BYTES);
  readonly #onFrame = (bytes: Uint8Array, length: number) => this.#receive(bytes, length);
  readonly #connection: StreamConnection;

  constructor(stream: ByteStream, remote: RemoteAddress, host: TcpPathHost) {
    this.#stream = stream;
    this.#host = host;
    this.remote = remote;
    this.#connection = new StreamConnection(stream, host, this);
    this.#waitForName();
  }

  get done(): Promise<void> {
    return this.#connection.done;
  }

  /** Itself once validated; as {@linkcode StunOrigin}. */
  get path(): NetworkPath | undefined {
    return this.validator === undefined ? undefined : this;
  }

  /** Bytes queued for a reader that has not taken them. */
  get queuedBytes(): number {
    return this.#connection.writer.queuedBytes;
  }

  get droppedBytes(): number {
    return this.#connection.writer.droppedBytes;
  }

  /** Settles when all that was sent is written; `undefined` if it is. */
  get drained(): Promise<void> | undefined {
    return this.#connection.writer.drained;
  }

  lendable(): LendableOutlet | undefined {
    const { localAddr: local } = this.#stream;
    if (!this.#host.isPlain || local === undefined || !this.#connection.isOpen) return undefined;
    this.#connection.isLent = true;
    return { kind: "stream", local, remote: this.remote };
  }

  reply(bytes: Uint8Array, length: number): void {
    this.send(bytes, length);
  }

  openPath(): NetworkPath {
    this.#connection.named();
    return this;
  }

  send(bytes: Uint8Array, length: number, kind: SendKind = kindByBytes(bytes, length)): boolean {
    const connection = this.#connection;
    if (!connection.isOpen) return false;
    const refusal = queueFrame(connection.writer, bytes, length, this.#host.limits, kind);
    if (refusal !== undefined) return connection.refused(refusal);
    connection.writer.start();
    return true;
  }

  reserve(): Uint8Array | undefined {
    return this.#connection.reserve();
  }

  commit(length: number, kind: SendKind): void {
    const { reserved } = this.#connection;
    if (reserved !== undefined) this.send(reserved, length, kind);
  }

  outdate(ssrc: number): boolean {
    return this.#connection.writer.outdate(ssrc);
  }

  videoGap(): void {
    this.owner?.videoGap?.(this);
  }

  /** Ends a connection without a session for the sake of a newcomer. */
  giveWay(reason: TransportDrop): void {
    this.#connection.end(reason);
  }

  close(): void {
    this.#connection.close();
  }

  take(chunk: Uint8Array, length: number): boolean {
    return this.#splitter.push(chunk, length, this.#onFrame);
  }

  over(): void {
    this.validator?.pathClosed(this);
  }

  #waitForName(): void {
    const connection = this.#connection;
    const { firstFrameMs, namingTimeoutMs } = this.#host.limits;
    connection.after(Math.min(firstFrameMs, namingTimeoutMs), () => {
      if (!this.hasSpoken) return void connection.end("tcp_first_frame_timeout");
      connection.endIn(Math.max(0, namingTimeoutMs - firstFrameMs), "tcp_unnamed_timeout");
    });
  }

  #receive(bytes: Uint8Array, length: number): void {
    const connection = this.#connection;
    if (!connection.isOpen) return;
    this.hasSpoken = true;
    const { directory, drops } = this.#host;
    const { ms, us } = connection.time;
    const kind = datagramKind(bytes, length);
    try {
      if (kind === "stun") directory.receiveStun(bytes, length, this, ms);
      else if (this.owner === undefined) connection.end("tcp_not_validated");
      else if (kind === "other") drops.count("tcp_unknown_protocol");
      else this.owner.receive(kind, bytes, length, this, ms, us);
    } catch (error) {
      connection.threw(kind, error);
    }
  }
}
