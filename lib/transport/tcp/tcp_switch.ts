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
import type { Clock } from "../../base/platform.ts";
import { parseStun } from "../../wire/stun.ts";
import type { SendKind } from "../datagrams/datagrams.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import type { StunOrigin, StunReceiver } from "../ice/ice_directory.ts";
import type {
  NetworkPath,
  PathOwner,
  PathValidator,
  SessionDatagramKind,
} from "../ice/network_path.ts";
import type { LendableOutlet, LentChannel, LentSocket, SocketLender } from "./lent_socket.ts";
import {
  HANDOVER_BYTES,
  TAKEN_STEP_BYTES,
  type TcpFromSession,
  type TcpToSession,
  type TurnStray,
} from "./tcp_handover.ts";

/** A connection whose thread has sent so many messages is lent: it will send more. */
const LEND_AFTER = 16;

/** A path of the listening thread that is handed on: a connection, or a relayed address. */
export interface SwitchedPath extends NetworkPath, StunOrigin {
  /** Asked after each read: reading waits for what it returns. */
  pause: (() => Promise<void> | undefined) | undefined;
  /** Settles when all that was sent is written; `undefined` if it is. */
  readonly drained?: Promise<void> | undefined;
  /** Where other threads could send by themselves; `undefined` if they cannot now. */
  lendable?(now: number): LendableOutlet | undefined;
  /** It is over without a word to its validator, as that closed it. */
  readonly isClosed?: boolean;
}

function isSwitched(origin: StunOrigin): origin is SwitchedPath {
  return "pause" in origin;
}

/** The lending end as the switch uses it. */
export type Lending = Pick<
  SocketLender,
  "lend" | "receivedBy" | "notReceivedBy" | "takeBack" | "threadLost"
>;

/** What the switch joins. Threads go by index. */
export interface TcpSwitchOptions {
  /** Which thread has the session with this local ufrag, if any has. */
  readonly threadOf: (ufrag: string) => number | undefined;
  /** Keeps the order of messages to one thread. */
  readonly post: (thread: number, message: TcpToSession) => void;
  readonly drops: DropSink<TransportDrop>;
  readonly clock: Clock;
  /** Without it everything that is sent comes by messages. */
  readonly lender?: () => Lending | undefined;
  /** Takes what a thread received for the TURN server; nothing comes if absent. */
  readonly onStray?: (stray: TurnStray) => void;
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
    if (message.type === "turn_stray") return this.#receiveStray(thread, message);
    const connection = this.#byNumber.get(message.path);
    if (connection?.thread !== thread) return;
    switch (message.type) {
      case "tcp_send":
        return connection.send(message.bytes, message.kind);
      case "tcp_outdated":
        return void connection.path.outdate?.(message.ssrc);
      case "tcp_opened":
        return connection.open();
      case "tcp_taken_over":
        return connection.takenOver();
      case "tcp_taken":
        return connection.taken(message.bytes);
      case "turn_receives":
        return connection.receivesThere();
      case "tcp_close":
        return this.#close(connection);
    }
  }

  #receiveStray(thread: number, stray: TurnStray): void {
    this.#options.onStray?.(stray);
    this.#options.post(thread, { type: "turn_strays_taken", bytes: stray.bytes.length });
  }

  /** `thread` is gone: its connections are closed. */
  threadLost(thread: number): void {
    const lender = this.#options.lender?.();
    for (const connection of [...this.#byNumber.values()]) {
      if (connection.thread !== thread) continue;
      if (connection.lent !== undefined) lender?.takeBack(connection.lent);
      this.#close(connection);
    }
    lender?.threadLost(thread);
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
    const connection: SwitchedConnection = new SwitchedConnection(
      path,
      number,
      thread,
      {
        post: (message) => post(thread, message),
        ended: () => this.#forget(connection),
        lender: () => this.#options.lender?.(),
        now: () => this.#options.clock.now(),
      },
    );
    this.#byPath.set(path, connection);
    this.#byNumber.set(number, connection);
    return connection;
  }

  #close(connection: SwitchedConnection): void {
    connection.path.close();
    if (connection.path.isClosed) this.#forget(connection);
  }

  #forget(connection: SwitchedConnection): void {
    if (!this.#byNumber.delete(connection.number)) return;
    if (this.#byPath.get(connection.path) === connection) this.#byPath.delete(connection.path);
    connection.detach();
  }
}

