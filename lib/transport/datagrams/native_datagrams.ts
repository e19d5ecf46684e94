/**
 * {@linkcode Datagrams} over the C library (Linux): whole batches in and out by one system call
 * each, and runs of equal datagrams for one destination as one message that the kernel cuts up (UDP
 * GSO).
 *
 * `Deno.listenDatagram` binds the socket and tells when it is readable, at the price of handing
 * over the first datagram itself; everything behind that one is drained with `recvmmsg` in the same
 * turn, without a hop to another thread. In a {@linkcode SocketLoop} the thread waits in the kernel
 * and receives everything so. What the kernel does not take at once waits in order, is
 * tried again a little later, and is dropped oldest video first when the queue is full.
 *
 * Received runs (UDP GRO) are not asked for. Measured on loopback: where the sender does not send
 * runs, nothing is ever joined and each datagram costs a third more (4.0 µs instead of 2.9); where
 * it does, a datagram costs half (0.6 instead of 1.1). Browsers send single datagrams, and what a
 * publisher sends is received once and sent on a hundred times.
 *
 * A message that fails is skipped and counted by its reason:
 *
 * | count                    | what the kernel said                                     |
 * | ------------------------ | -------------------------------------------------------- |
 * | `udp_send_unreachable`   | no route, no neighbour, interface down                   |
 * | `udp_send_not_permitted` | a firewall forbids it                                    |
 * | `udp_send_refused`       | an ICMP error about an earlier one                       |
 * | `udp_send_above_mtu`     | longer than the path carries                             |
 * | `udp_send_failed`        | anything else, or a destination of another family        |
 * | `udp_runs_refused`       | none is lost: runs for this destination are sent singly  |
 * | `udp_runs_off`           | none is lost: this socket sends no runs any more         |
 *
 * @module
 */
import { setImmediate } from "node:timers";
import type { DropSink } from "../../base/drop_counters.ts";
import { SfuError } from "../../base/errors.ts";
import type { Cancel, Timers } from "../../base/platform.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import { bindError } from "./bind_error.ts";
import {
  type DatagramCounters,
  type Datagrams,
  MAX_DATAGRAM_BYTES,
  type PacketMarks,
  type RemoteAddress,
  SendKind,
} from "./datagrams.ts";
import { Errno, type Libc, MSG_DONTWAIT } from "./libc.ts";
import { SendQueue } from "./send_queue.ts";
import {
  NAME_WORDS,
  sockaddrBytes,
  type SocketAddress,
  SocketAddressTable,
} from "./socket_address.ts";
import { RECEIVE_BATCH, ReceiveMessages, SendMessages } from "./socket_messages.ts";
import type { SocketLoop } from "./socket_loop.ts";
import { findDescriptor, setSocketOptions, type SocketDescriptor } from "./socket_options.ts";

/** Datagrams that wait at most before they are sent: few enough to be still in the cache. */
const FLUSH_AT = 256;
/** Wait before the kernel is asked again after it had no room, ms. */
const RETRY_MS = 1;
/** A turn of the event loop ends after so many received batches or sent datagrams: about 10 ms. */
const TURN_BATCHES = 16;
const TURN_SENDS = 4096;
/**
 * Receive errors in a row before pausing: one is noise (an ICMP error), many are a broken socket.
 */
const ERRORS_BEFORE_PAUSE = 16;
/** The pause, ms: long enough not to spin, short enough not to be noticed when it recovers. */
const ERROR_PAUSE_MS = 50;

/** What the kernel says to a run where it, the interface or the path's MTU does not allow one. */
const REFUSES_RUNS: ReadonlySet<number> = new Set([Errno.EIO, Errno.EINVAL, Errno.EMSGSIZE]);
/** Names for what else it says. */
const SEND_FAILURES: ReadonlyMap<number, TransportDrop> = new Map([
  [Errno.ENETUNREACH, "udp_send_unreachable"],
  [Errno.EHOSTUNREACH, "udp_send_unreachable"],
  [Errno.EHOSTDOWN, "udp_send_unreachable"],
  [Errno.ENETDOWN, "udp_send_unreachable"],
  [Errno.EADDRNOTAVAIL, "udp_send_unreachable"],
  [Errno.EPERM, "udp_send_not_permitted"],
  [Errno.EACCES, "udp_send_not_permitted"],
  [Errno.ECONNREFUSED, "udp_send_refused"],
  [Errno.EMSGSIZE, "udp_send_above_mtu"],
]);

/** What a native socket needs. */
export interface NativeDatagramsOptions extends PacketMarks {
  /** Literal address; `0.0.0.0` or `::` (both families on most systems) for all interfaces. */
  readonly hostname: string;
  /** 0 for any. */
  readonly port: number;
  readonly drops: DropSink<TransportDrop>;
  readonly timers: Timers;
  readonly libc: Libc;
  /** What this thread waits in; the runtime's event loop if absent. */
  readonly loop?: SocketLoop;
}

