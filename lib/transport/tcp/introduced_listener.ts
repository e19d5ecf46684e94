/**
 * A TCP listener at which proxies say whom each connection is from (PROXY protocol) before anything
 * else, TLS included; a stand-in for the runtime's own listeners, which cannot begin TLS later.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { DropSink } from "../../base/drop_counters.ts";
import type { Timers } from "../../base/platform.ts";
import type { IpNetwork } from "../../wire/ip_network.ts";
import type { Certificate, CertificateSource } from "./certificate.ts";
import { ConnectionPrelude, type PreludeDrop } from "./connection_prelude.ts";
import type { ByteStream } from "./stream_writer.ts";

/** Connections that were accepted and not taken; more are for the system to keep. */
const BACKLOG = 511;

/** An accepted connection, and whom it is from. */
export interface AcceptedStream extends ByteStream {
  readonly remoteAddr: { readonly hostname: string; readonly port: number };
}

/** As much of a listener of the runtime as is used. */
export interface StreamListener {
  readonly addr: { readonly hostname: string; readonly port: number };
  /** Rejects when it is closed. */
  accept(): Promise<AcceptedStream>;
  close(): void;
  /** Handshakes from now on show another certificate; connections stay. Absent: it cannot. */
  renew?(certificate: Certificate): void;
}

/** What it needs. */
export interface IntroducedListenerOptions {
  readonly hostname: string;
  readonly port: number;
  /** Whose connections begin with a header. */
  readonly proxies: readonly IpNetwork[];
  /** With a certificate connections are of TLS. */
  readonly certificate?: Certificate;
  readonly timers: Timers;
  readonly drops: DropSink<PreludeDrop>;
}

/** Listens. @throws what the system says against it. */
export async function listenIntroduced(
  options: IntroducedListenerOptions,
): Promise<IntroducedListener> {
  const server = createServer({ noDelay: true });
  const listening = Promise.withResolvers<void>();
  server.once("listening", () => listening.resolve());
  server.on("error", (error) => listening.reject(error));
  server.listen({ host: options.hostname, port: options.port, backlog: BACKLOG });
  await listening.promise;
  return new IntroducedListener(server, options);
}

/** Made by {@linkcode listenIntroduced}. */
class IntroducedListener implements StreamListener {
  readonly addr: { readonly hostname: string; readonly port: number };
  readonly #server: Server;
  readonly #prelude: ConnectionPrelude;
  /** Those whose TLS has not begun. */
  readonly #unready = new Map<Socket, SocketStream>();
  /** Not taken yet. */
  readonly #accepted: SocketStream[] = [];
  #renewed: (certificate: Certificate) => void = () => {};
  #taker: PromiseWithResolvers<AcceptedStream> | undefined;
  #isClosed = false;

  constructor(server: Server, options: IntroducedListenerOptions) {
    const { certificate, proxies, timers, drops } = options;
    const { address, port } = server.address() as AddressInfo;
    this.addr = { hostname: address, port };
    this.#server = server;
    this.#prelude = new ConnectionPrelude({
      proxies,
      ...(certificate === undefined ? {} : { certificate: this.#source(certificate) }),
      timers,
      counters: drops,
      onArrival: (connection, remoteAddr) => this.#arrived(connection, remoteAddr),
      onReady: (socket, { connection }) => {
        this.#unready.get(connection)?.begin(socket);
        this.#unready.delete(connection);
      },
    });
    server.on("connection", (connection: Socket) => this.#prelude.accept(connection));
  }

  accept(): Promise<AcceptedStream> {
    if (this.#isClosed) return Promise.reject(new Error("The listener is closed"));
    const waiting = this.#accepted.shift();
    if (waiting !== undefined) return Promise.resolve(waiting);
    this.#taker ??= Promise.withResolvers();
    return this.#taker.promise;
  }

  renew(certificate: Certificate): void {
    this.#renewed(certificate);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#server.close();
    this.#prelude.close();
    for (const stream of this.#accepted.splice(0)) stream.close();
    this.#taker?.reject(new Error("The listener is closed"));
  }

  #source(current: Certificate): CertificateSource {
    return {
      current,
      watch: (renewed) => {
        this.#renewed = renewed;
        return () => {};
      },
    };
  }

  #arrived(connection: Socket, remoteAddr: AcceptedStream["remoteAddr"]): boolean {
    const stream = new SocketStream(connection, remoteAddr);
    this.#unready.set(connection, stream);
    connection.once("close", () => this.#unready.delete(connection));
    const taker = this.#taker;
    this.#taker = undefined;
    if (taker === undefined) this.#accepted.push(stream);
    else taker.resolve(stream);
    return true;
  }
}

/** A connection as a byte stream, which can be read once what comes first is over. */
class SocketStream implements AcceptedStream {
  readonly #connection: Socket;
  readonly #ready = Promise.withResolvers<Socket | undefined>();
  #rest: Uint8Array | undefined;

  constructor(connection: Socket, readonly remoteAddr: AcceptedStream["remoteAddr"]) {
    this.#connection = connection;
    connection.once("close", () => this.#ready.resolve(undefined));
  }

  /** What is spoken begins on `socket`. */
  begin(socket: Socket): void {
    this.#ready.resolve(socket);
  }

  async read(into: Uint8Array): Promise<number | null> {
    const socket = await this.#ready.promise;
    if (socket === undefined) return null;
    const chunk = this.#rest ?? await nextChunk(socket);
    if (chunk === undefined) return null;
    const length = Math.min(chunk.length, into.length);
    into.set(chunk.subarray(0, length));
    this.#rest = length < chunk.length ? chunk.subarray(length) : undefined;
    return length;
  }

  async write(bytes: Uint8Array): Promise<number> {
    const socket = await this.#ready.promise;
    if (socket === undefined) throw new Error("The connection is closed");
    await new Promise<void>((resolve, reject) => {
      // A view: a copy would be one of everything that is sent.
      const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      socket.write(view, (error) => error ? reject(error) : resolve());
    });
    return bytes.length;
  }

  close(): void {
    this.#connection.destroy();
  }
}

/** What has come, or comes next; `undefined` at the end. */
async function nextChunk(socket: Socket): Promise<Uint8Array | undefined> {
  for (;;) {
    const chunk: Uint8Array | null = socket.read();
    if (chunk !== null) return chunk;
    if (socket.readableEnded || socket.destroyed) return undefined;
    await new Promise<void>((resolve) => {
      const done = () => {
        for (const event of EVENTS) socket.removeListener(event, done);
        resolve();
      };
      for (const event of EVENTS) socket.once(event, done);
    });
  }
}

const EVENTS = ["readable", "end", "close"] as const;
