/**
 * {@linkcode Datagrams} without native code: over `Deno.listenDatagram`, or over `node:dgram` where
 * the embedding program runs without Deno's unstable `net` flag.
 *
 * Two properties of both runtimes' send calls, found by experiment on Deno 2.9.6, shape this file.
 * The bytes are read *after* the call returns (refill the buffer and the refilled bytes are sent),
 * so they wait in a slot that stays untouched until the call has settled. And
 * `Deno.listenDatagram`'s calls that are pending together complete newest first, which turns a
 * burst around; so exactly one is pending at a time. Awaiting each costs no more CPU than
 * overlapping them: about 5 µs either way.
 *
 * `Deno.listenDatagram` cannot set socket buffers: for it the operator raises the system's default
 * (`net.core.rmem_default`).
 *
 * @module
 */
import dgram from "node:dgram";
import type { DropSink } from "../../base/drop_counters.ts";
import type { Timers } from "../../base/platform.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import { bindError } from "./bind_error.ts";
import {
  type DatagramCounters,
  type Datagrams,
  MAX_DATAGRAM_BYTES,
  type RemoteAddress,
  SendKind,
} from "./datagrams.ts";
import { QUEUE_SLOTS, SendQueue } from "./send_queue.ts";

/** While more than these wait to be sent, nothing is received: see `DenoDatagrams.#receive`. */
const RECEIVE_PAUSE_SLOTS = QUEUE_SLOTS / 4;
/**
 * Socket buffers asked for, as LiveKit asks (see `socket_options.ts`); the kernel gives what its
 * limit allows.
 */
const SOCKET_BUFFER_BYTES = 16 * 1024 * 1024;
/**
 * Receive errors in a row before pausing: one is noise (an ICMP error), many are a broken socket.
 */
const ERRORS_BEFORE_PAUSE = 16;
/** The pause, ms: long enough not to spin, short enough not to be noticed when it recovers. */
const ERROR_PAUSE_MS = 50;

/** What a portable socket needs. */
export interface PortableDatagramsOptions {
  /** Literal address; `0.0.0.0` or `::` (both families on most systems) for all interfaces. */
  readonly hostname: string;
  /** 0 for any. */
  readonly port: number;
  readonly drops: DropSink<TransportDrop>;
  readonly timers: Timers;
}

/**
 * Binds a UDP socket with whichever API the runtime has.
 *
 * @throws `SfuError` `address_in_use`, `address_not_available` or `permission_denied`.
 */
export function openPortableDatagrams(options: PortableDatagramsOptions): Promise<Datagrams> {
  return typeof Deno.listenDatagram === "function"
    ? openDenoDatagrams(options)
    : openNodeDatagrams(options);
}

/** Hands one datagram to the runtime; settles when its bytes are no longer needed. */
type Transmit = (bytes: Uint8Array, remote: RemoteAddress) => Promise<unknown>;

/** What both twins share: the queue out with one send pending at a time, counters, callbacks. */
abstract class PortableDatagrams implements Datagrams {
  abstract readonly localAddress: { readonly hostname: string; readonly port: number };
  abstract readonly closed: Promise<void>;
  readonly counters: DatagramCounters = { received: 0, receivedBytes: 0, sent: 0, sentBytes: 0 };
  onDatagram: Datagrams["onDatagram"] = () => {};
  onBatchEnd: Datagrams["onBatchEnd"] = () => {};
  readonly #queue: SendQueue;
  readonly #transmit: Transmit;
  readonly #drops: DropSink<TransportDrop>;
  #draining: Promise<void> | undefined;

  constructor(transmit: Transmit, drops: DropSink<TransportDrop>) {
    this.#queue = new SendQueue(drops);
    this.#transmit = transmit;
    this.#drops = drops;
  }

  get slab(): ArrayBuffer {
    return this.#queue.slab;
  }

  /** A full queue cannot be flushed here, as sending takes a turn of the event loop. */
  reserve(): Uint8Array | undefined {
    return this.#queue.reserve() ?? this.#queue.reserveByDropping();
  }

  commit(length: number, remote: RemoteAddress, kind: SendKind): void {
    this.#queue.commit(length, remote, kind);
    // A drain that found nothing would end before it is noted here.
    if (this.#queue.count > 0) this.#draining ??= this.#drain();
  }

  send(bytes: Uint8Array, length: number, remote: RemoteAddress): void {
    const slot = this.#queue.canHold(length) ? this.reserve() : undefined;
    if (slot === undefined) return;
    slot.set(length === bytes.length ? bytes : bytes.subarray(0, length));
    this.commit(length, remote, SendKind.other);
  }

  /** Nothing to do: the queue drains by itself, one datagram per system call. */
  flush(): void {}

  abstract close(): void;

  protected deliver(bytes: Uint8Array, length: number, remote: RemoteAddress): void {
    this.counters.received++;
    this.counters.receivedBytes += length;
    this.onDatagram(bytes, length, remote);
    this.onBatchEnd();
  }

  /** Whether the sender is so far behind that receiving more would only make more to drop. */
  protected get isBehind(): boolean {
    return this.#queue.count > RECEIVE_PAUSE_SLOTS;
  }

  /** Settles when nothing waits any more. */
  protected async drained(): Promise<void> {
    await this.#draining;
  }

  /** Drops what waits; settles when the pending send, if any, has. */
  protected async closeQueue(): Promise<void> {
    this.#queue.close();
    await this.#draining;
  }

  async #drain(): Promise<void> {
    const queue = this.#queue;
    for (let at = queue.take(); at >= 0; at = queue.take()) {
      const slot = queue.slots[at]!;
      const length = queue.lengths[at]!;
      try {
        await this.#transmit(queue.viewOf(slot).subarray(0, length), queue.remotes[at]!);
        this.counters.sent++;
        this.counters.sentBytes += length;
      } catch {
        // Unreachable peers and full kernel buffers are the network's doing; UDP promises nothing.
        this.#drops.count("udp_send_failed");
      }
      queue.giveBack(slot);
    }
    this.#draining = undefined;
  }
}

