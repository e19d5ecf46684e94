/**
 * The network between nodes on virtual time: connections with delay, jitter and a bandwidth, that
 * are cut, half cut, partitioned, or not read.
 *
 * @module
 */
import type { LinkDial, LinkSocket } from "../../../lib/cluster/link/link_socket.ts";
import type { VirtualPlatform } from "./virtual_platform.ts";

/** What connects a pair of nodes. */
export interface LinkWeather {
  /** One way, ms. */
  readonly delayMs: number;
  /** Added to it, up to so much; what was sent first arrives first all the same. */
  readonly jitterMs: number;
  /** Each way, bytes per ms; `Infinity` is no limit. */
  readonly bytesPerMs: number;
}

/** Takes a newcomer's socket, or refuses it. */
export type LinkDoor = (token: string) => ((socket: LinkSocket) => void) | undefined;

interface Place {
  readonly node: string;
  readonly door: LinkDoor;
}

/** All connections between nodes of a test. */
export class LinkNetwork {
  weather: LinkWeather;
  /** Every connection that has not ended at both ends. */
  readonly #wires = new Set<Wire>();
  readonly #places = new Map<string, Place>();
  readonly #partitions = new Set<string>();
  readonly #deaf = new Set<string>();
  /** How many connections were dialled. */
  dialled = 0;

  constructor(readonly platform: VirtualPlatform, weather: Partial<LinkWeather> = {}) {
    this.weather = { delayMs: 5, jitterMs: 0, bytesPerMs: Infinity, ...weather };
  }

  /** A node listens at `address`. */
  listen(address: string, node: string, door: LinkDoor): void {
    this.#places.set(address, { node, door });
  }

