/**
 * ICE over TCP for sessions in this thread while another one listens: each connection is a network
 * path here whose frames come and go as messages.
 *
 * Contract: as with a connection of this thread, only STUN is heard before a path is validated.
 * What waits for the listening thread is bounded as for a slow reader: beyond a measure RTP is
 * dropped, far beyond it the connection ends.
 *
 * @module
 */
import { BatchTime } from "../../base/batch_time.ts";
import type { DropSink } from "../../base/drop_counters.ts";
import type { Clock, Log } from "../../base/platform.ts";
import { datagramKind } from "../../wire/datagram_kind.ts";
import { endBatchSafely, receivingThrew } from "../datagrams/batch_guard.ts";
import { MAX_SEND_BYTES, type RemoteAddress, SendKind } from "../datagrams/datagrams.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import type { StunOrigin, StunReceiver } from "../ice/ice_directory.ts";
import type { NetworkPath, PathOwner, PathValidator } from "../ice/network_path.ts";
import { kindByBytes } from "./framed_queue.ts";
import type { BorrowedOutlet } from "./borrowed_outlet.ts";
import type { BorrowedSockets } from "./borrowed_socket.ts";
import type { LentSocket } from "./lent_socket.ts";
import {
  HANDOVER_BYTES,
  HANDOVER_LIMIT_BYTES,
  TAKEN_STEP_BYTES,
  type TcpFromSession,
  type TcpToSession,
} from "./tcp_handover.ts";

/** So much may wait where nobody is slow. */
const OUTDATED_BYTES = 4 * 1024;

/** The world as these paths see it. */
export interface DistantTcpOptions {
  /** To the listening thread; keeps the order. */
  readonly post: (message: TcpFromSession) => void;
  readonly clock: Clock;
  readonly drops: DropSink<TransportDrop>;
  readonly log: Log;
}

/** Sockets that this thread can send on by itself. */
export type Borrowing = Pick<BorrowedSockets, "open" | "straysTaken" | "close">;

/** All TCP connections of one thread's sessions. */
export class DistantTcp {
  /** After each run of messages; set by the engine. */
  onBatchEnd: (now: number) => void = () => {};
  /** How this thread sends by itself; without it everything goes by messages. */
  borrowing: Borrowing | undefined;
  readonly #paths = new Map<number, DistantTcpPath>();
  readonly #time: BatchTime;
  #directory: StunReceiver | undefined;
  /** What has something queued. */
  readonly #queued = new Set<BorrowedOutlet>();
  readonly #flushLater = () => this.flush();

  constructor(readonly options: DistantTcpOptions) {
    this.#time = new BatchTime(options.clock);
  }

  /** From now on STUN goes to `directory`. */
  start(directory: StunReceiver): void {
    this.#directory = directory;
  }

