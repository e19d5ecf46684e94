/**
 * The process's own HTTP listener: `node:http` below a fetch-style handler, because there every
 * connection can be counted, timed and closed, which `Deno.serve` does not offer. An upgraded one
 * is handed to `ws` (`web_socket_upgrade.ts`). What comes before HTTP, a proxy's header and TLS, is
 * in `connection_prelude.ts`.
 *
 * A listener that no longer accepts says nothing (it ends so when descriptors run out), so it is
 * tried out from time to time, and opened again if it does not answer.
 *
 * @module
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { DropSink } from "../../base/drop_counters.ts";
import type { Cancel, Platform } from "../../base/platform.ts";
import type { HttpHandler } from "../../../routes/http_handler.ts";
import type { ServerDrop } from "../drop_reasons.ts";
import type { CertificateSource } from "../../transport/tcp/certificate.ts";
import {
  type Arrival,
  ConnectionPrelude,
  type PreludeDrop,
} from "../../transport/tcp/connection_prelude.ts";
import { type IpNetwork, isInNetworks } from "../../wire/ip_network.ts";
import { parseProxyHeader } from "../../wire/proxy_header.ts";
import type { HttpConnections } from "./http_connections.ts";
import { toRequest, writeLastResponse, writeResponse } from "./http_messages.ts";
import { offerConnection } from "./web_socket_upgrade.ts";

/** Bytes of a header: an access token, or a join request in the address. */
const MAX_HEADER_BYTES = 64 * 1024;
/** Connections that the system keeps while we are busy. */
const BACKLOG = 511;
/** How often connections whose time is over are looked for, ms. */
const SWEEP_MS = 1_000;
/** Without a newcomer for so long, the listener is tried out, ms. */
const PROBE_AFTER_MS = 5_000;
/**
 * Requests of a connection that are not answered yet. Clients hardly send any ahead of answers, and
 * all that one read brings are there at once: without an end, megabytes of them were kept.
 */
const MAX_UNANSWERED = 16;
/** A client that sends a body nobody wants has so long to read why, ms. */
const LINGER_MS = 1_000;

/** What a front needs. */
export interface HttpFrontOptions {
  readonly hostname: string;
  readonly port: number;
  readonly handler: HttpHandler;
  /** Of all listeners of the process. */
  readonly connections: HttpConnections<Socket>;
  readonly platform: Pick<Platform, "clock" | "timers" | "log">;
  readonly counters: DropSink<ServerDrop | PreludeDrop>;
  /** With a certificate connections are of TLS. */
  readonly certificate?: CertificateSource;
  /** Whose connections begin with a header of the PROXY protocol. */
  readonly proxies?: readonly IpNetwork[];
  /** Who comes with the requests of many: not limited by address. */
  readonly forwarders?: readonly IpNetwork[];
}

/** Why a connection is no HTTP, and what it has sent. */
interface ClientError extends Error {
  readonly code?: string;
  readonly rawPacket?: Uint8Array;
}

/** An open listener. */
export interface HttpListener {
  readonly port: number;
  /** Takes no more connections, and resolves when the last request and WebSocket has ended. */
  shutdown(): Promise<void>;
}

/** Listens. @throws what the system says against it. */
export async function openHttpFront(options: HttpFrontOptions): Promise<HttpListener> {
  const front = new HttpFront(options);
  await front.open();
  return front;
}

class HttpFront implements HttpListener {
  readonly #options: HttpFrontOptions;
  /** Its own among {@linkcode HttpFrontOptions.connections}. */
  readonly #sockets = new Set<Socket>();
  readonly #prelude: ConnectionPrelude;
  readonly #arrivals = new WeakMap<Socket, Arrival>();
  /** Requests that are not answered yet; none if absent. */
  readonly #unanswered = new WeakMap<Socket, number>();
  #server: Server | undefined;
  /** Speaks HTTP on a socket of {@linkcode HttpFront.#server}. */
  #speakHttp: (socket: Socket) => void = () => {};
  #port: number;
  #cancelSweep: Cancel | undefined;
  #acceptedAt: number;
  #accepted = 0;
  #closed: PromiseWithResolvers<void> | undefined;

