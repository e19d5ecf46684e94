/**
 * A UDP relay between clients and a server that loses, delays and holds up datagrams by a seed, as a
 * bad network does.
 *
 * @module
 */
import { createSocket, type Socket } from "node:dgram";
import { NarrowLink } from "../virtual/narrow_link.ts";
import { SeededRandom } from "../virtual/seeded_random.ts";

/** Lets clients in by every address of this machine, as they choose one of the server's. */
const ANY = "0.0.0.0";
/** What arrives sooner than this does not wait for a timer, ms. */
const AT_ONCE_MS = 0.5;

/**
 * Relays to any number of the server's ports; nothing is lost or held up until it is said. All
 * clients share the two links.
 */
export class LossyProxy implements AsyncDisposable {
  /** From clients to the server. */
  readonly up: NarrowLink;
  /** From the server to clients. */
  readonly down: NarrowLink;
  /** Sees what is relayed to the server. */
  onRelayed: (bytes: Uint8Array) => void = () => {};
  readonly #fronts = new Map<string, Promise<Socket>>();
  readonly #sockets = new Set<Socket>();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();

  constructor(seed: number) {
    const random = new SeededRandom(seed);
    this.up = new NarrowLink(random);
    this.down = new NarrowLink(random);
  }

  /** The part of datagrams that is lost, each way. */
  set loss(part: number) {
    this.up.loss = this.down.loss = part;
  }

  /** Datagrams that were lost. */
  get lost(): number {
    return this.up.lost + this.down.lost;
  }

  /** The port in front of one of the server's, on the same address. */
  async portFor(hostname: string, port: number): Promise<number> {
    const key = `${hostname}:${port}`;
    if (!this.#fronts.has(key)) this.#fronts.set(key, this.#openFront(hostname, port));
    return (await this.#fronts.get(key)!).address().port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    await Promise.all(
      [...this.#sockets].map((socket) =>
        new Promise<void>((resolve) => socket.close(() => resolve()))
      ),
    );
    this.#sockets.clear();
  }

  async #openFront(hostname: string, port: number): Promise<Socket> {
    const front = this.#socket();
    /** Client → its own socket towards the server. */
    const backs = new Map<string, Socket>();
    front.on("message", (bytes, client) => {
      const key = `${client.address}:${client.port}`;
      let back = backs.get(key);
      if (back === undefined) {
        backs.set(key, back = this.#socket());
        back.on("message", (answer) => {
          this.#pass(this.down, answer, front, client.port, client.address);
        });
      }
      this.#pass(this.up, bytes, back, port, hostname);
    });
    await new Promise<void>((resolve) => front.bind(0, ANY, resolve));
    return front;
  }

  #pass(link: NarrowLink, bytes: Uint8Array, socket: Socket, port: number, host: string): void {
    const now = performance.now();
    const at = link.arrival(bytes.length, now);
    if (at === undefined) return;
    if (link === this.up) this.onRelayed(bytes);
    if (at - now < AT_ONCE_MS) return socket.send(bytes, port, host);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      socket.send(bytes, port, host);
    }, at - now);
    this.#timers.add(timer);
  }

  #socket(): Socket {
    const socket = createSocket("udp4");
    // Nobody may listen any more where it goes.
    socket.on("error", () => {});
    this.#sockets.add(socket);
    return socket;
  }
}
