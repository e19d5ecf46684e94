/**
 * The listening thread lends a socket to the thread of a session: what that sends leaves without
 * the detour through messages. What comes in on a connection is still read where it was accepted;
 * what comes in a channel of TURN over UDP the thread receives itself, where the kernel can tell
 * (`steered_port.ts`).
 *
 * A lent connection is a descriptor of its own (`dup`), which the borrower closes: neither thread
 * can write to a number that has become somebody else's. Those of UDP are the lender's, for as long
 * as there are threads, and a while longer: one that is given up may do a last thing.
 *
 * @module
 */
import type { Cancel, Timers } from "../../base/platform.ts";
import type { Libc } from "../datagrams/libc.ts";
import {
  type Endpoint,
  findConnection,
  findDescriptor,
  isConnection,
  limitUnsent,
  nameOfEndpoint,
} from "../datagrams/socket_options.ts";
import type { AddressFamily } from "../datagrams/socket_address.ts";
import { SteeredPort } from "./steered_port.ts";

/** Where what is sent on a path leaves, as the listening thread knows it. */
export type LendableOutlet =
  /** A TCP connection that nobody else writes to. */
  | { readonly kind: "stream"; readonly local: Endpoint; readonly remote: Endpoint }
  /** A channel of TURN (RFC 8656 §12) on a UDP socket; it is one for so long from now on, ms. */
  | {
    readonly kind: "datagrams";
    readonly local: Endpoint;
    readonly remote: Endpoint;
    readonly channel: number;
    readonly forMs: number;
  };

/** What the borrower is told. Plain data. */
export type LentSocket =
  | { readonly kind: "stream"; readonly fd: number }
  | LentChannel;

/** A channel of TURN, and the thread's sockets for all of one address. */
export interface LentChannel {
  readonly kind: "datagrams";
  readonly fd: number;
  readonly family: AddressFamily;
  /** The socket for reports. With it the thread may receive; otherwise it only sends. */
  readonly reports?: number;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly channel: number;
  readonly forMs: number;
}

/** A UDP socket of the listening thread, and numbers of it that threads without a seat have. */
interface LendablePort {
  readonly steered: SteeredPort;
  readonly numbers: Map<number, number>;
}

/** A connection that was lent, and what was given for it. */
interface LentStream {
  readonly socket: LentSocket;
  readonly outlet: { readonly local: Endpoint; readonly remote: Endpoint };
}

/** A thread that was given up does nothing any more after so long, ms. */
const LAST_BREATH_MS = 2_000;

/** The lending end. Threads go by index. */
export class SocketLender {
  readonly #libc: Libc;
  readonly #timers: Timers;
  readonly #ports = new Map<string, LendablePort>();
  /** Who was lent which number last, of those that are closed by now as well. */
  readonly #streams = new Map<number, LentStream>();
  /** Numbers that threads had which are gone, with what ends the waiting to close them. */
  readonly #leaving = new Map<number, Cancel>();

  constructor(libc: Libc, timers: Timers) {
    this.#libc = libc;
    this.#timers = timers;
  }

  /** Lends to `thread`; `undefined` where the socket cannot be found or there is no number left. */
  lend(outlet: LendableOutlet, thread: number): LentSocket | undefined {
    if (outlet.kind === "datagrams") return this.#lendChannel(outlet, thread);
    const found = findConnection(this.#libc, outlet.local, outlet.remote);
    if (found !== undefined) limitUnsent(this.#libc, found);
    const fd = found === undefined ? -1 : this.#libc.sharing.duplicate(found.fd);
    if (fd < 0) return undefined;
    const socket: LentSocket = { kind: "stream", fd };
    this.#streams.set(fd, { socket, outlet });
    return socket;
  }

  /** `thread` receives what comes in the channel: the kernel is to give it to that. */
  receivedBy(thread: number, { local, remote }: LentChannel): void {
    this.#ports.get(nameOfEndpoint(local))?.steered.add(remote, thread);
  }

  /** It receives it no longer. */
  notReceivedBy(thread: number, { local, remote }: LentChannel): void {
    this.#ports.get(nameOfEndpoint(local))?.steered.remove(remote, thread);
  }

  /** The thread is gone, and with it what it would have closed. */
  threadLost(thread: number): void {
    for (const { steered, numbers } of this.#ports.values()) {
      steered.threadLost(thread);
      const fd = numbers.get(thread);
      if (fd !== undefined) this.#closeLater(fd);
      numbers.delete(thread);
    }
  }

  /**
   * `socket`, the very one that was given, was lent to a thread that is gone, which may have closed
   * it before: then its number may be anybody's, also another thread's.
   */
  takeBack(socket: LentSocket): void {
    if (socket.kind !== "stream") return;
    const lent = this.#streams.get(socket.fd);
    if (lent?.socket !== socket) return;
    this.#streams.delete(socket.fd);
    const { local, remote } = lent.outlet;
    if (isConnection(this.#libc, socket.fd, local, remote)) this.#libc.sharing.close(socket.fd);
  }

  /** Closes what it has for threads, none of which lives any more. */
  close(): void {
    for (const { steered, numbers } of this.#ports.values()) {
      steered.close();
      for (const fd of numbers.values()) this.#libc.sharing.close(fd);
    }
    this.#ports.clear();
    for (const [fd, cancel] of this.#leaving) {
      cancel();
      this.#libc.sharing.close(fd);
    }
    this.#leaving.clear();
  }

  #closeLater(fd: number): void {
    const cancel = this.#timers.after(LAST_BREATH_MS, () => {
      this.#leaving.delete(fd);
      this.#libc.sharing.close(fd);
    });
    this.#leaving.set(fd, cancel);
  }

  #lendChannel(
    outlet: LendableOutlet & { readonly kind: "datagrams" },
    thread: number,
  ): LentChannel | undefined {
    const port = this.#portOf(outlet.local);
    if (port === undefined) return undefined;
    const { family } = port.steered.first;
    const { hostname, port: number } = outlet.remote;
    const lent: Omit<LentChannel, "fd"> = {
      ...outlet,
      family,
      remote: { hostname, port: number },
    };
    const seat = port.steered.seatOf(thread);
    if (seat !== undefined) return { ...lent, fd: seat.fd, reports: seat.reports };
    const fd = this.#numberFor(port, thread);
    return fd === undefined ? undefined : { ...lent, fd };
  }

  #portOf(local: Endpoint): LendablePort | undefined {
    const name = nameOfEndpoint(local);
    const known = this.#ports.get(name);
    if (known !== undefined) return known;
    const first = findDescriptor(this.#libc, local);
    if (first === undefined) return undefined;
    const steered = new SteeredPort(this.#libc, this.#timers, first);
    const port = { steered, numbers: new Map<number, number>() };
    this.#ports.set(name, port);
    return port;
  }

  #numberFor({ steered, numbers }: LendablePort, thread: number): number | undefined {
    const known = numbers.get(thread);
    if (known !== undefined) return known;
    const fd = this.#libc.sharing.duplicate(steered.first.fd);
    if (fd < 0) return undefined;
    numbers.set(thread, fd);
    return fd;
  }
}
