/**
 * Where the TURN server listens: UDP sockets, and TCP or TLS for those who get nothing else out.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { Cancel, Platform, Timers } from "../../base/platform.ts";
import type { IpNetwork } from "../../wire/ip_network.ts";
import type { Datagrams } from "../datagrams/datagrams.ts";
import type { Endpoint } from "../datagrams/socket_options.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import type { StunReceiver } from "../ice/ice_directory.ts";
import type { CertificateSource } from "../tcp/certificate.ts";
import type { TurnStray } from "../tcp/tcp_handover.ts";
import { openTcpMux, type TcpMux } from "../tcp/tcp_mux.ts";
import { TurnDatagrams } from "./turn_datagrams.ts";
import { TurnServer, type TurnServerOptions } from "./turn_server.ts";
import { TurnStream } from "./turn_stream.ts";

/** Literal addresses. */
export interface TurnAddresses {
  readonly udp: readonly { readonly hostname: string; readonly port: number }[];
  readonly streams: readonly { readonly hostname: string; readonly port: number }[];
}

/** Where its UDP sockets come from. */
export interface TurnPorts {
  openDatagrams(options: {
    readonly hostname: string;
    readonly port: number;
    readonly drops: DropSink<TransportDrop>;
    readonly timers: Timers;
  }): Promise<Datagrams>;
  /** As `MediaPorts` has it. */
  limitUnsent(local: Endpoint): void;
}

/** What an operator decides. */
export interface TurnSetup extends
  Pick<
    TurnServerOptions,
    "relayed" | "allocationsPerParticipant" | "secretOf" | "isOwn"
  > {
  readonly listen: TurnAddresses;
  /** Absent: streams are plain TCP, behind whatever ends TLS. */
  readonly certificate?: CertificateSource;
  /** Whose streams begin with a header of the PROXY protocol. */
  readonly proxies?: readonly IpNetwork[];
}

/** What the server hangs on. */
export interface TurnListenersOptions extends TurnSetup {
  readonly directory: StunReceiver;
  readonly platform: Platform;
  readonly drops: DropSink<TransportDrop>;
}

/** The TURN server of a node with its sockets. */
export class TurnListeners {
  readonly server: TurnServer;
  readonly #options: TurnListenersOptions;
  readonly #udp: TurnDatagrams[] = [];
  readonly #streams: TcpMux[] = [];
  #cancelWatch: Cancel | undefined;

  constructor(options: TurnListenersOptions) {
    this.#options = options;
    const { clock, random } = options.platform;
    this.server = new TurnServer({ ...options, clock, random });
  }

  /**
   * @param onBatchEnd After each batch of what came, before what is queued leaves.
   * @throws {SfuError} for an address that cannot be listened on.
   */
  async open(ports: TurnPorts, onBatchEnd: (now: number) => void): Promise<void> {
    const { udp, streams } = this.#options.listen;
    const { platform: { clock, timers, log }, drops, directory } = this.#options;
    const { certificate, proxies = [] } = this.#options;
    const { server } = this;
    for (const { hostname, port } of udp) {
      const datagrams = await ports.openDatagrams({ hostname, port, drops, timers });
      const carrier = new TurnDatagrams({ datagrams, server, clock, drops, log });
      carrier.onBatchEnd = (now) => {
        onBatchEnd(now);
        datagrams.flush();
      };
      this.#udp.push(carrier);
    }
    for (const { hostname, port } of streams) {
      const mux = await openTcpMux({
        hostname,
        port,
        directory,
        clock,
        timers,
        drops,
        log,
        proxies,
        onListening: (local) => ports.limitUnsent(local),
        ...(certificate === undefined ? {} : { certificate: certificate.current }),
        connect: (stream, remote, host) => new TurnStream(stream, remote, host, server),
      });
      mux.onBatchEnd = onBatchEnd;
      this.#streams.push(mux);
    }
    this.#cancelWatch = certificate?.watch((renewed) => {
      for (const mux of this.#streams) mux.renew(renewed);
    });
  }

  /** Takes what another thread received at one of the UDP sockets' addresses. */
  receiveStray({ local, remote, bytes }: TurnStray): void {
    const carrier = this.#udp.find(({ datagrams: { localAddress } }) =>
      localAddress.port === local.port && localAddress.hostname === local.hostname
    );
    carrier?.receiveStray(bytes, { transport: "udp", ...remote });
  }

  /** As bound. */
  get bound(): TurnAddresses {
    return {
      udp: this.#udp.map(({ datagrams }) => datagrams.localAddress),
      streams: this.#streams.map(({ localAddress }) => localAddress),
    };
  }

  /** Lets leave what is queued. */
  flush(): void {
    for (const { datagrams } of this.#udp) datagrams.flush();
  }

  async close(): Promise<void> {
    this.#cancelWatch?.();
    this.server.close();
    for (const { datagrams } of this.#udp) datagrams.close();
    for (const mux of this.#streams) mux.close();
    await Promise.all([
      ...this.#udp.map(({ datagrams }) => datagrams.closed),
      ...this.#streams.map(({ closed }) => closed),
    ]);
  }
}
