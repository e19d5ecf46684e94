/**
 * The sockets of one engine: where it listens, what its clients are told of that, and the end of
 * each batch of what came.
 *
 * @module
 */
import type { MediaAddress } from "../../base/media_vocabulary.ts";
import type { DistantTcp } from "../../transport/tcp/distant_tcp.ts";
import type { IceDirectory } from "../../transport/ice/ice_directory.ts";
import type { MediaPorts } from "../../transport/media_ports.ts";
import { openTcpMux, type TcpMux } from "../../transport/tcp/tcp_mux.ts";
import { TurnListeners, type TurnSetup } from "../../transport/turn/turn_listeners.ts";
import {
  advertisedAddresses,
  type ListenAddress,
  requireAddress,
  withoutWildcards,
} from "../messages/listen_address.ts";
import { UdpListeners, type UdpListenersOptions } from "./udp_listeners.ts";

/** What an engine opens. */
export interface EngineSocketsOptions extends UdpListenersOptions {
  readonly tcp: readonly ListenAddress[];
  /** ICE over TCP that another thread listens for. */
  readonly distantTcp?: DistantTcp;
  /** The TURN server; there is none here if absent. */
  readonly turn?: TurnSetup;
}

/**
 * One engine's sockets. Each batch that was received is ended once, after its last packet, and then
 * what was queued is sent.
 */
export class EngineSockets {
  readonly #options: EngineSocketsOptions;
  readonly #udp: UdpListeners;
  readonly #tcp: TcpMux[] = [];
  #turn: TurnListeners | undefined;

  constructor(options: EngineSocketsOptions) {
    this.#options = options;
    this.#udp = new UdpListeners(options);
  }

  /** @throws {SfuError} for an address that cannot be listened on, or if there is none. */
  async open(directory: IceDirectory, ports: MediaPorts): Promise<void> {
    const { platform: { clock, timers, log }, udp, distantTcp, drops, marks } = this.#options;
    if (marks !== undefined && !ports.canMark) {
      log.warn("media packets are not marked: only native sockets can", { ...marks });
    }
    const onBatchEnd = (now: number) => this.#options.onBatchEnd(now);
    await this.#udp.open(directory, ports);
    const tcp = withoutWildcards(this.#options.tcp, this.#options);
    for (const { hostname, port } of tcp) {
      const mux = await openTcpMux({ hostname, port, directory, clock, timers, drops, log });
      mux.onBatchEnd = onBatchEnd;
      this.#tcp.push(mux);
    }
    await this.#openTurn(directory, ports);
    if (distantTcp === undefined) return requireAddress([...udp, ...tcp]);
    distantTcp.onBatchEnd = onBatchEnd;
    distantTcp.start(directory);
  }

  async #openTurn(directory: IceDirectory, ports: MediaPorts): Promise<void> {
    const { turn, platform, drops } = this.#options;
    if (turn === undefined) return;
    this.#turn = new TurnListeners({ ...turn, directory, platform, drops });
    await this.#turn.open(ports, (now) => this.#options.onBatchEnd(now));
  }

  /**
   * What clients are told, as bound.
   *
   * @param advertised Literal addresses, in order of preference.
   */
  addresses(advertised: readonly string[]): MediaAddress[] {
    const tcp = this.#tcp.map((mux) => mux.localAddress);
    return [
      ...advertisedAddresses(advertised, "udp", this.#udp.bound),
      ...advertisedAddresses(advertised, "tcp", tcp),
    ];
  }

  /** UDP sockets that are open now. */
  get udp(): UdpListeners["sockets"] {
    return this.#udp.sockets;
  }

  /** Time spent on batches since the start, µs. */
  get busyUs(): number {
    return this.#udp.busyUs;
  }

  /** Sockets open now, those of TCP connections included. */
  get count(): number {
    const distant = this.#options.distantTcp?.size ?? 0;
    return this.#tcp.reduce((sum, mux) => sum + mux.connections.total, this.#udp.count + distant);
  }

  /** Datagrams handed to the system since the start. */
  get packetsOut(): number {
    return this.#udp.packetsOut;
  }

  /** Lets leave what is queued. */
  flush(): void {
    this.#udp.flush();
    this.#turn?.flush();
  }

  async close(): Promise<void> {
    const udpClosed = this.#udp.close();
    for (const mux of this.#tcp) mux.close();
    this.#options.distantTcp?.close();
    await Promise.all([
      udpClosed,
      this.#turn?.close(),
      ...this.#tcp.map((mux) => mux.closed),
    ]);
  }
}
