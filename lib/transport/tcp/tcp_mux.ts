/**
 * One TCP listener for every session (ICE-TCP passive). The first proven STUN request on a
 * connection names its session; connections that name none are few, from no one address many,
 * short-lived, and give way to newcomers (`tcp_strangers.ts`).
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { Clock, Log, Timers } from "../../base/platform.ts";
import type { IpNetwork } from "../../wire/ip_network.ts";
import { bindError } from "../datagrams/bind_error.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import type { StunReceiver } from "../ice/ice_directory.ts";
import type { RemoteAddress } from "../datagrams/datagrams.ts";
import type { Endpoint } from "../datagrams/socket_options.ts";
import type { Certificate } from "./certificate.ts";
import type { AcceptedStream, StreamListener } from "./introduced_listener.ts";
import type { ByteStream } from "./stream_writer.ts";
import {
  DEFAULT_TCP_LIMITS,
  type TcpConnection,
  type TcpLimits,
  type TcpPathHost,
} from "./tcp_connection.ts";
import { TcpPath } from "./tcp_path.ts";
import { TcpStrangers } from "./tcp_strangers.ts";

/** What the mux needs. */
export interface TcpMuxOptions {
  /** Literal address; `0.0.0.0` or `::` (both families on most systems) for all interfaces. */
  readonly hostname: string;
  /** 0 for any. */
  readonly port: number;
  readonly directory: StunReceiver;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly drops: DropSink<TransportDrop>;
  readonly log: Log;
  readonly limits?: Partial<TcpLimits>;
  /** With a certificate connections are of TLS. */
  readonly certificate?: Certificate;
  /** Whose connections begin with a header of the PROXY protocol; nobody's if absent. */
  readonly proxies?: readonly IpNetwork[];
  /** Is told of each listener that is opened, before it accepts anybody. */
  readonly onListening?: (local: Endpoint) => void;
  /** What is spoken; absent: ICE over TCP. */
  readonly connect?: ConnectionMaker;
}

/** Makes one accepted stream a connection. */
export type ConnectionMaker = (
  stream: ByteStream,
  remote: RemoteAddress,
  host: TcpPathHost,
) => TcpConnection;

/** Pause after a failed accept, ms: out of file descriptors is the usual cause, and passes. */
const ACCEPT_PAUSE_MS = 100;
/** The same after a port that was ours is not free yet. */
const LISTEN_AGAIN_MS = 10;

/**
 * Starts listening.
 *
 * @throws `SfuError` `address_in_use`, `address_not_available` or `permission_denied`.
 */
export async function openTcpMux(options: TcpMuxOptions): Promise<TcpMux> {
  const { hostname, port, certificate, proxies = [] } = options;
  try {
    const listener = proxies.length === 0
      ? listen(hostname, port, certificate)
      : await listenIntroduced(options, proxies);
    return new TcpMux(listener, options);
  } catch (error) {
    throw bindError(error, "tcp", hostname, port);
  }
}

/** Whoever has no such proxies does without the modules for it. */
async function listenIntroduced(
  options: TcpMuxOptions,
  proxies: readonly IpNetwork[],
): Promise<StreamListener> {
  const { listenIntroduced } = await import("./introduced_listener.ts");
  return await listenIntroduced({ ...options, proxies });
}

function listen(
  hostname: string,
  port: number,
  certificate: Certificate | undefined,
): StreamListener {
  return certificate === undefined
    ? Deno.listen({ transport: "tcp", hostname, port }) as StreamListener
    : Deno.listenTls({ hostname, port, ...certificate }) as StreamListener;
}

/** Made by {@linkcode openTcpMux}. */
export class TcpMux implements TcpPathHost {
  readonly directory: StunReceiver;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly drops: DropSink<TransportDrop>;
  readonly log: Log;
  readonly limits: TcpLimits;
  readonly isPlain: boolean;
  /** After what one read brought was delivered; set by the engine. Must not throw. */
  onBatchEnd: (now: number) => void = () => {};
  /** As bound: the port is the real one when 0 was asked for. */
  readonly localAddress: { readonly hostname: string; readonly port: number };
  /** Settles when, after `close`, no operation is pending; never rejects. */
  readonly closed: Promise<void>;
  #listener: StreamListener;
  readonly #connect: ConnectionMaker;
  readonly #onListening: (local: Endpoint) => void;
  readonly #paths = new Set<TcpConnection>();
  readonly #strangers: TcpStrangers<TcpConnection>;
  #certificate: Certificate | undefined;
  #isRenewing = false;
  #isClosed = false;

