/**
 * ICE over TCP, and TURN, for a pool: one port for all engines, listened on in the main thread.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { MediaAddress } from "../../base/media_vocabulary.ts";
import type { Platform } from "../../base/platform.ts";
import type { IpNetwork } from "../../wire/ip_network.ts";
import type { SocketLender } from "../../transport/tcp/lent_socket.ts";
import type { TcpFromSession } from "../../transport/tcp/tcp_handover.ts";
import { openTcpMux, type TcpMux } from "../../transport/tcp/tcp_mux.ts";
import { TcpSwitch } from "../../transport/tcp/tcp_switch.ts";
import type { TurnListeners, TurnSetup } from "../../transport/turn/turn_listeners.ts";
import type { NativeUse } from "../../transport/media_crypto.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import type { PoolTcp, PoolTcpHost } from "./engine_pool.ts";
import {
  type AddressChoice,
  advertisedAddresses,
  type ListenAddress,
  withoutWildcards,
} from "../messages/listen_address.ts";

/** Where a pool listens for TCP; nowhere if the list is empty. */
export interface TcpListenerOptions extends AddressChoice {
  readonly platform: Platform;
  readonly drops: DropSink<EngineDrop>;
  readonly tcp: readonly ListenAddress[];
  /** Whose connections begin with a header of the PROXY protocol; nobody's if absent. */
  readonly tcpProxies?: readonly IpNetwork[];
  /** The TURN server; there is none if absent. */
  readonly turn?: TurnSetup;
  readonly native?: NativeUse;
}

/** The pool's TCP ports. A lost engine's connections are closed, and those of the others go on. */
export class TcpListener implements PoolTcp {
  readonly #options: TcpListenerOptions;
  readonly #switch: TcpSwitch;
  readonly #muxes: TcpMux[] = [];
  #turn: TurnListeners | undefined;
  #lender: SocketLender | undefined;
  #loading: Promise<void> | undefined;

  constructor(options: TcpListenerOptions, host: PoolTcpHost) {
    this.#options = options;
    this.#switch = new TcpSwitch({
      threadOf: (ufrag) => host.engineOfUfrag(ufrag),
      post: (engine, message) => host.send(engine, message),
      drops: options.drops,
      clock: options.platform.clock,
      lender: () => this.#lenderOnceLoaded(),
      onStray: (stray) => this.#turn?.receiveStray(stray),
    });
  }

  /** Nodes that nobody reaches over TCP do without the modules of native sockets here. */
  #lenderOnceLoaded(): SocketLender | undefined {
    const { native = "off", platform: { timers } } = this.#options;
    this.#loading ??= import("../../transport/media_ports.ts").then(({ createLender }) => {
      this.#lender = createLender(native, timers);
    });
    return this.#lender;
  }

  async start(hosts: readonly string[]): Promise<readonly MediaAddress[]> {
    const { platform: { clock, timers, log }, drops } = this.#options;
    const { tcpProxies: proxies = [] } = this.#options;
    for (const { hostname, port } of withoutWildcards(this.#options.tcp, this.#options)) {
      const directory = this.#switch;
      this.#muxes.push(
        await openTcpMux({ hostname, port, directory, clock, timers, drops, log, proxies }),
      );
    }
    await this.#openTurn();
    return this.addresses(hosts);
  }

  addresses(hosts: readonly string[]): readonly MediaAddress[] {
    return advertisedAddresses(hosts, "tcp", this.#muxes.map((mux) => mux.localAddress));
  }

  async #openTurn(): Promise<void> {
    const { turn, native = "off", platform, drops } = this.#options;
    if (turn === undefined) return;
    // Nodes without it do without its modules, and without those of the sockets, in this thread.
    const [{ TurnListeners }, { chooseMediaPorts }] = await Promise.all([
      import("../../transport/turn/turn_listeners.ts"),
      import("../../transport/media_ports.ts"),
    ]);
    this.#turn = new TurnListeners({ ...turn, directory: this.#switch, platform, drops });
    await this.#turn.open(chooseMediaPorts(native), () => {});
  }

  receive(engine: number, message: TcpFromSession): void {
    this.#switch.receive(engine, message);
  }

  engineLost(engine: number): void {
    this.#switch.threadLost(engine);
  }

  async close(): Promise<void> {
    for (const mux of this.#muxes) mux.close();
    this.#lender?.close();
    await Promise.all([this.#turn?.close(), ...this.#muxes.map((mux) => mux.closed)]);
  }
}
