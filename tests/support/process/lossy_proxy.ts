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
/** How often the process looks whether it was late, ms, and between which looks it was. */
const PULSE_MS = 5;
const LATE_MS = 20;

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
  /** And to clients. */
  onAnswered: (bytes: Uint8Array) => void = () => {};
  readonly #fronts = new Map<string, Promise<Socket>>();
  readonly #sockets = new Set<Socket>();
  readonly #upWay = new DueQueue();
  readonly #downWay = new DueQueue();
  readonly #pulse = new Pulse();

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
    this.#upWay.end();
    this.#downWay.end();
    this.#pulse.end();
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
    const at = link.arrival(bytes.length, now, this.#pulse.since(now));
    if (at === undefined) return;
    if (link === this.up) this.onRelayed(bytes);
    else this.onAnswered(bytes);
    const way = link === this.up ? this.#upWay : this.#downWay;
    way.push({ at, send: () => socket.send(bytes, port, host) });
  }

  #socket(): Socket {
    const socket = createSocket("udp4");
    // Nobody may listen any more where it goes.
    socket.on("error", () => {});
    this.#sockets.add(socket);
    return socket;
  }
}

/** What is on its way in one direction, in its order: nothing overtakes, however late timers are. */
class DueQueue {
  readonly #waiting: { readonly at: number; readonly send: () => void }[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #hasEnded = false;

  push(due: { readonly at: number; readonly send: () => void }): void {
    // Sockets say what they had read already while others of the same way are closed.
    if (this.#hasEnded) return;
    this.#waiting.push(due);
    this.#flush();
  }

  end(): void {
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
  }

  #flush(): void {
    clearTimeout(this.#timer);
    const until = performance.now() + AT_ONCE_MS;
    while (this.#waiting.length > 0 && this.#waiting[0]!.at < until) this.#waiting.shift()!.send();
    const [next] = this.#waiting;
    if (next !== undefined) {
      this.#timer = setTimeout(() => this.#flush(), next.at + AT_ONCE_MS - until);
    }
  }
}

/**
 * Whether this process had the processor: what is read after a while without it came at any time
 * in that while.
 */
class Pulse {
  #last = performance.now();
  #before = this.#last;
  readonly #timer = setInterval(() => {
    this.#before = this.#last;
    this.#last = performance.now();
  }, PULSE_MS);

  /** Since when something may have been there that is read at `now`, ms. */
  since(now: number): number {
    // Of a late turn either timers or sockets may come first: two looks ago nothing waited.
    return now - this.#before > LATE_MS ? this.#before : now;
  }

  end(): void {
    clearInterval(this.#timer);
  }
}
