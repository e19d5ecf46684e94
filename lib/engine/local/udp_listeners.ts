/**
 * The UDP sockets of one engine: one for each address of this machine, so that every answer leaves
 * from the address that was asked. Addresses that come and go later are followed.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import { SfuError } from "../../base/errors.ts";
import type { Cancel, Platform } from "../../base/platform.ts";
import type { Datagrams, PacketMarks } from "../../transport/datagrams/datagrams.ts";
import type { SocketLoop } from "../../transport/datagrams/socket_loop.ts";
import type { IceDirectory } from "../../transport/ice/ice_directory.ts";
import type { MediaPorts } from "../../transport/media_ports.ts";
import { type HopEntrance, UdpMux } from "../../transport/ice/udp_mux.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import { type AddressChoice, addressesOf, type ListenAddress } from "../messages/listen_address.ts";

/**
 * How often addresses that are new, or gone, are looked for, ms: so long media of whoever uses one
 * stands still. A look costs 0.1 ms.
 */
const LOOK_INTERVAL_MS = 2_000;
/** Ports tried until one is free on every address, where any will do. */
const PORT_TRIES = 8;

/** What the sockets are made with. */
export interface UdpListenersOptions extends AddressChoice {
  readonly platform: Platform;
  /** `0.0.0.0` and `::` mean a socket for each IPv4 address, and for each address. */
  readonly udp: readonly ListenAddress[];
  readonly drops: DropSink<EngineDrop>;
  readonly marks?: PacketMarks;
  /** What this thread waits in, if it is a thread of the engine's own. */
  readonly loop?: SocketLoop;
  readonly onBatchEnd: (now: number) => void;
  /** See {@linkcode Datagrams}. */
  readonly onFlushing?: () => void;
  /** The same, and by which socket. */
  readonly onFlushed?: (datagrams: Datagrams) => void;
  /** There are other sockets than before, because the machine's addresses have changed. */
  readonly onSockets?: () => void;
  readonly onHop?: HopEntrance;
}

/** One bound address. */
export interface UdpSocket {
  readonly hostname: string;
  readonly datagrams: Datagrams;
  readonly mux: UdpMux;
  /** The machine has the address no more: the socket is for those who may still come back. */
  isGone: boolean;
}

/** A listen address, with the real port, and the sockets that stand for it. */
interface Listener {
  readonly bound: ListenAddress;
  sockets: UdpSocket[];
}

type OpenSocket = (hostname: string, port: number) => Promise<UdpSocket>;

/**
 * One engine's sockets, one for each address. An answer leaves by the socket that was asked; after
 * `close` none is left, though addresses change.
 */