  /** Lets leave what is queued on borrowed sockets. */
  flush(): void {
    // To clear a set, the engine makes a new one.
    if (this.#queued.size === 0) return;
    for (const outlet of this.#queued) outlet.flush();
    this.#queued.clear();
  }

  /** For the paths: it has something queued, which leaves at the end of the turn at the latest. */
  flushSoon(outlet: BorrowedOutlet): void {
    if (this.#queued.size === 0) queueMicrotask(this.#flushLater);
    this.#queued.add(outlet);
  }

  /** Number of connections known. */
  get size(): number {
    return this.#paths.size;
  }

  /** Takes a message of the listening thread. Never throws. */
  receive(message: TcpToSession): void {
    if (message.type === "turn_strays_taken") return this.borrowing?.straysTaken(message.bytes);
    const known = this.#paths.get(message.path);
    if (message.type === "tcp_taken") return known?.taken(message.bytes);
    if (message.type === "tcp_written") return known?.begin();
    if (message.type === "tcp_gap") return known?.gap(message.droppedBytes);
    if (message.type === "tcp_lent") return known?.borrow(message.socket, this.borrowing);
    if (message.type === "tcp_ended") {
      this.#paths.delete(message.path);
      known?.release();
      return known?.ended();
    }
    if (this.#directory === undefined) return;
    const { bytes } = message;
    const path = known ?? this.#add(message);
    path.passed(bytes.length);
    this.deliver(path, bytes, bytes.length);
  }

  /** Hands one packet to the session of its path. Never throws. */
  deliver(path: DistantTcpPath, bytes: Uint8Array, length: number): void {
    if (this.#directory === undefined) return;
    const time = this.#time;
    time.begin();
    try {
      path.receive(bytes, length, this.#directory, time);
    } catch (error) {
      // A bug behind the seam must end at most what this frame was for.
      receivingThrew(this.options, "frame", undefined, error);
    }
  }

  /** The run of messages, or of packets, is over. Never throws. */
  endBatch(): void {
    const time = this.#time;
    if (!time.isOpen) return;
    time.end();
    endBatchSafely(this.options, "frame", this.onBatchEnd, time.ms);
  }

  /** Closes all connections. */
  close(): void {
    this.#directory = undefined;
    for (const path of [...this.#paths.values()]) path.close();
    this.borrowing?.close();
  }

  #add(message: TcpToSession & { readonly type: "tcp_received" }): DistantTcpPath {
    const { path: number, protocol, hostname, port } = message;
    const path = new DistantTcpPath(number, { transport: protocol, hostname, port }, this);
    this.#paths.set(number, path);
    return path;
  }
}

class DistantTcpPath implements NetworkPath, StunOrigin {
  owner: PathOwner | undefined;
  validator: PathValidator | undefined;
  /** Bytes sent that the listening thread has not taken. */
  #waiting = 0;
  #droppedBytes = 0;
  /** By the listening thread. */
  #droppedThere = 0;
  /** Bytes received since the listening thread was last told. */
  #taken = 0;
  /** Lent by `reserve`; made at its first use. */
  #reserved: Uint8Array | undefined;
  #borrowed: ReturnType<Borrowing["open"]> | undefined;
  #isOpen = false;
  #isClosed = false;
  readonly options: DistantTcpOptions;

  constructor(
    readonly number: number,
    readonly remote: RemoteAddress,
    readonly all: DistantTcp,
  ) {
    this.options = all.options;
  }

  get protocol(): "udp" | "tcp" {
    return this.remote.transport;
  }

  /** Itself once validated; as {@linkcode StunOrigin}. */
  get path(): NetworkPath | undefined {
    return this.validator === undefined ? undefined : this;
  }

  reply(bytes: Uint8Array, length: number): void {
    this.send(bytes, length);
  }

  openPath(): NetworkPath {
    if (!this.#isOpen) this.options.post({ type: "tcp_opened", path: this.number });
    this.#isOpen = true;
    return this;
  }

  send(bytes: Uint8Array, length: number, kind: SendKind = kindByBytes(bytes, length)): boolean {
    if (this.#isClosed) return false;
    const borrowed = this.#borrowed;
    if (borrowed?.isOpen(this.options.clock.now())) {
      return this.#sendOn(borrowed, bytes, length, kind);
    }
    return this.#sendByMessage(bytes, length, kind);
  }

  #sendOn(borrowed: BorrowedOutlet, bytes: Uint8Array, length: number, kind: SendKind): boolean {
    const isQueued = borrowed.send(bytes, length, kind);
    if (isQueued === undefined) this.#fail();
    else if (isQueued) this.all.flushSoon(borrowed);
    return isQueued === true;
  }

  /** The connection is of no use any more. */
  #fail(): void {
    if (this.#isClosed) return;
    this.options.post({ type: "tcp_close", path: this.number });
    this.ended();
  }

  #sendByMessage(bytes: Uint8Array, length: number, kind: SendKind): boolean {
    const { post, drops } = this.options;
    if (this.#waiting + length > HANDOVER_LIMIT_BYTES) {
      drops.count("tcp_reader_too_slow");
      this.#fail();
      return false;
    }
    if (this.#waiting + length > HANDOVER_BYTES && kind === SendKind.video) {
      drops.count("tcp_rtp_for_slow_reader");
      this.#droppedBytes += length;
      return false;
    }
    this.#waiting += length;
    post({ type: "tcp_send", path: this.number, kind, bytes: bytes.slice(0, length) });
    return true;
  }

  /** Bytes that were handed over, or queued here, and that the socket has not taken. */
  get queuedBytes(): number {
    return this.#waiting + (this.#borrowed?.queuedBytes ?? 0);
  }

  /** Bytes of video that were left out, here and in the listening thread as far as it has told. */
  get droppedBytes(): number {
    return this.#droppedBytes + this.#droppedThere + (this.#borrowed?.droppedBytes ?? 0);
  }

  outdate(ssrc: number): boolean {
    if (this.#borrowed !== undefined) return this.#borrowed.outdate?.(ssrc) ?? false;
    if (this.protocol !== "tcp" || this.#waiting < OUTDATED_BYTES) return false;
    this.options.post({ type: "tcp_outdated", path: this.number, ssrc });
    // What was left out nobody says: what is missing is sent again.
    return false;
  }

  gap(droppedBytes: number): void {
    this.#droppedThere = droppedBytes;
    this.owner?.videoGap?.(this);
  }

  /** What is sent from now on leaves from here, a stream's once {@linkcode begin} says so. */
  borrow(socket: LentSocket, borrowing: Borrowing | undefined): void {
    if (borrowing === undefined) return;
    const borrowed = borrowing.open(socket, {
      receive: (bytes, length) => this.all.deliver(this, bytes, length),
      failed: () => this.#fail(),
      videoGap: () => this.owner?.videoGap?.(this),
    });
    // Who lent it has not heard of the end yet, and nobody else would close it.
    if (this.#isClosed) return borrowed.close();
    this.#borrowed?.close();
    this.#borrowed = borrowed;
    if (borrowed.receives) this.options.post({ type: "turn_receives", path: this.number });
    if (socket.kind === "stream") this.options.post({ type: "tcp_taken_over", path: this.number });
  }

  begin(): void {
    this.#borrowed?.begin?.();
  }

  reserve(): Uint8Array | undefined {
    return this.#isClosed ? undefined : this.#reserved ??= new Uint8Array(MAX_SEND_BYTES);
  }

  /** Which packets give way is told by their bytes. */
  commit(length: number, kind: SendKind): void {
    if (this.#reserved !== undefined) this.send(this.#reserved, length, kind);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const told = () => this.options.post({ type: "tcp_close", path: this.number });
    // The listening thread closes at once what it has nothing to write on.
    if (this.#borrowed === undefined) told();
    else this.#borrowed.finish(told);
  }

  /** So many bytes of what comes in came by a message. */
  passed(bytes: number): void {
    this.#taken += bytes;
    if (this.#taken < TAKEN_STEP_BYTES) return;
    this.options.post({ type: "tcp_taken", path: this.number, bytes: this.#taken });
    this.#taken = 0;
  }

  receive(
    bytes: Uint8Array,
    length: number,
    directory: StunReceiver,
    { ms, us }: BatchTime,
  ): void {
    if (this.#isClosed) return;
    const kind = datagramKind(bytes, length);
    if (kind === "stun") directory.receiveStun(bytes, length, this, ms);
    else if (this.owner === undefined) this.options.drops.count("tcp_not_validated");
    else if (kind === "other") this.options.drops.count("tcp_unknown_protocol");
    else this.owner.receive(kind, bytes, length, this, ms, us);
  }

  taken(bytes: number): void {
    this.#waiting -= bytes;
  }

  /** Nothing more is sent. */
  release(): void {
    this.#borrowed?.close();
    this.#borrowed = undefined;
  }

  ended(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.validator?.pathClosed(this);
  }
}
