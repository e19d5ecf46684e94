/**
 * The sending half of a UDP socket over the C library: what waits leaves by `sendmmsg`, runs of
 * equal datagrams for one destination as one message that the kernel cuts up (UDP GSO). What the
 * kernel does not take at once waits in order, and is tried again a little later.
 *
 * Several threads may send on one socket, each with a sender of its own.
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
import type { DropSink } from "../../base/drop_counters.ts";
import type { Cancel, Timers } from "../../base/platform.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import type { DatagramCounters, RemoteAddress, SendKind } from "./datagrams.ts";
import { Errno, type Libc, MSG_DONTWAIT } from "./libc.ts";
import { SendQueue } from "./send_queue.ts";
import { sockaddrBytes, type SocketAddress, type SocketAddressTable } from "./socket_address.ts";
import { SendMessages } from "./socket_messages.ts";
import type { SocketDescriptor } from "./socket_options.ts";

/** Datagrams that wait at most before they are sent: few enough to be still in the cache. */
const FLUSH_AT = 256;
/** Wait before the kernel is asked again after it had no room, ms. */
const RETRY_MS = 1;

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

/** What a sender needs. */
export interface NativeSenderOptions {
  readonly libc: Libc;
  readonly drops: DropSink<TransportDrop>;
  readonly timers: Timers;
  /** Of the socket. */
  readonly addresses: SocketAddressTable;
  readonly counters: SentCounters;
}

/** What has left, in numbers. */
export type SentCounters = Pick<DatagramCounters, "sent" | "sentBytes">;

/** What one thread sends on one socket. */
export class NativeSender {
  /** Datagrams that the kernel took, and their bytes; it counts on in what it was given. */
  readonly counters: SentCounters;
  readonly slab: ArrayBuffer;
  /** As `Datagrams` has it. */
  onFlushing: (() => void) | undefined;
  onFlushed: (() => void) | undefined;
  readonly #libc: Libc;
  readonly #drops: DropSink<TransportDrop>;
  readonly #timers: Timers;
  readonly #addresses: SocketAddressTable;
  readonly #queue: SendQueue<SocketAddress>;
  readonly #outgoing: SendMessages;
  /** Never used after `close`: the number may then be somebody else's. */
  readonly #fd: number;
  /** Set while the kernel has no room. */
  #retry: Cancel | undefined;
  #mayMerge = true;
  /** Whether a run has ever been sent, so that a refused one is about its destination. */
  #hasSentRun = false;

  constructor({ fd, family }: SocketDescriptor, options: NativeSenderOptions) {
    this.#fd = fd;
    this.#libc = options.libc;
    this.#drops = options.drops;
    this.#timers = options.timers;
    this.#addresses = options.addresses;
    this.counters = options.counters;
    this.#queue = new SendQueue(options.drops);
    this.#outgoing = new SendMessages(this.#queue, sockaddrBytes(family));
    this.slab = this.#queue.slab;
  }

  /** Whether the kernel has said that it takes no more for now. */
  get isWaiting(): boolean {
    return this.#retry !== undefined;
  }

  /** As `Datagrams` has it. */
  reserve(): Uint8Array | undefined {
    if (this.#queue.count >= FLUSH_AT && this.#retry === undefined) this.flush();
    return this.#queue.reserve() ?? this.#queue.reserveByDropping();
  }

  /** A slot for so many bytes. */
  reserveFor(length: number): Uint8Array | undefined {
    return this.#queue.canHold(length) ? this.reserve() : undefined;
  }

  /** Queues what was written to the reserved slot; `false` if it cannot be sent there. */
  commit(length: number, remote: RemoteAddress, kind: SendKind): boolean {
    const address = this.#addresses.of(remote);
    if (address === undefined) {
      this.#drops.count("udp_send_failed");
      return false;
    }
    this.#queue.commit(length, address, kind);
    return true;
  }

  flush(): void {
    if (this.#queue.count === 0) return;
    while (this.#queue.count > 0 && this.#sendBatch());
    if (this.#queue.count === 0) this.onFlushed?.();
  }

  /** Drops what waits. */
  close(): void {
    this.#retry?.();
    this.#queue.close();
  }

  /** @returns Whether to go on: something was sent or skipped. */
  #sendBatch(): boolean {
    const outgoing = this.#outgoing;
    outgoing.fill(this.#mayMerge);
    this.onFlushing?.();
    const sent = this.#libc.sendmmsg(this.#fd, outgoing.pointer, outgoing.count, MSG_DONTWAIT);
    if (sent > 0) {
      this.#noteSent(sent);
      // What has left is not to wait for what follows; of the last of it the flush tells.
      if (this.#queue.count > 0) this.onFlushed?.();
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
}