class DenoDatagrams extends PortableDatagrams {
  readonly localAddress: { readonly hostname: string; readonly port: number };
  readonly closed: Promise<void>;
  readonly #conn: Deno.DatagramConn;
  readonly #drops: DropSink<TransportDrop>;
  readonly #timers: Timers;
  readonly #sendsDone = Promise.withResolvers<void>();
  #isClosed = false;

  constructor(conn: Deno.DatagramConn, drops: DropSink<TransportDrop>, timers: Timers) {
    super((bytes, remote) => conn.send(bytes, remote), drops);
    this.#conn = conn;
    this.#drops = drops;
    this.#timers = timers;
    const { hostname, port } = conn.addr as Deno.NetAddr;
    this.localAddress = { hostname, port };
    this.closed = Promise.all([this.#receive(), this.#sendsDone.promise]).then(() => {});
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#sendsDone.resolve(this.closeQueue());
    this.#conn.close();
  }

  /**
   * One receive at a time keeps the order of arrival, for the reason sends are not overlapped. A
   * datagram that fills the buffer may have been cut, and is dropped.
   *
   * Receives and sends take turns, and one received packet may be hundreds to send: after a pause
   * of the process the backlog would be read as fast as the first packet of it is sent on. So a
   * long queue is sent before more is received; the kernel's buffer holds what comes meanwhile.
   */
  async #receive(): Promise<void> {
    const buffer = new Uint8Array(MAX_DATAGRAM_BYTES);
    let errors = 0;
    while (!this.#isClosed) {
      let bytes: Uint8Array;
      let remote: Deno.Addr;
      if (this.isBehind) await this.drained();
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
      if (bytes.length === MAX_DATAGRAM_BYTES) this.#drops.count("udp_received_too_long");
      else this.deliver(buffer, bytes.length, remote as Deno.NetAddr);
    }
  }
}

/**
 * The twin over `Deno.listenDatagram` (Deno's unstable `net`).
 *
 * @throws As {@linkcode openPortableDatagrams}.
 */
export async function openDenoDatagrams(options: PortableDatagramsOptions): Promise<Datagrams> {
  const { hostname, port } = options;
  try {
    const conn = Deno.listenDatagram({ transport: "udp", hostname, port });
    return new DenoDatagrams(conn, options.drops, options.timers);
  } catch (error) {
    throw bindError(error, "udp", hostname, port);
  }
}

class NodeDatagrams extends PortableDatagrams {
  readonly localAddress: { readonly hostname: string; readonly port: number };
  readonly closed: Promise<void>;
  readonly #socket: dgram.Socket;
  readonly #done = Promise.withResolvers<void>();
  #isClosed = false;

  constructor(socket: dgram.Socket, drops: DropSink<TransportDrop>) {
    super((bytes, remote) => transmitOver(socket, bytes, remote), drops);
    this.#socket = socket;
    const { address, port } = socket.address();
    this.localAddress = { hostname: address, port };
    this.closed = this.#done.promise;
    socket.on("error", () => drops.count("udp_receive_failed"));
    socket.on("message", (bytes, { address, port }) => {
      if (this.#isClosed) return;
      if (bytes.length >= MAX_DATAGRAM_BYTES) return drops.count("udp_received_too_long");
      // Not the Buffer itself, whose `slice` shares memory where that of a Uint8Array copies.
      const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
      this.deliver(plain, plain.length, { transport: "udp", hostname: address, port });
    });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // The pending send first: closing the socket under it would lose its callback.
    this.closeQueue().then(() => this.#socket.close(() => this.#done.resolve()));
  }
}

function transmitOver(
  socket: dgram.Socket,
  bytes: Uint8Array,
  remote: RemoteAddress,
): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(
      bytes,
      0,
      bytes.length,
      remote.port,
      remote.hostname,
      (error) => error ? reject(error) : resolve(),
    );
  });
}

/**
 * The twin over `node:dgram`.
 *
 * @throws As {@linkcode openPortableDatagrams}.
 */
export async function openNodeDatagrams(options: PortableDatagramsOptions): Promise<Datagrams> {
  const { hostname, port } = options;
  const socket = dgram.createSocket(hostname.includes(":") ? "udp6" : "udp4");
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(port, hostname, () => {
        socket.off("error", reject);
        resolve();
      });
    });
  } catch (error) {
    socket.close();
    throw bindError(error, "udp", hostname, port);
  }
  try {
    socket.setRecvBufferSize(SOCKET_BUFFER_BYTES);
    socket.setSendBufferSize(SOCKET_BUFFER_BYTES);
  } catch {
    // The default works, with less room for bursts.
  }
  return new NodeDatagrams(socket, options.drops);
}