  /** A node is gone, and its connections with it: nobody is told but by `isTold`. */
  kill(node: string, isTold: boolean): void {
    for (const [address, place] of this.#places) {
      if (place.node === node) this.#places.delete(address);
    }
    for (const wire of [...this.#wires].filter((wire) => wire.joins(node))) wire.lose(node, isTold);
  }

  /** How `node` connects. */
  dialFrom(node: string): LinkDial {
    return (address, token) => {
      this.dialled++;
      const wire = new Wire(this, node, this.#places.get(address), token);
      this.#wires.add(wire);
      return wire.near;
    };
  }

  /** Nothing passes between two nodes until they are healed; it waits, as TCP makes it wait. */
  partition(a: string, b: string): void {
    this.#partitions.add(pair(a, b));
  }

  heal(a: string, b: string): void {
    this.#partitions.delete(pair(a, b));
    for (const wire of this.#between(a, b)) wire.resume();
  }

  healAll(): void {
    this.#partitions.clear();
    this.#deaf.clear();
    for (const wire of [...this.#wires]) wire.resume();
  }

  /** Connections between two nodes end, and both are told. */
  cut(a: string, b: string): void {
    for (const wire of this.#between(a, b)) wire.cut();
  }

  /** Connections between two nodes end, and only `told` learns of it. */
  halfOpen(told: string, other: string): void {
    for (const wire of this.#between(told, other)) wire.lose(other, true);
  }

  /** A node reads nothing, or reads again. */
  deafen(node: string, isDeaf: boolean): void {
    if (isDeaf) this.#deaf.add(node);
    else this.#deaf.delete(node);
    for (const wire of [...this.#wires].filter((wire) => wire.joins(node))) wire.resume();
  }

  /** Connections that are open at one end at least. */
  get connections(): number {
    return this.#wires.size;
  }

  /** Bytes that wait at one end of a connection. */
  get buffered(): number {
    return [...this.#wires].reduce((sum, { near, far }) => {
      return sum + near.bufferedAmount + far.bufferedAmount;
    }, 0);
  }

  /** @ignore for wires */
  blocks(from: string, to: string): boolean {
    return this.#partitions.has(pair(from, to)) || this.#deaf.has(to);
  }

  /** @ignore for wires */
  ended(wire: Wire): void {
    this.#wires.delete(wire);
  }

  #between(a: string, b: string): Wire[] {
    return [...this.#wires].filter((wire) => wire.joins(a) && wire.joins(b));
  }
}

function pair(a: string, b: string): string {
  return [a, b].sort().join(" ");
}

/** One connection: two ends, and a pipe each way. */
class Wire {
  readonly near: End;
  readonly far: End;

  constructor(
    readonly network: LinkNetwork,
    readonly dialler: string,
    readonly place: Place | undefined,
    token: string,
  ) {
    this.near = new End(this, dialler);
    this.far = new End(this, place?.node ?? "");
    this.near.out = new Pipe(network, this.near, this.far);
    this.far.out = new Pipe(network, this.far, this.near);
    this.near.out.send(() => this.#knock(token), 0);
  }

  joins(node: string): boolean {
    return this.near.node === node || this.far.node === node;
  }

  resume(): void {
    this.near.out.resume();
    this.far.out.resume();
  }

  cut(): void {
    this.near.end();
    this.far.end();
  }

  /** The end at `node` is gone without a word; the other one learns of it, or not. */
  lose(node: string, isTold: boolean): void {
    const [gone, other] = this.near.node === node ? [this.near, this.far] : [this.far, this.near];
    gone.mute();
    if (isTold) other.end();
  }

  #knock(token: string): void {
    const accept = this.place?.door(token);
    if (accept === undefined) return this.far.out.send(() => this.cut(), 0);
    accept(this.far);
  }
}

/** One end as its node has it. */
class End implements LinkSocket {
  out!: Pipe;
  onMessage: (data: Uint8Array | string) => void = () => {};
  onClose: () => void = () => {};
  /** Closed by its own node, which hears nothing any more but the end. */
  #closing = false;
  /** The node knows of the end, or is gone itself. */
  isEnded = false;

  constructor(readonly wire: Wire, readonly node: string) {}

  get bufferedAmount(): number {
    return this.out.buffered;
  }

  send(data: Uint8Array): void {
    if (this.#closing || this.isEnded) return;
    const copy = data.slice();
    this.out.send((to) => to.receive(copy), data.length);
  }

  close(_code: number, _reason: string): void {
    if (this.#closing || this.isEnded) return;
    this.#closing = true;
    this.out.send((to) => {
      to.end();
      this.end();
    }, 0);
  }

  receive(data: Uint8Array): void {
    if (!this.#closing && !this.isEnded) this.onMessage(data);
  }

  /** The node is gone: it says and hears nothing any more. */
  mute(): void {
    this.isEnded = true;
    this.#settle();
  }

  end(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.#settle();
    this.onClose();
  }

  #settle(): void {
    const { near, far, network } = this.wire;
    if (near.isEnded && far.isEnded) network.ended(this.wire);
  }
}

type Delivery = (to: End) => void;

/** One way of a wire: in order, later by delay and jitter, no faster than its bandwidth. */
class Pipe {
  buffered = 0;
  readonly #waiting: { readonly deliver: Delivery; readonly bytes: number }[] = [];
  /** Arrived while nothing passes. */
  readonly #held: Delivery[] = [];
  #isSending = false;
  #lastArrival = 0;
  /** When everything sent has left, a fraction of ms kept. */
  #freeAt = 0;

  constructor(readonly network: LinkNetwork, readonly from: End, readonly to: End) {}

  send(deliver: Delivery, bytes: number): void {
    this.#waiting.push({ deliver, bytes });
    this.buffered += bytes;
    this.#next();
  }

  resume(): void {
    if (this.#isBlocked) return;
    for (const deliver of this.#held.splice(0)) deliver(this.to);
    this.#next();
  }

  get #isBlocked(): boolean {
    return this.network.blocks(this.from.node, this.to.node);
  }

  #next(): void {
    while (!this.#isSending && !this.#isBlocked && this.#waiting.length > 0) {
      const { platform: { clock, timers }, weather: { bytesPerMs } } = this.network;
      const next = this.#waiting.shift()!;
      if (bytesPerMs === Infinity) {
        this.#depart(next);
        continue;
      }
      this.#isSending = true;
      this.#freeAt = Math.max(this.#freeAt, clock.now()) + next.bytes / bytesPerMs;
      timers.after(Math.ceil(this.#freeAt - clock.now()), () => {
        this.#isSending = false;
        this.#depart(next);
        this.#next();
      });
    }
  }

  #depart({ deliver, bytes }: { readonly deliver: Delivery; readonly bytes: number }): void {
    this.buffered -= bytes;
    const { platform: { clock, timers, random }, weather: { delayMs, jitterMs } } = this.network;
    const at = clock.now() + delayMs + (jitterMs > 0 ? random.below(jitterMs + 1) : 0);
    this.#lastArrival = Math.max(this.#lastArrival, at);
    timers.after(this.#lastArrival - clock.now(), () => {
      if (this.#isBlocked || this.#held.length > 0) this.#held.push(deliver);
      else deliver(this.to);
    });
  }
}
