/**
 * The UDP port of a TURN server with a seat for each thread that has sessions: two sockets of its
 * own at the same address, for media and for reports, to which the kernel gives what the clients of
 * its sessions send in channels. So that never passes the listening thread.
 *
 * Contract: whose datagrams come to a seat is a matter of cost alone. The thread looks at who they
 * are from, and hands on what it does not know; where seats cannot be had, the listening thread
 * receives all.
 *
 * @module
 */
import type { Cancel, Timers } from "../../base/platform.ts";
import type { Libc } from "../datagrams/libc.ts";
import { allowSharing, chooseBy, openSharer } from "../datagrams/shared_port.ts";
import {
  type Endpoint,
  nameOfEndpoint,
  type SocketDescriptor,
} from "../datagrams/socket_options.ts";
import { MAX_STEERED, steeringKey, steeringProgram } from "./steering_program.ts";

/** Changes of so long are one program, ms: when many join at once, say. */
const GATHER_MS = 20;

/** The sockets of one thread. */
export interface Seat {
  /** Among those of the address, as the kernel counts them. */
  readonly number: number;
  readonly fd: number;
  /** Gets reports and feedback. */
  readonly reports: number;
}

interface SteeredClient {
  readonly key: number;
  readonly thread: number;
  /** Channels of it that the thread receives. */
  channels: number;
}

/** One address and port. */
export class SteeredPort {
  readonly #libc: Libc;
  readonly #timers: Timers;
  readonly #seats = new Map<number, Seat>();
  readonly #clients = new Map<string, SteeredClient>();
  #isRefused = false;
  /** Clients that a program may be about. */
  #most = MAX_STEERED;
  #cancelUpdate: Cancel | undefined;

  /** @param first The TURN server's own socket. */
  constructor(libc: Libc, timers: Timers, readonly first: SocketDescriptor) {
    this.#libc = libc;
    this.#timers = timers;
  }

  /** The sockets of `thread`; `undefined` where the kernel has none to give. */
  seatOf(thread: number): Seat | undefined {
    const known = this.#seats.get(thread);
    if (known !== undefined || this.#isRefused) return known;
    const seat = this.#open();
    // Asked once: each try would let datagrams of others come to a socket that nobody reads.
    if (seat === undefined) this.#isRefused = true;
    else this.#seats.set(thread, seat);
    return seat;
  }

  /** `thread` receives one more channel of the client. */
  add(client: Endpoint, thread: number): void {
    const key = steeringKey(client);
    if (key === undefined || !this.#seats.has(thread)) return;
    const name = nameOfEndpoint(client);
    const known = this.#clients.get(name);
    if (known?.thread === thread) known.channels++;
    else {
      this.#clients.set(name, { key, thread, channels: 1 });
      this.#updateSoon();
    }
  }

  /** `thread` receives one channel less. */
  remove(client: Endpoint, thread: number): void {
    const name = nameOfEndpoint(client);
    const known = this.#clients.get(name);
    if (known?.thread !== thread || --known.channels > 0) return;
    this.#clients.delete(name);
    this.#updateSoon();
  }

  /** Nobody receives there. The seat stays for the thread that comes in its place. */
  threadLost(thread: number): void {
    for (const [name, client] of this.#clients) {
      if (client.thread === thread) this.#clients.delete(name);
    }
    if (this.#seats.has(thread)) this.#update();
  }

  /** Closes the seats, when no thread receives there any more. */
  close(): void {
    this.#cancelUpdate?.();
    this.#clients.clear();
    for (const { fd, reports } of this.#seats.values()) this.#closeAll([fd, reports]);
    this.#seats.clear();
    this.#isRefused = true;
  }

  #open(): Seat | undefined {
    const number = 1 + 2 * this.#seats.size;
    const fd = openSharer(this.#libc, this.first);
    const reports = fd === undefined ? undefined : openSharer(this.#libc, this.first);
    if (fd !== undefined && reports !== undefined && this.#choose(fd)) {
      return { number, fd, reports };
    }
    this.#closeAll([reports, fd].filter((one) => one !== undefined));
    if (this.#seats.size === 0) allowSharing(this.#libc, this.first.fd, false);
    return undefined;
  }

  #closeAll(fds: readonly number[]): void {
    for (const fd of fds) this.#libc.sharing.close(fd);
  }

  #updateSoon(): void {
    this.#cancelUpdate ??= this.#timers.after(GATHER_MS, () => this.#update());
  }

  #update(): void {
    this.#cancelUpdate?.();
    this.#cancelUpdate = undefined;
    const [seat] = this.#seats.values();
    if (seat !== undefined) this.#choose(seat.fd);
  }

  /** Old kernels take no program as long as the longest: then it is about fewer clients. */
  #choose(fd: number): boolean {
    for (;;) {
      const seats = new Map<number, number>();
      for (const { key, thread } of this.#clients.values()) {
        if (seats.size >= this.#most) break;
        if (!seats.has(key)) seats.set(key, this.#seats.get(thread)!.number);
      }
      if (chooseBy(this.#libc, fd, steeringProgram(seats))) return true;
      if (seats.size === 0) return false;
      this.#most = seats.size >> 1;
    }
  }
}
