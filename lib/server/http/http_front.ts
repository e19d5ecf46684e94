/**
 * The process's own HTTP listener: `node:http` below a fetch-style handler, because there every
 * connection can be counted, timed and closed, which `Deno.serve` does not offer. An upgraded one
 * is handed to `ws` (`web_socket_upgrade.ts`).
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
  readonly counters: DropSink<ServerDrop>;
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
  #server: Server | undefined;
  #port: number;
  #cancelSweep: Cancel | undefined;
  #acceptedAt: number;
  #accepted = 0;
  #closed: PromiseWithResolvers<void> | undefined;

  constructor(options: HttpFrontOptions) {
    this.#options = options;
    this.#port = options.port;
    this.#acceptedAt = options.platform.clock.now();
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
    for (const socket of this.#options.connections.dismissWaiting()) socket.destroy();
    this.#settle();
    return this.#closed.promise;
  }

  async #listen(): Promise<void> {
    const server = createServer({
      maxHeaderSize: MAX_HEADER_BYTES,
      // Time is ours to watch over: these would look at every connection again and again.
      headersTimeout: 0,
      requestTimeout: 0,
      keepAliveTimeout: 0,
    });
    server.on("connection", (socket: Socket) => this.#enter(socket));
    server.on("request", (message, response) => this.#request(message, response, false));
    // Whoever asks before sending a body is told to go on when it is going to be read.
    server.on("checkContinue", (message, response) => this.#request(message, response, true));
    server.on("upgrade", (message, socket, head) => this.#upgrade(message, socket as Socket, head));
    server.on("clientError", (error, socket) => this.#clientError(error, socket as Socket));
    const listening = Promise.withResolvers<void>();
    server.once("listening", () => listening.resolve());
    server.on("error", (error) => listening.reject(error));
    server.listen({ host: this.#options.hostname, port: this.#port, backlog: BACKLOG });
    await listening.promise;
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  #enter(socket: Socket): void {
    const { connections, platform: { clock }, counters } = this.#options;
    const now = this.#acceptedAt = clock.now();
    this.#accepted++;
    const { admitted, evicted } = connections.enter(socket, socket.remoteAddress ?? "", now);
    if (evicted !== undefined) {
      counters.count("http_connection_gave_way");
      evicted.destroy();
    }
    if (!admitted) {
      counters.count("http_connection_refused");
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    // Each failure of a connection is followed by its end.
    socket.on("error", () => {});
    socket.once("close", () => {
      if (!upgradedSockets.has(socket)) this.#leave(socket);
    });
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
    this.#answer(message, response, asks).catch((error) => {
      log.error("HTTP request failed", { error });
      message.socket.destroy();
    });
  }

  async #answer(
    message: IncomingMessage,
    response: ServerResponse,
    asks: boolean,
  ): Promise<void> {
    const { connections, handler, platform: { clock } } = this.#options;
    const { socket } = message;
    connections.requested(socket, clock.now());
    response.on("error", () => {});
    const request = toRequest(message, () => asks && response.writeContinue());
    const answer = request === undefined
      ? new Response(null, { status: 400, headers: { "Connection": "close" } })
      : await handler(request, { remoteAddr: { hostname: socket.remoteAddress ?? "" } });
    connections.answered(socket, clock.now());
    const unread = request?.body !== null && !message.readableEnded;
    if (unread || this.#closed !== undefined) response.setHeader("Connection", "close");
    response.once("finish", () => this.#rest(message, unread));
    await writeResponse(answer, response, message.method === "HEAD");
  }

  /** After an answer; a body that nobody has read is not worth reading any more. */
  #rest({ socket }: IncomingMessage, unread: boolean): void {
    const { connections, platform: { clock, timers } } = this.#options;
    if (!unread) return connections.rests(socket, clock.now());
    // Ended at once, the client might not get to see the answer behind what it has still to send.
    timers.after(LINGER_MS, () => socket.destroy());
  }

  #upgrade(message: IncomingMessage, socket: Socket, head: Uint8Array): void {
    const { connections, handler, platform: { clock, log } } = this.#options;
    connections.requested(socket, clock.now());
    const upgrade = async () => {
      const request = toRequest(message);
      if (request === undefined) return await refuse(new Response(null, { status: 400 }));
      let isTaken = false;
      const onTaken = () => {
        isTaken = true;
        upgradedSockets.add(socket);
        connections.upgraded(socket, clock.now());
      };
      offerConnection(request, {
        message,
        socket,
        head,
        onTaken,
        onEnd: () => this.#leave(socket),
      });
      const remoteAddr = { hostname: socket.remoteAddress ?? "" };
      const answer = await handler(request, { remoteAddr });
      if (!isTaken) await refuse(answer);
    };
    const refuse = async (answer: Response) => {
      connections.answered(socket, clock.now());
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
  #clientError(error: Error & { readonly code?: string }, socket: Socket): void {
    this.#options.counters.count("http_malformed");
    const status = error.code === "HPE_HEADER_OVERFLOW"
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
