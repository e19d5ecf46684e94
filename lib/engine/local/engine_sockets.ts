/**
 * The sockets of one engine: where it listens, what its clients are told of that, and the end of
 * each batch of what came.
 *
 * @module
 */
import type { MediaAddress } from "../../base/media_vocabulary.ts";
import type { IpNetwork } from "../../wire/ip_network.ts";
import type { DistantTcp } from "../../transport/tcp/distant_tcp.ts";
import type { IceDirectory } from "../../transport/ice/ice_directory.ts";
import type { MediaPorts } from "../../transport/media_ports.ts";
import { openTcpMux, type TcpMux, type TcpMuxOptions } from "../../transport/tcp/tcp_mux.ts";
import {
  type AddressDiscovery,
  advertisedHosts,
  isBeyondLink,
} from "../messages/advertised_hosts.ts";
import { TurnListeners, type TurnSetup } from "../../transport/turn/turn_listeners.ts";
import {
  addressesOf,
  advertisedAddresses,
  isWildcard,
  type ListenAddress,
  requireAddress,
  withoutWildcards,
} from "../messages/listen_address.ts";
import { type AskingSocket, ExternalAddresses } from "./external_addresses.ts";
import { UdpListeners, type UdpListenersOptions } from "./udp_listeners.ts";

/** What an engine opens. */
export interface EngineSocketsOptions extends UdpListenersOptions {
  readonly tcp: readonly ListenAddress[];
  /** Whose TCP connections begin with a header of the PROXY protocol; nobody's if absent. */
  readonly tcpProxies?: readonly IpNetwork[];
  /** ICE over TCP that another thread listens for. */
  readonly distantTcp?: DistantTcp;
  /** The TURN server; there is none here if absent. */
  readonly turn?: TurnSetup;
  /** Literal addresses for candidates, in order of preference. */
  readonly advertised: readonly string[];
  /** In their place, what is found out and followed. */
  readonly discovery?: AddressDiscovery;
  /** Clients are to be told other addresses than before. */
  readonly onAddresses: () => void;
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
  /** Absent unless somebody outside is asked. */
  #external: ExternalAddresses | undefined;
  #hosts: readonly string[] = [];
  /** What others were told last, as one text. */
  #told = "";

  constructor(options: EngineSocketsOptions) {
    this.#options = options;
    this.#udp = new UdpListeners({ ...options, onSockets: () => this.#socketsChanged() });
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
    const { tcpProxies: proxies = [] } = this.#options;
    const onListening: TcpMuxOptions["onListening"] = (local) => ports.limitUnsent(local);
    const shared = { directory, clock, timers, drops, log, proxies, onListening };
    for (const { hostname, port } of tcp) {
      const mux = await openTcpMux({ hostname, port, ...shared });
      mux.onBatchEnd = onBatchEnd;
      this.#tcp.push(mux);
    }
    await this.#openTurn(directory, ports);
    if (distantTcp === undefined) requireAddress([...udp, ...tcp]);
    else {
      distantTcp.onBatchEnd = onBatchEnd;
      distantTcp.start(directory);
    }
    await this.#findHosts(ports);
  }

  async #findHosts(ports: MediaPorts): Promise<void> {
    const { discovery, platform, drops } = this.#options;
    if (discovery?.external !== undefined) {
      const isTcpOnly = this.#udp.count === 0;
      this.#external = new ExternalAddresses({
        platform,
        drops,
        // What has no UDP port cannot be reached there.
        discovery: isTcpOnly ? { ...discovery.external, validates: false } : discovery.external,
        sockets: async () =>
          isTcpOnly
            ? await this.#socketsToAsk(ports)
            : this.#udp.sockets.filter(({ hostname, isGone }) => !isGone && isBeyondLink(hostname)),
        openBeside: (hostname) => this.#openBeside(hostname, ports),
        changed: () => this.#refreshHosts(),
      });
      await this.#external.ask();
    }
    this.#hosts = this.#hostsNow();
    this.#told = this.#addressText();
  }

  #openBeside(hostname: string, ports: MediaPorts): ReturnType<MediaPorts["openDatagrams"]> {
    const { platform: { timers }, drops, loop } = this.#options;
    const inLoop = loop === undefined ? {} : { loop };
    return ports.openDatagrams({ hostname, port: 0, drops, timers, ...inLoop });
  }

  /** Sockets for the question alone, where there is no UDP. */
  async #socketsToAsk(ports: MediaPorts): Promise<readonly AskingSocket[]> {
    const { clock } = this.#options.platform;
    const sockets: AskingSocket[] = [];
    for (const hostname of this.#locals().filter(isBeyondLink)) {
      try {
        const datagrams = await this.#openBeside(hostname, ports);
        const mux: AskingSocket["mux"] = { stunListener: undefined };
        datagrams.onDatagram = (bytes, length, remote) =>
          void mux.stunListener?.(bytes, length, remote, clock.now());
        sockets.push({ hostname, datagrams, mux, close: () => datagrams.close() });
      } catch {
        // An address that went meanwhile.
      }
    }
    return sockets;
  }

  /** The machine's addresses that media uses. */
  #locals(): readonly string[] {
    const bound = this.#udp.sockets.filter(({ isGone }) => !isGone).map(({ hostname }) => hostname)
      .filter((hostname) => !isWildcard(hostname));
    if (this.#udp.count > 0) return bound;
    return addressesOf({ hostname: "::", port: 0 }, this.#options) ?? [];
  }

  #hostsNow(): readonly string[] {
    const { discovery, advertised } = this.#options;
    if (discovery === undefined) return advertised;
    return advertisedHosts(this.#locals(), discovery, this.#external?.found);
  }

  #socketsChanged(): void {
    this.#refreshHosts();
    this.#external?.socketsChanged();
    this.#options.onSockets?.();
  }

  #refreshHosts(): void {
    // Until it is open there is nobody to tell.
    if (this.#hosts.length === 0) return;
    this.#hosts = this.#hostsNow();
    const now = this.#addressText();
    if (now === this.#told) return;
    this.#told = now;
    this.#options.onAddresses();
  }

  /** What clients and other nodes are told. */
  #addressText(): string {
    return [...this.#hosts, ...this.relayAddresses.map(({ hostname }) => hostname)].join();
  }

  async #openTurn(directory: IceDirectory, ports: MediaPorts): Promise<void> {
    const { turn, platform, drops } = this.#options;
    if (turn === undefined) return;
    this.#turn = new TurnListeners({ ...turn, directory, platform, drops });
    await this.#turn.open(ports, (now) => this.#options.onBatchEnd(now));
  }

  /** The literal addresses that candidates show, in order of preference. */
  get hosts(): readonly string[] {
    return this.#hosts;
  }

  /** Where engines of other nodes reach this one: by the machine's own addresses as well. */
  get relayAddresses(): MediaAddress[] {
    const own = this.#external === undefined ? [] : this.#locals().filter(isBeyondLink);
    return advertisedAddresses([...new Set([...own, ...this.#hosts])], "udp", this.#udp.bound);
  }

  /** What clients are told, as bound. */
  get addresses(): MediaAddress[] {
    const advertised = this.#hosts;
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
    this.#options.distantTcp?.flush();
  }

  async close(): Promise<void> {
    this.#external?.close();
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