/**
 * Binds a UDP socket.
 *
 * @throws `SfuError` `address_in_use`, `address_not_available`, `permission_denied`, or
 * `native_unavailable` if the runtime's socket cannot be found by native code.
 */
export async function openNativeDatagrams(options: NativeDatagramsOptions): Promise<Datagrams> {
  const { hostname, port, libc } = options;
  let conn: Deno.DatagramConn;
  try {
    conn = Deno.listenDatagram({ transport: "udp", hostname, port });
  } catch (error) {
    throw bindError(error, "udp", hostname, port);
  }
  const descriptor = findDescriptor(libc, conn.addr as Deno.NetAddr);
  if (descriptor === undefined) {
    conn.close();
    throw new SfuError("native_unavailable", "Cannot find the descriptor of the UDP socket");
  }
  setSocketOptions(libc, descriptor, options);
  return new NativeDatagrams(conn, descriptor, options);
}

class NativeDatagrams implements Datagrams {
  readonly localAddress: { readonly hostname: string; readonly port: number };
  readonly counters: DatagramCounters = { received: 0, receivedBytes: 0, sent: 0, sentBytes: 0 };
  readonly closed: Promise<void>;
  readonly slab: ArrayBuffer;
  onDatagram: Datagrams["onDatagram"] = () => {};
  onBatchEnd: Datagrams["onBatchEnd"] = () => {};
  readonly #conn: Deno.DatagramConn;
  readonly #libc: Libc;
  readonly #drops: DropSink<TransportDrop>;
  readonly #timers: Timers;
  readonly #addresses: SocketAddressTable;
  readonly #queue: SendQueue<SocketAddress>;
  readonly #outgoing: SendMessages;
  readonly #incoming = new ReceiveMessages();
  /** Never used after `close`: the number may then be somebody else's. */
  readonly #fd: number;
  /** Set while the loop receives for this socket. */
  readonly #unwatch: (() => Promise<void>) | undefined;
  readonly #closing = Promise.withResolvers<void>();
  readonly #flushLater = () => this.#flushSoon();
  #isClosed = false;
  /** Whether a batch is being delivered, after which comes a flush. */
  #isDelivering = false;
  #isFlushPlanned = false;
  /** Set while the kernel has no room. */
  #retry: Cancel | undefined;
  #mayMerge = true;
  /** Whether a run has ever been sent, so that a refused one is about its destination. */
  #hasSentRun = false;

  constructor(
    conn: Deno.DatagramConn,
    { fd, family }: SocketDescriptor,
    options: NativeDatagramsOptions,
  ) {
    this.#conn = conn;
    this.#fd = fd;
    this.#libc = options.libc;
    this.#drops = options.drops;
    this.#timers = options.timers;
    this.#addresses = new SocketAddressTable(family);
    this.#queue = new SendQueue(options.drops);
    this.#outgoing = new SendMessages(this.#queue, sockaddrBytes(family));
    this.slab = this.#queue.slab;
    const { hostname, port } = conn.addr as Deno.NetAddr;
    this.localAddress = { hostname, port };
    this.#unwatch = options.loop?.watch(fd, () => this.#receiveTurn());
    this.closed = this.#unwatch === undefined ? this.#receive() : this.#closing.promise;
  }

  reserve(): Uint8Array | undefined {
    if (this.#queue.count >= FLUSH_AT && this.#retry === undefined) this.flush();
    return this.#queue.reserve() ?? this.#queue.reserveByDropping();
  }

  commit(length: number, remote: RemoteAddress, kind: SendKind): void {
    const address = this.#addresses.of(remote);
    if (address === undefined) return this.#drops.count("udp_send_failed");
    this.#queue.commit(length, address, kind);
    if (this.#isDelivering || this.#isFlushPlanned) return;
    this.#isFlushPlanned = true;
    queueMicrotask(this.#flushLater);
  }

  send(bytes: Uint8Array, length: number, remote: RemoteAddress): void {
    const slot = this.#queue.canHold(length) ? this.reserve() : undefined;
    if (slot === undefined) return;
    slot.set(length === bytes.length ? bytes : bytes.subarray(0, length));
    this.commit(length, remote, SendKind.other);
  }

  flush(): void {
    while (this.#queue.count > 0 && this.#sendBatch());
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#retry?.();
    this.#queue.close();
    const released = this.#unwatch?.();
    this.#conn.close();
    released?.then(this.#closing.resolve);
  }

  #flushSoon(): void {
    this.#isFlushPlanned = false;
    this.flush();
  }

  /** @returns Whether to go on: something was sent or skipped. */
  #sendBatch(): boolean {
    const outgoing = this.#outgoing;
    outgoing.fill(this.#mayMerge);
    const sent = this.#libc.sendmmsg(this.#fd, outgoing.pointer, outgoing.count, MSG_DONTWAIT);
    if (sent > 0) {
      this.#noteSent(sent);
      return true;
    }
    const errno = sent < 0 ? this.#libc.errno() : Errno.EAGAIN;
    switch (errno) {
      case Errno.EINTR:
        return true;
      case Errno.EAGAIN:
      case Errno.ENOBUFS:
      case Errno.ENOMEM:
        this.#retry ??= this.#timers.after(RETRY_MS, () => {
          this.#retry = undefined;
          this.flush();
        });
        return false;
      default:
        this.#skipFirst(errno);
        return true;
    }
  }

  #noteSent(messages: number): void {
    const { ends, datagrams, bytes } = this.#outgoing;
    for (let i = 0; i < messages; i++) {
      this.counters.sent += datagrams[i]!;
      this.counters.sentBytes += bytes[i]!;
      if (datagrams[i]! > 1) this.#hasSentRun = true;
    }
    this.#queue.release(ends[messages - 1]!);
  }

  /** The first message of the batch failed for good, or has to be sent in another way. */
  #skipFirst(errno: number): void {
    const datagrams = this.#outgoing.datagrams[0]!;
    if (datagrams > 1 && REFUSES_RUNS.has(errno)) return this.#refuseRuns();
    this.#drops.count(SEND_FAILURES.get(errno) ?? "udp_send_failed", datagrams);
    this.#queue.release(this.#outgoing.ends[0]!);
  }