  constructor(options: HttpFrontOptions) {
    this.#options = options;
    this.#port = options.port;
    this.#acceptedAt = options.platform.clock.now();
    const { proxies = [], certificate, platform: { timers }, counters } = options;
    this.#prelude = new ConnectionPrelude({
      proxies,
      ...(certificate === undefined ? {} : { certificate }),
      timers,
      counters,
      protocols: ["http/1.1"],
      onArrival: (connection, { hostname }) => this.#enter(connection, hostname),
      onReady: (socket, arrival) => {
        this.#arrivals.set(socket, arrival);
        const early = takeRead(socket);
        this.#speakHttp(socket);
        // Left with the socket they would be parsed behind what is read next: HTTP has that from
        // the connection itself.
        for (const bytes of early) socket.emit("data", bytes);
        // It was paused while a proxy's header was read.
        socket.resume();
      },
    });
  }

  get port(): number {
    return this.#port;
  }

  async open(): Promise<void> {
    await this.#listen();
    this.#scheduleSweep();
  }

  shutdown(): Promise<void> {
    if (this.#closed !== undefined) return this.#closed.promise;
    this.#closed = Promise.withResolvers();
    this.#cancelSweep?.();
    this.#server?.close();
    this.#prelude.close();
    for (const socket of this.#options.connections.dismissWaiting()) socket.destroy();
    this.#settle();
    return this.#closed.promise;
  }

  #createServer(): Server {
    const server = createServer({
      maxHeaderSize: MAX_HEADER_BYTES,
      // Time is ours to watch over: these would look at every connection again and again.
      headersTimeout: 0,
      requestTimeout: 0,
      keepAliveTimeout: 0,
    });
    server.on("request", (message, response) => this.#request(message, response, false));
    // Whoever asks before sending a body is told to go on when it is going to be read.
    server.on("checkContinue", (message, response) => this.#request(message, response, true));
    server.on("upgrade", (message, socket, head) => this.#upgrade(message, socket as Socket, head));
    server.on("clientError", (error, socket) => this.#clientError(error, socket as Socket));
    return server;
  }

  async #listen(): Promise<void> {
    const server = this.#createServer();
    // Its own listener speaks HTTP at once, and has to wait for what comes first.
    const own = server.listeners("connection");
    this.#speakHttp = (socket) => own.forEach((speak) => speak.call(server, socket));
    server.removeAllListeners("connection");
    server.on("connection", (connection: Socket) => {
      this.#acceptedAt = this.#options.platform.clock.now();
      this.#accepted++;
      this.#prelude.accept(connection);
    });
    const listening = Promise.withResolvers<void>();
    server.once("listening", () => listening.resolve());
    server.on("error", (error) => listening.reject(error));
    server.listen({ host: this.#options.hostname, port: this.#port, backlog: BACKLOG });
    await listening.promise;
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** @returns Whether it may stay. */
  #enter(socket: Socket, address: string): boolean {
    const { connections, platform: { clock }, counters, forwarders = [] } = this.#options;
    const isForwarder = isInNetworks(forwarders, address);
    const { admitted, evicted } = connections.enter(socket, address, clock.now(), isForwarder);
    if (evicted !== undefined) {
      counters.count("http_connection_gave_way");
      evicted.destroy();
    }
    if (!admitted) {
      counters.count("http_connection_refused");
      socket.destroy();
      return false;
    }
    this.#sockets.add(socket);
    socket.once("close", () => {
      if (!upgradedSockets.has(socket)) this.#leave(socket);
    });
    return true;
  }

  /** Of a socket that HTTP is spoken on. */
  #arrivalOf(socket: Socket): Arrival {
    return this.#arrivals.get(socket) ?? { connection: socket, origin: { hostname: "", port: 0 } };
  }

  #leave(socket: Socket): void {
    this.#options.connections.leave(socket);
    this.#sockets.delete(socket);
    this.#settle();
  }

  #settle(): void {
    if (this.#closed !== undefined && this.#sockets.size === 0) this.#closed.resolve();
  }

  #request(message: IncomingMessage, response: ServerResponse, asks: boolean): void {
    const { platform: { log } } = this.#options;
    if (!this.#mayAsk(message.socket)) return;
    this.#answer(message, response, asks).catch((error) => {
      log.error("HTTP request failed", { error });
      message.socket.destroy();
    });
  }

  /** Counts one more request; `false` if it is one too many, which ends the connection. */
  #mayAsk(socket: Socket): boolean {
    const unanswered = this.#unanswered.get(socket) ?? 0;
    // What was read before its end still comes here.
    if (socket.destroyed) return false;
    this.#unanswered.set(socket, unanswered + 1);
    if (unanswered < MAX_UNANSWERED) return true;
    this.#options.counters.count("http_too_many_requests_ahead");
    socket.destroy();
    return false;
  }

  async #answer(
    message: IncomingMessage,
    response: ServerResponse,
    asks: boolean,
  ): Promise<void> {
    const { connections, counters, handler, platform: { clock } } = this.#options;
    const { connection, origin: { hostname } } = this.#arrivalOf(message.socket);
    connections.requested(connection, clock.now());
    response.on("error", () => {});
    const request = this.#toRequest(message, () => asks && response.writeContinue());
    const isRefused = typeof request === "number";
    const answer = isRefused
      ? new Response(null, { status: request, headers: { "Connection": "close" } })
      : await handler(request, { remoteAddr: { hostname } });
    const unread = (isRefused || request.body !== null) && !message.readableEnded;
    if (unread || this.#closed !== undefined) response.setHeader("Connection", "close");
    response.once("finish", () => this.#rest(message, unread));
    const waits = (isWaiting: boolean) => {
      if (isWaiting) connections.answered(connection, clock.now());
      else connections.requested(connection, clock.now());
    };
    await writeResponse(answer, response, message.method === "HEAD", waits, (bytes) => {
      response.once("finish", () => connections.sent(connection, bytes));
      for (const slow of connections.sends(connection, bytes)) {
        counters.count("http_answer_not_taken");
        slow.destroy();
      }
    });
  }

  #toRequest(message: IncomingMessage, onRead?: () => void): Request | 400 | 431 {
    return toRequest(message, this.#options.certificate === undefined ? "http" : "https", onRead);
  }

  /** After an answer; a body that nobody has read is not worth reading any more. */
  #rest({ socket }: IncomingMessage, unread: boolean): void {
    const { connections, platform: { clock, timers } } = this.#options;
    const left = (this.#unanswered.get(socket) ?? 1) - 1;
    this.#unanswered.set(socket, left);
    const { connection } = this.#arrivalOf(socket);
    if (!unread && left > 0) return connections.requested(connection, clock.now());
    if (!unread) return connections.rests(connection, clock.now());
    // Ended at once, the client might not get to see the answer behind what it has still to send.
    timers.after(LINGER_MS, () => socket.destroy());
  }

  #upgrade(message: IncomingMessage, socket: Socket, head: Uint8Array): void {
    const { connections, handler, platform: { clock, log } } = this.#options;
    if (!this.#mayAsk(socket)) return;
    const { connection, origin: { hostname } } = this.#arrivalOf(socket);
    connections.requested(connection, clock.now());
    const upgrade = async () => {
      const request = this.#toRequest(message);
      if (typeof request === "number") return await refuse(new Response(null, { status: request }));
      let isTaken = false;
      const onTaken = () => {
        isTaken = true;
        upgradedSockets.add(connection);
        connections.upgraded(connection, clock.now());
      };
      offerConnection(request, {
        message,
        socket,
        head,
        onTaken,
        // No closure: those of one function hold all that any of them does, here the request, for
        // as long as the WebSocket lasts.
        onEnd: this.#leave.bind(this, connection),
      });
      const answer = await handler(request, { remoteAddr: { hostname } });
      if (!isTaken) await refuse(answer);
    };
    const refuse = async (answer: Response) => {
      connections.answered(connection, clock.now());
      await writeLastResponse(answer, socket);
    };
    upgrade().catch((error) => {
      log.error("HTTP request failed", { error });
      socket.destroy();
    });
  }

  /**
   * What is no HTTP, or too large a header of it: an answer where one can be given, and the end.
   */
  #clientError(error: ClientError, socket: Socket): void {
    const { code, rawPacket } = error;
    const isProxy = rawPacket !== undefined &&
      typeof parseProxyHeader(rawPacket, rawPacket.length) === "object";
    this.#options.counters.count(isProxy ? "http_proxy_header_ignored" : "http_malformed");
    const status = code === "HPE_HEADER_OVERFLOW"
      ? "431 Request Header Fields Too Large"
      : "400 Bad Request";
    if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
    this.#options.platform.timers.after(LINGER_MS, () => socket.destroy());
  }

  #scheduleSweep(): void {
    const { platform: { clock, timers }, connections, counters } = this.#options;
    this.#cancelSweep = timers.after(SWEEP_MS, () => {
      for (const socket of connections.expire(clock.now())) {
        counters.count("http_connection_timed_out");
        socket.destroy();
      }
      this.#scheduleSweep();
      if (clock.now() - this.#acceptedAt >= PROBE_AFTER_MS) this.#probe();
    });
  }

  /** Knocks at our own door: if it works, whoever knocks comes in like anybody else. */
  async #probe(): Promise<void> {
    const { platform: { clock, timers } } = this.#options;
    this.#acceptedAt = clock.now();
    const accepted = this.#accepted;
    const knocked = await knock(this.#options.hostname, this.#port);
    if (knocked === "unknown") return;
    if (knocked !== "refused") {
      await new Promise<void>((resolve) => timers.after(SWEEP_MS, resolve));
      knocked.close();
    }
    if (this.#closed === undefined && this.#accepted === accepted) await this.#reopen();
  }

  async #reopen(): Promise<void> {
    const { platform: { log }, counters } = this.#options;
    counters.count("http_listener_reopened");
    log.error("the HTTP listener no longer accepts connections, opening it again");
    this.#server?.close();
    this.#server = undefined;
    try {
      await this.#listen();
    } catch (error) {
      // Nobody answers then, so the next probe comes here again.
      log.error("the HTTP listener cannot be opened again, trying on", { error });
    }
    if (this.#closed !== undefined) (this.#server as Server | undefined)?.close();
  }
}

/** Takes what was read and nobody has seen yet, in order. */
function takeRead(socket: Socket): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  while (socket.readableLength > 0) {
    const chunk = socket.read();
    if (chunk === null) break;
    chunks.push(chunk);
  }
  return chunks;
}

/** Those whose end is the WebSocket's, and not the connection's that it took over. */
const upgradedSockets = new WeakSet<Socket>();

/** Connects to where `hostname` is bound; `unknown` if this machine cannot connect just now. */
async function knock(hostname: string, port: number): Promise<Deno.Conn | "refused" | "unknown"> {
  const target = hostname === "0.0.0.0" ? "127.0.0.1" : hostname === "::" ? "::1" : hostname;
  try {
    return await Deno.connect({ hostname: target, port });
  } catch (error) {
    return error instanceof Deno.errors.ConnectionRefused ? "refused" : "unknown";
  }
}
