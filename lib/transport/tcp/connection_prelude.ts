/**
 * What comes before anything else on an accepted connection: a proxy's word on whom it is from
 * (PROXY protocol), and TLS.
 *
 * Contract: a connection is either handed on once, or destroyed; what it may take of time and bytes
 * before that is bounded here and by whoever is told of it first ({@linkcode
 * PreludeOptions.onArrival}).
 *
 * @module
 */
import type { Socket } from "node:net";
import { createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import type { DropSink } from "../../base/drop_counters.ts";
import { joinBytes } from "../../base/joined_bytes.ts";
import type { Cancel, Timers } from "../../base/platform.ts";
import { type IpNetwork, isInNetworks } from "../../wire/ip_network.ts";
import { parseProxyHeader } from "../../wire/proxy_header.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import type { Certificate, CertificateSource } from "./certificate.ts";

/** From a connection of a proxy to the end of its header, ms: proxies send it at once. */
const PROXY_HEADER_MS = 5_000;
/** Connections of proxies whose header has not come. */
const MAX_AWAITED_HEADERS = 1_024;

/** Why a connection does not come further than this. */
export type PreludeDrop = Extract<TransportDrop, `proxy_header_${string}` | `tls_${string}`>;

/** Who speaks. */
export interface Origin {
  readonly hostname: string;
  readonly port: number;
}

/** What comes first. */
export interface PreludeOptions {
  /** Whose connections begin with a header; those of all others begin without one. */
  readonly proxies: readonly IpNetwork[];
  /** Absent: there is no TLS. */
  readonly certificate?: CertificateSource;
  readonly timers: Timers;
  readonly counters: DropSink<PreludeDrop>;
  /** What comes next is spoken over TLS: these protocols are offered (ALPN). */
  readonly protocols?: readonly string[];
  /**
   * It is known whom a connection is from.
   *
   * @returns Whether it may go on; else it was destroyed.
   */
  readonly onArrival: (connection: Socket, origin: Origin) => boolean;
  /** What follows begins on `socket`. */
  readonly onReady: (socket: Socket, arrival: Arrival) => void;
}

/** Whom a socket is from, and the connection that carries it, or is it. */
export interface Arrival {
  readonly connection: Socket;
  readonly origin: Origin;
}

/** The prelude of all connections of one listener. */
export class ConnectionPrelude {
  readonly #options: PreludeOptions;
  /** Of handshakes that begin now; absent without TLS. */
  #context: SecureContext | undefined;
  readonly #awaited = new Set<Socket>();
  readonly #cancelWatch: Cancel | undefined;

  constructor(options: PreludeOptions) {
    this.#options = options;
    const { certificate } = options;
    if (certificate === undefined) return;
    this.#context = contextOf(certificate.current);
    this.#cancelWatch = certificate.watch((renewed) => this.#context = contextOf(renewed));
  }

  /** Takes a connection over; it has no listeners yet. */
  accept(connection: Socket): void {
    const { remoteAddress = "", remotePort = 0 } = connection;
    // Each failure of a connection is followed by its end.
    connection.on("error", () => {});
    if (isInNetworks(this.#options.proxies, remoteAddress)) return this.#awaitHeader(connection);
    this.#arrive(connection, { hostname: remoteAddress, port: remotePort });
  }

  /** Ends what has not arrived. */
  close(): void {
    this.#cancelWatch?.();
    for (const connection of this.#awaited) connection.destroy();
  }

  #arrive(connection: Socket, origin: Origin): void {
    const { onArrival, onReady } = this.#options;
    if (!onArrival(connection, origin)) return;
    const arrival = { connection, origin };
    if (this.#context === undefined) return onReady(connection, arrival);
    this.#secure(arrival, this.#context);
  }

  /** Not by a server of TLS: that keeps who does not shake hands for two minutes. */
  #secure(arrival: Arrival, secureContext: SecureContext): void {
    const { counters, onReady, protocols } = this.#options;
    const { connection } = arrival;
    const socket = new TLSSocket(connection, {
      isServer: true,
      secureContext,
      ...(protocols === undefined ? {} : { ALPNProtocols: [...protocols] }),
    });
    let isSecure = false;
    // Each failure of a connection is followed by its end.
    socket.on("error", () => {});
    // Not documented, and the only word on it where there is no server of TLS.
    socket.on("_tlsError", () => {
      if (!isSecure) counters.count("tls_handshake_failed");
      connection.destroy();
    });
    socket.once("secure", () => {
      isSecure = true;
      onReady(socket, arrival);
    });
  }

  #awaitHeader(connection: Socket): void {
    const { counters, timers } = this.#options;
    if (this.#awaited.size >= MAX_AWAITED_HEADERS) {
      counters.count("proxy_header_too_many");
      return void connection.destroy();
    }
    this.#awaited.add(connection);
    let head: Uint8Array = new Uint8Array();
    const end = (reason?: PreludeDrop) => {
      if (!this.#awaited.delete(connection)) return;
      cancel();
      connection.removeListener("data", onData);
      connection.removeListener("end", onEnd);
      connection.removeListener("close", onEnd);
      if (reason === undefined) return;
      counters.count(reason);
      connection.destroy();
    };
    // Whoever ends here says no more, and gets no answer: proxies that only look whether we listen.
    const onEnd = () => {
      end(head.length === 0 ? undefined : "proxy_header_malformed");
      connection.destroy();
    };
    const onData = (chunk: Uint8Array) => {
      head = head.length === 0 ? chunk : joinBytes([head, chunk]);
      const header = parseProxyHeader(head, head.length);
      if (header === "malformed") return end("proxy_header_malformed");
      if (header === "incomplete") return;
      end();
      connection.pause();
      if (header.length < head.length) connection.unshift(head.subarray(header.length));
      const { remoteAddress: hostname = "", remotePort: port = 0 } = connection;
      this.#arrive(connection, header.source ?? { hostname, port });
    };
    const cancel = timers.after(PROXY_HEADER_MS, () => end("proxy_header_timeout"));
    connection.on("data", onData);
    connection.once("end", onEnd);
    connection.once("close", onEnd);
  }
}

/** Bounded, as a header that is too long is none. */
function contextOf({ cert, key }: Certificate): SecureContext {
  return createSecureContext({ cert, key, minVersion: "TLSv1.2" });
}