  /**
   * A run that is not taken is sent again as single datagrams. Whose fault it is depends: a kernel
   * or an interface that cannot do it has never done it, while a path's small MTU is that path's
   * affair.
   */
  #refuseRuns(): void {
    if (this.#hasSentRun) {
      this.#queue.remotes[this.#outgoing.ends[0]! - 1]!.takesRuns = false;
      this.#drops.count("udp_runs_refused");
    } else {
      this.#mayMerge = false;
      this.#drops.count("udp_runs_off");
    }
  }

  async #receive(): Promise<void> {
    const buffer = new Uint8Array(MAX_DATAGRAM_BYTES);
    let errors = 0;
    while (!this.#isClosed) {
      let bytes: Uint8Array;
      let remote: Deno.Addr;
      try {
        [bytes, remote] = await this.#conn.receive(buffer);
        errors = 0;
      } catch {
        if (this.#isClosed) break;
        this.#drops.count("udp_receive_failed");
        if (++errors >= ERRORS_BEFORE_PAUSE) {
          await new Promise<void>((resume) => this.#timers.after(ERROR_PAUSE_MS, resume));
        }
        continue;
      }
      if (this.#isClosed) break;
      const address = this.#addresses.of(remote as Deno.NetAddr);
      if (bytes.length === MAX_DATAGRAM_BYTES) this.#drops.count("udp_received_too_long");
      else if (address !== undefined) this.#deliver(buffer, bytes.length, address);
      // Others get a turn of the event loop even when more than one turn's worth has come.
      while (this.#drain()) await new Promise<void>((resume) => void setImmediate(resume));
    }
  }

  /** What the loop calls. @returns How many datagrams there were. */
  #receiveTurn(): number {
    const before = this.counters.received;
    this.#drain();
    return this.counters.received - before;
  }

  /**
   * Receives what is there, or as much of it as one turn may take.
   *
   * @returns Whether there may be more.
   */
  #drain(): boolean {
    const sentBefore = this.counters.sent;
    for (let batch = 0; batch < TURN_BATCHES; batch++) {
      if (this.#isClosed) return false;
      const count = this.#receiveBatch();
      this.#endBatch();
      if (count < RECEIVE_BATCH) return false;
      if (this.counters.sent - sentBefore >= TURN_SENDS) return true;
    }
    return true;
  }

  /** @returns How many datagrams were there; 0 also after an error. */
  #receiveBatch(): number {
    const incoming = this.#incoming;
    const { pointer } = incoming;
    const count = this.#libc.recvmmsg(this.#fd, pointer, RECEIVE_BATCH, MSG_DONTWAIT, null);
    if (count < 0) {
      const errno = this.#libc.errno();
      const isNothing = errno === Errno.EAGAIN || errno === Errno.EINTR;
      if (!isNothing) this.#drops.count("udp_receive_failed");
      return 0;
    }
    for (let i = 0; i < count && !this.#isClosed; i++) {
      if (incoming.isCut(i)) {
        this.#drops.count("udp_received_too_long");
        continue;
      }
      const address = this.#addresses.find(incoming.names, i * NAME_WORDS);
      this.#deliver(incoming.views[i]!, incoming.lengthOf(i), address);
    }
    return count;
  }

  #endBatch(): void {
    if (!this.#isDelivering || this.#isClosed) return;
    this.onBatchEnd();
    this.#isDelivering = false;
    // Who ends batches flushes what they led to; here leaves what was queued after that.
    if (this.#retry === undefined) this.flush();
  }

  #deliver(bytes: Uint8Array, length: number, remote: RemoteAddress): void {
    this.#isDelivering = true;
    this.counters.received++;
    this.counters.receivedBytes += length;
    this.onDatagram(bytes, length, remote);
  }
}
