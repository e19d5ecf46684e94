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
import { MAX_SEND_BYTES, type RemoteAddress } from "../datagrams/datagrams.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import type { StunOrigin, StunReceiver } from "../ice/ice_directory.ts";
import type { NetworkPath, PathOwner, PathValidator } from "../ice/network_path.ts";
import {
  HANDOVER_BYTES,
  HANDOVER_LIMIT_BYTES,
  TAKEN_STEP_BYTES,
  type TcpFromSession,
  type TcpToSession,
} from "./tcp_handover.ts";

/** The world as these paths see it. */
export interface DistantTcpOptions {
  /** To the listening thread; keeps the order. */
  readonly post: (message: TcpFromSession) => void;
  readonly clock: Clock;
  readonly drops: DropSink<TransportDrop>;
  readonly log: Log;
}

/** All TCP connections of one thread's sessions. */
export class DistantTcp {
  /** After each run of messages; set by the engine. */
  onBatchEnd: (now: number) => void = () => {};
  readonly #paths = new Map<number, DistantTcpPath>();
  readonly #time: BatchTime;
  #directory: StunReceiver | undefined;

  constructor(readonly options: DistantTcpOptions) {
    this.#time = new BatchTime(options.clock);
  }

  /** From now on STUN goes to `directory`. */
  start(directory: StunReceiver): void {
    this.#directory = directory;
  }

  /** Number of connections known. */
  get size(): number {
    return this.#paths.size;
  }

  /** Takes a message of the listening thread. Never throws. */
  receive(message: TcpToSession): void {
    const known = this.#paths.get(message.path);
    if (message.type === "tcp_taken") return known?.taken(message.bytes);
    if (message.type === "tcp_ended") {
      this.#paths.delete(message.path);
      return known?.ended();
    }
    if (this.#directory === undefined) return;
    const path = known ?? this.#add(message);
    const time = this.#time;
    time.begin();
    const { drops, log } = this.options;
    try {
      path.receive(message.bytes, this.#directory, time);
    } catch (error) {
      // A bug behind the seam must end at most what this frame was for.
      drops.count("receive_threw");
      log.error("Receiving a frame failed inside", { error });
    }
  }

  /** The run of messages is over. Never throws. */
  endBatch(): void {
    const time = this.#time;
    if (!time.isOpen) return;
    time.end();
    const { drops, log } = this.options;
    try {
      this.onBatchEnd(time.ms);
    } catch (error) {
      drops.count("receive_threw");
      log.error("Ending a batch of frames failed inside", { error });
    }
  }

  /** Closes all connections. */
  close(): void {
    this.#directory = undefined;
    for (const path of [...this.#paths.values()]) path.close();
  }

  #add(message: TcpToSession & { readonly type: "tcp_received" }): DistantTcpPath {
    const { path: number, protocol, hostname, port } = message;
    const path = new DistantTcpPath(number, { transport: protocol, hostname, port }, this.options);
    this.#paths.set(number, path);
    return path;
  }
}

class DistantTcpPath implements NetworkPath, StunOrigin {
  owner: PathOwner | undefined;
  validator: PathValidator | undefined;
  /** Bytes sent that the listening thread has not taken. */
  #waiting = 0;
  /** Bytes received since the listening thread was last told. */
  #taken = 0;
  /** Lent by `reserve`; made at its first use. */
  #reserved: Uint8Array | undefined;
  #isOpen = false;
  #isClosed = false;

  constructor(
    readonly number: number,
    readonly remote: RemoteAddress,
    readonly options: DistantTcpOptions,
  ) {}

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

  send(bytes: Uint8Array, length: number): boolean {
    if (this.#isClosed) return false;
    const { post, drops } = this.options;
    if (this.#waiting + length > HANDOVER_LIMIT_BYTES) {
      drops.count("tcp_reader_too_slow");
      post({ type: "tcp_close", path: this.number });
      this.ended();
      return false;
    }
    if (this.#waiting + length > HANDOVER_BYTES && datagramKind(bytes, length) === "rtp") {
      drops.count("tcp_rtp_for_slow_reader");
      return false;
    }
    this.#waiting += length;
    post({ type: "tcp_send", path: this.number, bytes: bytes.slice(0, length) });
    return true;
  }

  /** Bytes handed over that the socket has not taken. */
  get queuedBytes(): number {
    return this.#waiting;
  }

  reserve(): Uint8Array | undefined {
    return this.#isClosed ? undefined : this.#reserved ??= new Uint8Array(MAX_SEND_BYTES);
  }

  /** Which packets give way is told by their bytes. */
  commit(length: number): void {
    if (this.#reserved !== undefined) this.send(this.#reserved, length);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.options.post({ type: "tcp_close", path: this.number });
  }

  receive(bytes: Uint8Array, directory: StunReceiver, { ms, us }: BatchTime): void {
    this.#taken += bytes.length;
    if (this.#taken >= TAKEN_STEP_BYTES) {
      this.options.post({ type: "tcp_taken", path: this.number, bytes: this.#taken });
      this.#taken = 0;
    }
    if (this.#isClosed) return;
    const kind = datagramKind(bytes, bytes.length);
    if (kind === "stun") directory.receiveStun(bytes, bytes.length, this, ms);
    else if (this.owner === undefined) this.options.drops.count("tcp_not_validated");
    else if (kind === "other") this.options.drops.count("tcp_unknown_protocol");
    else this.owner.receive(kind, bytes, bytes.length, this, ms, us);
  }

  taken(bytes: number): void {
    this.#waiting -= bytes;
  }

  ended(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.validator?.pathClosed(this);
  }
}
