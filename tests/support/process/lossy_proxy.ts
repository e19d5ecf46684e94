/**
 * A UDP relay between clients and a server that loses datagrams by a seed, as a bad network does.
 *
 * @module
 */
import { createSocket, type Socket } from "node:dgram";
import { SeededRandom } from "../virtual/seeded_random.ts";

/** Lets clients in by every address of this machine, as they choose one of the server's. */
const ANY = "0.0.0.0";

/** Relays to any number of the server's ports; nothing is lost until it is said. */
export class LossyProxy implements AsyncDisposable {
  /** The part of datagrams that is lost, each way. */
  loss = 0;
  /** Datagrams that were lost. */
  lost = 0;
  /** Sees what is relayed. */
  onRelayed: (bytes: Uint8Array) => void = () => {};
  readonly #random: SeededRandom;
  readonly #fronts = new Map<string, Promise<Socket>>();
  readonly #sockets = new Set<Socket>();

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  /** The port in front of one of the server's, on the same address. */
  async portFor(hostname: string, port: number): Promise<number> {
    const key = `${hostname}:${port}`;
    if (!this.#fronts.has(key)) this.#fronts.set(key, this.#openFront(hostname, port));
    return (await this.#fronts.get(key)!).address().port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      [...this.#sockets].map((socket) =>
        new Promise<void>((resolve) => socket.close(() => resolve()))
      ),
    );
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
          if (!this.#loses()) front.send(answer, client.port, client.address);
        });
      }
      if (this.#loses()) return;
      this.onRelayed(bytes);
      back.send(bytes, port, hostname);
    });
    await new Promise<void>((resolve) => front.bind(0, ANY, resolve));
    return front;
  }

  #socket(): Socket {
    const socket = createSocket("udp4");
    // Nobody may listen any more where it goes.
    socket.on("error", () => {});
    this.#sockets.add(socket);
    return socket;
  }

  #loses(): boolean {
    const isLost = this.#random.chance(this.loss);
    if (isLost) this.lost++;
    return isLost;
  }
}