  constructor(listener: StreamListener, options: TcpMuxOptions) {
    this.directory = options.directory;
    this.clock = options.clock;
    this.timers = options.timers;
    this.drops = options.drops;
    this.log = options.log;
    this.isPlain = options.certificate === undefined && (options.proxies ?? []).length === 0;
    this.limits = { ...DEFAULT_TCP_LIMITS, ...options.limits };
    this.#strangers = new TcpStrangers(this.limits);
    this.#listener = listener;
    this.#certificate = options.certificate;
    this.#connect = options.connect ?? ((...parts) => new TcpPath(...parts));
    const { hostname, port } = listener.addr;
    this.localAddress = { hostname, port };
    this.#onListening = options.onListening ?? (() => {});
    this.#onListening(this.localAddress);
    this.closed = this.#accept();
  }

  /** Open connections, and how many of them have not named a session. */
  get connections(): { readonly total: number; readonly unnamed: number } {
    return { total: this.#paths.size, unnamed: this.#strangers.size };
  }

  /** Stops listening and closes all connections once their queues are written. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (!this.#isRenewing) this.#listener.close();
    for (const path of [...this.#paths]) path.close();
  }

  /**
   * Listens with another certificate from now on; connections that are there stay. Whatever is
   * wrong with it, the old one is used on.
   *
   * @returns Whether the new one is used.
   */
  renew(certificate: Certificate): boolean {
    if (this.#isClosed) return false;
    try {
      listen(this.localAddress.hostname, 0, certificate).close();
    } catch (error) {
      this.log.error("A certificate cannot be used", { error });
      return false;
    }
    if (this.#listener.renew !== undefined) {
      this.#listener.renew(certificate);
      return true;
    }
    this.#certificate = certificate;
    this.#isRenewing = true;
    this.#listener.close();
    return true;
  }

  /** The port is free a little after its listener was closed. */
  async #listenAgain(): Promise<void> {
    const { hostname, port } = this.localAddress;
    while (!this.#isClosed && this.#isRenewing) {
      try {
        this.#listener = listen(hostname, port, this.#certificate);
        this.#isRenewing = false;
        this.#onListening(this.localAddress);
      } catch {
        await new Promise<void>((resume) => this.timers.after(LISTEN_AGAIN_MS, resume));
      }
    }
  }

  /** For {@linkcode TcpConnection}. */
  unnamedDone(path: TcpConnection): void {
    this.#strangers.delete(path);
  }

  /** For {@linkcode TcpConnection}. */
  ended(path: TcpConnection): void {
    this.#paths.delete(path);
  }

  async #accept(): Promise<void> {
    /** Connections that may have operations pending. */
    const alive = new Set<Promise<void>>();
    while (!this.#isClosed) {
      let conn: AcceptedStream;
      try {
        conn = await this.#listener.accept();
      } catch {
        if (this.#isClosed) break;
        if (this.#isRenewing) {
          await this.#listenAgain();
          continue;
        }
        this.drops.count("tcp_accept_failed");
        await new Promise<void>((resume) => this.timers.after(ACCEPT_PAUSE_MS, resume));
        continue;
      }
      const done = this.#admit(conn)?.done;
      if (done === undefined) continue;
      alive.add(done);
      done.finally(() => alive.delete(done));
    }
    await Promise.all(alive);
  }

  #admit(conn: AcceptedStream): TcpConnection | undefined {
    const { hostname, port } = conn.remoteAddr;
    if (this.#isClosed) {
      conn.close();
      return undefined;
    }
    const other = this.#strangers.inTheWayOf(hostname);
    other?.stranger.giveWay(other.reason);
    try {
      // Media must not wait for acknowledgements of earlier packets.
      if (isTcp(conn)) conn.setNoDelay(true);
    } catch {
      // Already reset by the peer: the first read will say so.
    }
    const path = this.#connect(conn, { transport: "tcp", hostname, port }, this);
    this.#paths.add(path);
    this.#strangers.add(path);
    return path;
  }
}

/** Those of TLS have no such switch, and wait for nothing. */
function isTcp(conn: AcceptedStream): conn is Deno.TcpConn {
  return "setNoDelay" in conn;
}