/** What a connection uses of its switch. */
interface SwitchedHost {
  post(message: TcpToSession): void;
  /** The path is gone. */
  ended(): void;
  lender(): Lending | undefined;
  now(): number;
}

/** One TCP connection, or relayed address, and the thread it is for. */
class SwitchedConnection implements PathOwner, PathValidator {
  isOpen = false;
  /** What its thread sends on by itself. */
  lent: LentSocket | undefined;
  /** Messages sent, and how many there have to be before the next try to lend. */
  #sends = 0;
  #lendAt: number;
  /** Until when what was lent holds, monotonic ms. */
  #lentUntil = -Infinity;
  /** What its thread receives by itself. */
  #received: LentChannel | undefined;
  /** Bytes passed on that the thread has not taken. */
  #waiting = 0;
  /** Bytes sent of which the thread was not told that they are written. */
  #untold = 0;
  #willTell = false;
  #resume: (() => void) | undefined;

  constructor(
    readonly path: SwitchedPath,
    readonly number: number,
    readonly thread: number,
    readonly host: SwitchedHost,
  ) {
    // A channel is there only if something is to be sent on it.
    this.#lendAt = path.protocol === "udp" ? 0 : LEND_AFTER;
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
    // The thread could receive this by itself.
    if (this.path.protocol === "udp") this.#lendIt();
    const { protocol, remote: { hostname, port } } = this.path;
    const frame = bytes.slice(0, length);
    this.host.post({
      type: "tcp_received",
      path: this.number,
      protocol,
      hostname,
      port,
      bytes: frame,
    });
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

  send(bytes: Uint8Array, kind: SendKind): void {
    const { path } = this;
    path.send(bytes, bytes.length, kind);
    this.#sends++;
    this.#lendIt();
    this.#untold += bytes.length;
    if (this.#untold - (path.queuedBytes ?? 0) >= TAKEN_STEP_BYTES) this.#tellTaken();
    if (this.#willTell || path.drained === undefined) return;
    this.#willTell = true;
    path.drained.then(() => {
      this.#willTell = false;
      this.#tellTaken();
    });
  }

  /** Its thread's figures are of what waits, wherever that is. */
  #tellTaken(): void {
    const bytes = this.#untold - (this.path.queuedBytes ?? 0);
    if (bytes <= 0) return;
    this.#untold -= bytes;
    this.host.post({ type: "tcp_taken", path: this.number, bytes });
  }

  videoGap(): void {
    const droppedBytes = this.path.droppedBytes ?? 0;
    this.host.post({ type: "tcp_gap", path: this.number, droppedBytes });
  }

  /**
   * A stream is lent once; a channel as soon as there is one, and again when what was said of it no
   * longer holds. Where that fails the next try is after twice as many messages: each looks through
   * all descriptors.
   */
  #lendIt(): void {
    const { host, path, thread } = this;
    const now = host.now();
    if (!this.isOpen || now < this.#lentUntil || this.#sends < this.#lendAt) return;
    // Asked for before it is needed, as it may have to be loaded.
    const lender = host.lender();
    const outlet = lender && path.lendable?.(now);
    if (lender === undefined || outlet === undefined) return;
    const socket = lender.lend(outlet, thread);
    if (socket === undefined) {
      this.#lendAt = 2 * Math.max(this.#sends, LEND_AFTER);
      return;
    }
    this.#lentUntil = socket.kind === "stream" ? Infinity : now + socket.forMs;
    this.lent = socket;
    host.post({ type: "tcp_lent", path: this.number, socket });
  }

  /** Its thread waits for what comes in the channel that it was lent last. */
  receivesThere(): void {
    const { lent } = this;
    if (lent?.kind !== "datagrams" || this.#received !== undefined) return;
    this.#received = lent;
    this.host.lender()?.receivedBy(this.thread, lent);
  }

  /** Its thread sends nothing more by messages. */
  takenOver(): void {
    const told = () => this.host.post({ type: "tcp_written", path: this.number });
    const { drained } = this.path;
    if (drained === undefined) told();
    else drained.then(told);
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
    this.host.ended();
  }

  /** The path is gone, or another thread's. */
  detach(): void {
    this.path.owner = undefined;
    this.path.validator = undefined;
    this.path.pause = undefined;
    this.#resume?.();
    if (this.#received !== undefined) {
      this.host.lender()?.notReceivedBy(this.thread, this.#received);
    }
    this.host.post({ type: "tcp_ended", path: this.number });
  }
}