export class UdpListeners {
  readonly #options: UdpListenersOptions;
  readonly #listeners: Listener[] = [];
  /** Every socket of every listener; replaced when one comes or goes. */
  #sockets: readonly UdpSocket[] = [];
  /** What closed sockets had done. */
  #past = { busyUs: 0, packetsOut: 0 };
  #cancelLook: Cancel | undefined;
  #looking: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: UdpListenersOptions) {
    this.#options = options;
  }

  /** @throws {SfuError} for an address that cannot be listened on, or if the rule leaves none. */
  async open(directory: IceDirectory, ports: MediaPorts): Promise<void> {
    const { platform: { clock, timers, log }, drops, marks, loop } = this.#options;
    const { onBatchEnd, onFlushing, onFlushed, onHop } = this.#options;
    const hop = onHop === undefined ? {} : { onHop };
    const openSocket: OpenSocket = async (hostname, port) => {
      const datagrams = await ports.openDatagrams({
        hostname,
        port,
        drops,
        timers,
        ...marks,
        ...(loop === undefined ? {} : { loop }),
      });
      if (onFlushing !== undefined) datagrams.onFlushing = onFlushing;
      if (onFlushed !== undefined) datagrams.onFlushed = () => onFlushed(datagrams);
      const mux = new UdpMux({ datagrams, directory, clock, drops, log, ...hop });
      mux.onBatchEnd = onBatchEnd;
      return { hostname, datagrams, mux, isGone: false };
    };
    for (const address of this.#options.udp) {
      const hostnames = addressesOf(address, this.#options);
      const sockets = await this.#openAll(
        hostnames ?? [address.hostname],
        address.port,
        openSocket,
      );
      const { port } = sockets[0]!.datagrams.localAddress;
      this.#listeners.push({ bound: { hostname: address.hostname, port }, sockets });
      this.#refresh();
    }
    if (this.#listeners.some(({ bound }) => addressesOf(bound, this.#options) !== undefined)) {
      this.#lookLater(openSocket);
    }
  }

  /** As asked for, wildcards included, with the real ports. */
  get bound(): readonly ListenAddress[] {
    return this.#listeners.map(({ bound }) => bound);
  }

  /** Sockets open now. */
  get count(): number {
    return this.#sockets.length;
  }

  /** Every socket that is open now; another list when one comes or goes. */
  get sockets(): readonly UdpSocket[] {
    return this.#sockets;
  }

  /** Time spent on batches since the start, µs. */
  get busyUs(): number {
    return this.#sockets.reduce((sum, { mux }) => sum + mux.busyUs, this.#past.busyUs);
  }

  /** Datagrams handed to the system since the start. */
  get packetsOut(): number {
    return this.#sockets.reduce(
      (sum, { datagrams }) => sum + datagrams.counters.sent,
      this.#past.packetsOut,
    );
  }

  /** Lets leave what is queued. */
  flush(): void {
    for (const { datagrams } of this.#sockets) datagrams.flush();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelLook?.();
    await this.#looking;
    for (const { datagrams } of this.#sockets) datagrams.close();
    await Promise.all(this.#sockets.map(({ datagrams }) => datagrams.closed));
  }

  /**
   * Opens a socket on each address, all with one port. Those that are not there yet are left out.
   */
  async #openAll(
    hostnames: readonly string[],
    port: number,
    openSocket: OpenSocket,
  ): Promise<UdpSocket[]> {
    for (let tries = 1;; tries++) {
      const opened: UdpSocket[] = [];
      try {
        let missing: unknown;
        for (const hostname of hostnames) {
          try {
            const real = opened[0]?.datagrams.localAddress.port ?? port;
            opened.push(await openSocket(hostname, real));
          } catch (error) {
            if (!isMissing(error)) throw error;
            missing = error;
          }
        }
        if (opened.length === 0) throw missing;
        return opened;
      } catch (error) {
        for (const { datagrams } of opened) datagrams.close();
        await Promise.all(opened.map(({ datagrams }) => datagrams.closed));
        const isTaken = error instanceof SfuError && error.code === "address_in_use";
        if (port !== 0 || !isTaken || tries === PORT_TRIES) throw error;
      }
    }
  }

  #lookLater(openSocket: OpenSocket): void {
    if (this.#isClosed) return;
    this.#cancelLook = this.#options.platform.timers.after(LOOK_INTERVAL_MS, () => {
      this.#looking = this.#look(openSocket).finally(() => this.#lookLater(openSocket));
    });
  }

  /** Follows what has changed. Never rejects. */
  async #look(openSocket: OpenSocket): Promise<void> {
    const before = this.#present();
    for (const listener of this.#listeners) {
      let addresses: readonly string[] | undefined;
      try {
        addresses = addressesOf(listener.bound, this.#options);
      } catch {
        // Every address is gone; they may come back.
        continue;
      }
      if (addresses === undefined) continue;
      const known = new Set(listener.sockets.map(({ hostname }) => hostname));
      for (const hostname of addresses) {
        if (known.has(hostname) || this.#isClosed) continue;
        try {
          listener.sockets.push(await openSocket(hostname, listener.bound.port));
        } catch {
          this.#options.drops.count("udp_address_not_bound");
        }
      }
      this.#closeUnused(listener, addresses);
    }
    this.#refresh();
    if (this.#present() !== before && !this.#isClosed) this.#options.onSockets?.();
  }

  /** Addresses at which clients can be received now, as one text. */
  #present(): string {
    return this.#sockets.filter(({ isGone }) => !isGone).map(({ hostname }) => hostname).join();
  }

  /** Closes the sockets of addresses that are gone, unless somebody may still come back there. */
  #closeUnused(listener: Listener, addresses: readonly string[]): void {
    listener.sockets = listener.sockets.filter((socket) => {
      const { hostname, datagrams, mux } = socket;
      socket.isGone = !addresses.includes(hostname);
      if (!socket.isGone || mux.pathCount > 0) return true;
      this.#past.busyUs += mux.busyUs;
      this.#past.packetsOut += datagrams.counters.sent;
      datagrams.close();
      return false;
    });
  }

  #refresh(): void {
    this.#sockets = this.#listeners.flatMap(({ sockets }) => sockets);
  }
}

/**
 * An address that the machine does not have any more, or not yet (IPv6 looks for duplicates first).
 */
function isMissing(error: unknown): boolean {
  return error instanceof SfuError && error.code === "address_not_available";
}
