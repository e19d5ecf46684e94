/**
 * A TCP relay in front of a server, whose connections a test can cut: clients see their socket
 * reset and new ones refused, as when a proxy or a Wi-Fi fails, while datagrams go on untouched.
 *
 * @module
 */
import { connect, createServer, type Socket } from "node:net";

/**
 * A relay on a free port that passes bytes untouched until `cut`. Dispose it to end every
 * connection.
 */
export class TcpProxy implements AsyncDisposable {
  /** Sees each connection that comes, before it is relayed or refused. */
  onConnection: () => void = () => {};
  readonly #server;
  readonly #sockets = new Set<Socket>();
  #isCut = false;
  #port = 0;

  private constructor(readonly hostname: string, public target: number) {
    this.#server = createServer((incoming) => this.#relay(incoming));
  }

  /** @param target Port on `hostname` to relay to; may be set anew, for connections to come. */
  static async open(target: number, hostname = "127.0.0.1"): Promise<TcpProxy> {
    const proxy = new TcpProxy(hostname, target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, hostname, resolve));
    const address = proxy.#server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    proxy.#port = address.port;
    return proxy;
  }

  get port(): number {
    return this.#port;
  }

  /** Resets every connection and refuses new ones until {@linkcode TcpProxy.restore}. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  restore(): void {
    this.#isCut = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #relay(incoming: Socket): void {
    this.onConnection();
    if (this.#isCut) {
      incoming.resetAndDestroy();
      return;
    }
    const outgoing = connect(this.target, this.hostname);
    const ends = [[incoming, outgoing], [outgoing, incoming]] as const;
    for (const [from, to] of ends) {
      this.#sockets.add(from);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  }
}
