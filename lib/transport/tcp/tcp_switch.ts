/**
 * The listening end of ICE over TCP where sessions live in other threads: takes the place of an ICE
 * directory behind a `TcpMux`, finds the thread a connection is for, and passes its frames on.
 *
 * The local ufrag of the first STUN request names the thread; that thread alone decides whether the
 * request is proven. Until it says so, the mux's limits for unnamed connections hold and nothing
 * but STUN passes; so a stranger costs a few messages, and no more than its credit in memory.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import { parseStun } from "../../wire/stun.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import type { StunOrigin, StunReceiver } from "../ice/ice_directory.ts";
import type {
  NetworkPath,
  PathOwner,
  PathValidator,
  SessionDatagramKind,
} from "../ice/network_path.ts";
import {
  HANDOVER_BYTES,
  TAKEN_STEP_BYTES,
  type TcpFromSession,
  type TcpToSession,
} from "./tcp_handover.ts";

/** A path of the listening thread that is handed on: a connection, or a relayed address. */
export interface SwitchedPath extends NetworkPath, StunOrigin {
  /** Asked after each read: reading waits for what it returns. */
  pause: (() => Promise<void> | undefined) | undefined;
}

function isSwitched(origin: StunOrigin): origin is SwitchedPath {
  return "pause" in origin;
}

/** What the switch joins. Threads go by index. */
export interface TcpSwitchOptions {
  /** Which thread has the session with this local ufrag, if any has. */
  readonly threadOf: (ufrag: string) => number | undefined;
  /** Keeps the order of messages to one thread. */
  readonly post: (thread: number, message: TcpToSession) => void;
  readonly drops: DropSink<TransportDrop>;
}

/**
 * Passes frames of TCP connections to the threads of their sessions. Until a thread proves a
 * connection only STUN passes, within the connection's credit.
 */
export class TcpSwitch implements StunReceiver {
  readonly #options: TcpSwitchOptions;
  readonly #byPath = new Map<SwitchedPath, SwitchedConnection>();
  readonly #byNumber = new Map<number, SwitchedConnection>();
  #lastNumber = 0;

  constructor(options: TcpSwitchOptions) {
    this.#options = options;
  }

  /** Connections that some thread knows of. */
  get size(): number {
    return this.#byNumber.size;
  }

  receiveStun(bytes: Uint8Array, length: number, origin: StunOrigin, _now: number): void {
    if (!isSwitched(origin)) return;
    const known = this.#byPath.get(origin);
    if (known?.isOpen) return known.pass(bytes, length);
    const thread = this.#threadFor(bytes, length);
    if (thread === undefined) return;
    if (known !== undefined && known.thread !== thread) this.#forget(known);
    const connection = this.#byPath.get(origin) ?? this.#add(origin, thread);
    connection.pass(bytes, length);
  }

  /** Takes a message of `thread`; one about a connection that is gone or not its own is ignored. */
  receive(thread: number, message: TcpFromSession): void {
    const connection = this.#byNumber.get(message.path);
    if (connection?.thread !== thread) return;
    switch (message.type) {
      case "tcp_send":
        return connection.send(message.bytes);
      case "tcp_opened":
        return connection.open();
      case "tcp_taken":
        return connection.taken(message.bytes);
      case "tcp_close":
        return connection.path.close();
    }
  }

  /** `thread` is gone: its connections are closed. */
  threadLost(thread: number): void {
    for (const connection of [...this.#byNumber.values()]) {
      if (connection.thread === thread) connection.path.close();
    }
  }

  #threadFor(bytes: Uint8Array, length: number): number | undefined {
    const { drops, threadOf } = this.#options;
    const message = parseStun(bytes, length);
    const colon = message?.username?.indexOf(":") ?? -1;
    if (message === undefined) drops.count("stun_malformed");
    else if (colon < 0) drops.count("stun_no_username");
    else {
      const thread = threadOf(message.username!.slice(0, colon));
      if (thread === undefined) drops.count("stun_unknown_ufrag");
      return thread;
    }
    return undefined;
  }

  #add(path: SwitchedPath, thread: number): SwitchedConnection {
    const { post } = this.#options;
    const number = ++this.#lastNumber;
    const connection = new SwitchedConnection(
      path,
      number,
      thread,
      (message) => post(thread, message),
      () => this.#forget(connection),
    );
    this.#byPath.set(path, connection);
    this.#byNumber.set(number, connection);
    return connection;
  }

  #forget(connection: SwitchedConnection): void {
    if (!this.#byNumber.delete(connection.number)) return;
    if (this.#byPath.get(connection.path) === connection) this.#byPath.delete(connection.path);
    connection.detach();
  }
}

/** One TCP connection and the thread it is for. */
class SwitchedConnection implements PathOwner, PathValidator {
  isOpen = false;
  /** Bytes passed on that the thread has not taken. */
  #waiting = 0;
  /** Bytes queued in the socket since the thread was last told. */
  #taken = 0;
  #resume: (() => void) | undefined;

  constructor(
    readonly path: SwitchedPath,
    readonly number: number,
    readonly thread: number,
    readonly post: (message: TcpToSession) => void,
    readonly ended: () => void,
  ) {
    // Without an owner the path passes STUN only.
    path.validator = this;
    path.pause = () =>
      this.#waiting < HANDOVER_BYTES ? undefined : new Promise((resume) => this.#resume = resume);
  }

  /** The thread has let the connection in. */
  open(): void {
    if (this.isOpen) return;
    this.isOpen = true;
    this.path.openPath();
    this.path.owner = this;
  }

  pass(bytes: Uint8Array, length: number): void {
    this.#waiting += length;
    const { protocol, remote: { hostname, port } } = this.path;
    const frame = bytes.slice(0, length);
    this.post({ type: "tcp_received", path: this.number, protocol, hostname, port, bytes: frame });
  }

  receive(
    _kind: SessionDatagramKind,
    bytes: Uint8Array,
    length: number,
    _path: NetworkPath,
    _now: number,
  ): void {
    this.pass(bytes, length);
  }

  send(bytes: Uint8Array): void {
    this.path.send(bytes, bytes.length);
    this.#taken += bytes.length;
    if (this.#taken < TAKEN_STEP_BYTES) return;
    this.post({ type: "tcp_taken", path: this.number, bytes: this.#taken });
    this.#taken = 0;
  }

  taken(bytes: number): void {
    this.#waiting -= bytes;
    if (this.#waiting >= HANDOVER_BYTES) return;
    this.#resume?.();
    this.#resume = undefined;
  }

  holds(): boolean {
    return true;
  }

  pathClosed(): void {
    this.ended();
  }

  /** The path is gone, or another thread's. */
  detach(): void {
    this.path.owner = undefined;
    this.path.validator = undefined;
    this.path.pause = undefined;
    this.#resume?.();
    this.post({ type: "tcp_ended", path: this.number });
  }
}
