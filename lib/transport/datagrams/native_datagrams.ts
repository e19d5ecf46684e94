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
 * @module
 */
import { setImmediate } from "node:timers";
import type { DropSink } from "../../base/drop_counters.ts";
import { SfuError } from "../../base/errors.ts";
import type { Timers } from "../../base/platform.ts";
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
import type { Libc } from "./libc.ts";
import { NativeReceiver } from "./native_receiver.ts";
import { NativeSender } from "./native_sender.ts";
import { SocketAddressTable } from "./socket_address.ts";
import {
  closeLeftBehind,
  closeReportSocket,
  openReportSocket,
  steerChecks,
} from "./report_socket.ts";
import type { SocketLoop } from "./socket_loop.ts";
import { findDescriptor, setSocketOptions, type SocketDescriptor } from "./socket_options.ts";

/**
 * Receive errors in a row before pausing: one is noise (an ICMP error), many are a broken socket.
 */
const ERRORS_BEFORE_PAUSE = 16;
/** The pause, ms: long enough not to spin, short enough not to be noticed when it recovers. */
const ERROR_PAUSE_MS = 50;

/** Up to so many are copied one by one: a check or its answer. */
const COPIED_BYTES = 128;

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
  const conn = listen(libc, hostname, port);
  const descriptor = findDescriptor(libc, conn.addr as Deno.NetAddr);
  if (descriptor === undefined) {
    conn.close();
    throw new SfuError("native_unavailable", "Cannot find the descriptor of the UDP socket");
  }
  setSocketOptions(libc, descriptor, options);
  return new NativeDatagrams(conn, descriptor, options);
}

/** @throws `SfuError` as above. */
function listen(libc: Libc, hostname: string, port: number): Deno.DatagramConn {
  const open = () => Deno.listenDatagram({ transport: "udp", hostname, port });
  try {
    return open();
  } catch (error) {
    const isFree = error instanceof Deno.errors.AddrInUse &&
      closeLeftBehind(libc, { hostname, port });
    if (!isFree) throw bindError(error, "udp", hostname, port);
  }
  try {
    return open();
  } catch (error) {
    throw bindError(error, "udp", hostname, port);
  }
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
  readonly #sender: NativeSender;
  readonly #receiver: NativeReceiver;
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

  constructor(
    conn: Deno.DatagramConn,
    descriptor: SocketDescriptor,
    options: NativeDatagramsOptions,
  ) {
    const { fd, family } = descriptor;
    this.#conn = conn;
    this.#fd = fd;
    this.#libc = options.libc;
    this.#drops = options.drops;
    this.#timers = options.timers;
    this.#addresses = new SocketAddressTable(family);
    this.#sender = new NativeSender(descriptor, {
      ...options,
      addresses: this.#addresses,
      counters: this.counters,
    });
    this.slab = this.#sender.slab;
    this.#receiver = new NativeReceiver({
      ...options,
      addresses: this.#addresses,
      deliver: (bytes, length, remote) => this.#deliver(bytes, length, remote),
      endBatch: () => this.#endBatch(),
      sent: () => this.counters.sent,
    });
    const { hostname, port } = conn.addr as Deno.NetAddr;
    this.localAddress = { hostname, port };
    this.#unwatch = options.loop === undefined ? undefined : this.#waitIn(options.loop, descriptor);
    this.closed = this.#unwatch === undefined ? this.#receive() : this.#closing.promise;
  }

  /** @returns What the loop's `watch` does. */
  #waitIn(loop: SocketLoop, descriptor: SocketDescriptor): (() => Promise<void>) | undefined {
    const fd = openReportSocket(this.#libc, descriptor);
    const reports = fd === undefined ? undefined : {
      fd,
      receive: () => this.#receiver.receiveTurn(fd),
      sacks: () => this.#receiver.sacks,
      setQuiet: (isQuiet: boolean) => steerChecks(this.#libc, fd, isQuiet),
    };
    const receive = () => this.#receiver.receiveTurn(descriptor.fd);
    const unwatch = loop.watch(descriptor.fd, receive, reports);
    if (fd === undefined) return unwatch;
    // Nobody would receive from it.
    if (unwatch === undefined) closeReportSocket(this.#libc, descriptor, fd);
    return unwatch && (() => {
      const released = unwatch();
      closeReportSocket(this.#libc, descriptor, fd);
      return released;
    });
  }

  /** Called within flushes, so the half that sends has it. */
  set onFlushing(flushing: () => void) {
    this.#sender.onFlushing = flushing;
  }
  set onFlushed(flushed: () => void) {
    this.#sender.onFlushed = flushed;
  }

  reserve(): Uint8Array | undefined {
    return this.#sender.reserve();
  }

  commit(length: number, remote: RemoteAddress, kind: SendKind): void {
    if (!this.#sender.commit(length, remote, kind)) return;
    if (this.#isDelivering || this.#isFlushPlanned) return;
    this.#isFlushPlanned = true;
    queueMicrotask(this.#flushLater);
  }

  send(bytes: Uint8Array, length: number, remote: RemoteAddress): void {
    const slot = this.#sender.reserveFor(length);
    if (slot === undefined) return;
    // Of a short one a view would be most of the work.
    if (length <= COPIED_BYTES) { for (let i = 0; i < length; i++) slot[i] = bytes[i]!; }
    else slot.set(length === bytes.length ? bytes : bytes.subarray(0, length));
    this.commit(length, remote, SendKind.other);
  }

  flush(): void {
    this.#sender.flush();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#sender.close();
    this.#receiver.close();
    const released = this.#unwatch?.();
    this.#conn.close();
    released?.then(this.#closing.resolve);
  }

  #flushSoon(): void {
    this.#isFlushPlanned = false;
    this.flush();
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
      while (this.#receiver.drain(this.#fd)) {
        await new Promise<void>((resume) => void setImmediate(resume));
      }
    }
  }

  #endBatch(): void {
    if (!this.#isDelivering || this.#isClosed) return;
    this.onBatchEnd();
    this.#isDelivering = false;
    // Who ends batches flushes what they led to; here leaves what was queued after that.
    if (!this.#sender.isWaiting) this.flush();
  }

  #deliver(bytes: Uint8Array, length: number, remote: RemoteAddress): void {
    this.#isDelivering = true;
    this.counters.received++;
    this.counters.receivedBytes += length;
    this.onDatagram(bytes, length, remote);
  }
}
