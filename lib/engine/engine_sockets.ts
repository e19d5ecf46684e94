/**
 * The sockets of one engine: where it listens, what its clients are told of that, and the end of each
 * batch of what came.
 *
 * @module
 */
import type { DropCounters } from "../base/drop_counters.ts";
import type { MediaAddress } from "../base/media_vocabulary.ts";
import type { Platform } from "../base/platform.ts";
import type { Datagrams, PacketMarks } from "../transport/datagrams.ts";
import type { DistantTcp } from "../transport/distant_tcp.ts";
import type { IceDirectory } from "../transport/ice_directory.ts";
import type { MediaPorts } from "../transport/media_ports.ts";
import { openTcpMux, type TcpMux } from "../transport/tcp_mux.ts";
import { UdpMux } from "../transport/udp_mux.ts";
import { advertisedAddresses, type ListenAddress, requireAddress } from "./listen_address.ts";

/** What an engine opens. */
export interface EngineSocketsOptions {
  readonly platform: Platform;
  readonly udp: readonly ListenAddress[];
  readonly tcp: readonly ListenAddress[];
  /** ICE over TCP that another thread listens for. */
  readonly distantTcp?: DistantTcp;
  readonly drops: DropCounters;
  readonly marks?: PacketMarks;
  /** What was received in one go is to leave. */
  readonly onBatchEnd: (now: number) => void;
}

/** See the module text. */
export class EngineSockets {
  readonly #options: EngineSocketsOptions;
  readonly #udp: { readonly datagrams: Datagrams; readonly mux: UdpMux }[] = [];
  readonly #tcp: TcpMux[] = [];

  constructor(options: EngineSocketsOptions) {
    this.#options = options;
  }

  /** @throws {SfuError} for an address that cannot be listened on, or if there is none. */
  async open(directory: IceDirectory, ports: MediaPorts): Promise<void> {
    const { platform: { clock, timers, log }, udp, tcp, distantTcp, drops, marks } = this.#options;
    if (marks !== undefined && !ports.canMark) {
      log.warn("media packets are not marked: only native sockets can", { ...marks });
    }
    const onBatchEnd = (now: number) => this.#options.onBatchEnd(now);
    for (const { hostname, port } of udp) {
      const datagrams = await ports.openDatagrams({ hostname, port, drops, timers, ...marks });
      const mux = new UdpMux({ datagrams, directory, clock, drops, log });
      mux.onBatchEnd = onBatchEnd;
      this.#udp.push({ datagrams, mux });
    }
    for (const { hostname, port } of tcp) {
      const mux = await openTcpMux({ hostname, port, directory, clock, timers, drops, log });
      mux.onBatchEnd = onBatchEnd;
      this.#tcp.push(mux);
    }
    if (distantTcp === undefined) return requireAddress([...udp, ...tcp]);
    distantTcp.onBatchEnd = onBatchEnd;
    distantTcp.start(directory);
  }

  /** What clients are told, as bound. @param advertised Literal addresses, in order of preference. */
  addresses(advertised: readonly string[]): MediaAddress[] {
    const udp = this.#udp.map(({ datagrams }) => datagrams.localAddress);
    const tcp = this.#tcp.map((mux) => mux.localAddress);
    return [
      ...advertisedAddresses(advertised, "udp", udp),
      ...advertisedAddresses(advertised, "tcp", tcp),
    ];
  }

  /** Time spent on batches since the start, µs. */
  get busyUs(): number {
    return this.#udp.reduce((sum, { mux }) => sum + mux.busyUs, 0);
  }

  /** Sockets open now, those of TCP connections included. */
  get count(): number {
    const distant = this.#options.distantTcp?.size ?? 0;
    return this.#tcp.reduce((sum, mux) => sum + mux.connections.total, this.#udp.length + distant);
  }

  /** Datagrams handed to the system since the start. */
  get packetsOut(): number {
    return this.#udp.reduce((sum, { datagrams }) => sum + datagrams.counters.sent, 0);
  }

  /** Lets leave what is queued. */
  flush(): void {
    for (const { datagrams } of this.#udp) datagrams.flush();
  }

  async close(): Promise<void> {
    for (const { datagrams } of this.#udp) datagrams.close();
    for (const mux of this.#tcp) mux.close();
    this.#options.distantTcp?.close();
    await Promise.all([
      ...this.#udp.map(({ datagrams }) => datagrams.closed),
      ...this.#tcp.map((mux) => mux.closed),
    ]);
  }
}
