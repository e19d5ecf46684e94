/**
 * Who may hold one of the HTTP listener's connections, and for how long.
 *
 * Descriptors are few and strangers are many, so newcomers are preferred to those who wait: when
 * all places are taken, whoever has waited longest without a request gives way, first of all those
 * of the newcomer's own network. A connection with a request under way, or a WebSocket, never does.
 *
 * Pure state: no clock and no socket; the caller closes what it is told to.
 *
 * @module
 */
import { peerBlock } from "../../wire/ip_address.ts";

/** How many, and how long. */
export interface HttpConnectionLimits {
  /** In all. */
  readonly connections: number;
  /**
   * Without a request under way, and no WebSockets: when they all end at once, that takes its time.
   */
  readonly waiting: number;
  /** Of one IPv4 address or IPv6 /64, WebSockets not counted: a proxy has many of those. */
  readonly connectionsOfAddress: number;
  /** From a connection to the end of its first request's header, ms. */
  readonly headerMs: number;
  /** From an answer to the end of the next request's header, ms. */
  readonly idleMs: number;
  /** For an answer to be taken, ms. */
  readonly answerMs: number;
  /** Of answers that have not been taken, in all. */
  readonly unsentBytes: number;
  /** The same of one address. */
  readonly unsentBytesOfAddress: number;
}

/**
 * `fresh`: has sent no whole header yet. `idle`: was answered. `busy`: a request is being handled.
 * `answering`: the answer is on its way. `upgraded`: a WebSocket.
 */
type Phase = "fresh" | "idle" | "busy" | "answering" | "upgraded";

interface Place<C> {
  readonly connection: C;
  readonly block: Block<C>;
  readonly isForwarder: boolean;
  phase: Phase;
  since: number;
  /** Bytes of answers. */
  unsent: number;
}

/** The connections of one network. */
interface Block<C> {
  readonly key: string;
  readonly waiting: Readonly<Record<"fresh" | "idle", Set<Place<C>>>>;
  /** All but WebSockets. */
  count: number;
  /** All. */
  total: number;
  readonly sending: Sending<C>;
}

/** Connections that have answers to take, who took nothing for longest first. */
class Sending<C> {
  readonly places = new Set<Place<C>>();
  bytes = 0;

  add(place: Place<C>, bytes: number): void {
    this.places.add(place);
    this.bytes += bytes;
  }

  /** @param isAll Nothing is left of that connection. */
  remove(place: Place<C>, bytes: number, isAll: boolean): void {
    this.bytes -= bytes;
    this.places.delete(place);
    if (!isAll) this.places.add(place);
  }
}

/** What becomes of a newcomer. */
export interface Entry<C> {
  readonly admitted: boolean;
  /** Close it: it gave its place to the newcomer. */
  readonly evicted?: C;
}

/**
 * The places for connections. A connection with a request under way, or a WebSocket, never gives
 * way; whom to close is returned, as the caller holds the sockets.
 */
export class HttpConnections<C> {
  readonly #places = new Map<C, Place<C>>();
  readonly #blocks = new Map<string, Block<C>>();
  readonly #sending = new Sending<C>();
  /**
   * In the order in which they came into this phase, so the first is the one that waits longest.
   */
  readonly #inPhase: Readonly<Record<"fresh" | "idle" | "answering", Set<Place<C>>>> = {
    fresh: new Set(),
    idle: new Set(),
    answering: new Set(),
  };

  constructor(readonly limits: HttpConnectionLimits) {}

  get size(): number {
    return this.#places.size;
  }

  /** Bytes of answers that have not been taken. */
  get unsentBytes(): number {
    return this.#sending.bytes;
  }

  /**
   * A connection was accepted.
   *
   * @param now Monotonic ms.
   * @param isForwarder Whether it may bring the requests of any number of people: then its address
   *   says nothing of how many there should be.
   */
  enter(connection: C, address: string, now: number, isForwarder = false): Entry<C> {
    const key = peerBlock(address);
    const block = this.#blocks.get(key);
    const most = isForwarder ? Infinity : this.limits.connectionsOfAddress;
    let evicted: Place<C> | undefined;
    if (block !== undefined && block.count >= most) {
      evicted = firstOf(block.waiting.fresh) ?? firstOf(block.waiting.idle);
      if (evicted === undefined) return { admitted: false };
    } else if (this.#isFull()) {
      evicted = firstOf(this.#inPhase.fresh) ?? firstOf(this.#inPhase.idle);
      if (evicted === undefined) return { admitted: false };
    }
    if (evicted !== undefined) this.leave(evicted.connection);
    this.#add(connection, key, now, isForwarder);
    return evicted === undefined
      ? { admitted: true }
      : { admitted: true, evicted: evicted.connection };
  }

  /** A whole header has come. */
  requested(connection: C, now: number): void {
    this.#move(connection, "busy", now);
  }

  /** The answer is known, and its last byte was given to the socket. */
  answered(connection: C, now: number): void {
    this.#move(connection, "answering", now);
  }

  /**
   * So many bytes of an answer wait to be taken.
   *
   * @returns Whom to close, so that no more wait than may: those who have taken nothing for
   *   longest. They have left.
   */
  sends(connection: C, bytes: number): C[] {
    const place = this.#places.get(connection);
    if (place === undefined) return [];
    place.unsent += bytes;
    this.#sending.add(place, bytes);
    // (A forwarder's say nothing of its neighbours.)
    if (!place.isForwarder) place.block.sending.add(place, bytes);
    const { unsentBytes, unsentBytesOfAddress } = this.limits;
    const { sending } = place.block;
    // One answer alone may be larger than all together.
    const own = place.unsent === bytes ? place : undefined;
    return [
      ...(place.isForwarder ? [] : this.#makeRoom(sending, unsentBytesOfAddress, own)),
      ...this.#makeRoom(this.#sending, unsentBytes, own),
    ];
  }

  /** They were taken. */
  sent(connection: C, bytes: number): void {
    const place = this.#places.get(connection);
    if (place !== undefined) this.#unsend(place, bytes);
  }

  #unsend(place: Place<C>, bytes: number): void {
    place.unsent -= bytes;
    this.#sending.remove(place, bytes, place.unsent === 0);
    if (!place.isForwarder) place.block.sending.remove(place, bytes, place.unsent === 0);
  }

  #makeRoom(sending: Sending<C>, most: number, kept: Place<C> | undefined): C[] {
    const over: C[] = [];
    let bytes = sending.bytes;
    for (const place of sending.places) {
      if (bytes <= most) break;
      if (place === kept) continue;
      bytes -= place.unsent;
      over.push(place.connection);
    }
    for (const connection of over) this.leave(connection);
    return over;
  }

  /** The answer has gone out; the connection may bring another request. */
  rests(connection: C, now: number): void {
    this.#move(connection, "idle", now);
  }

  /** The connection became a WebSocket, which has limits of its own. */
  upgraded(connection: C, now: number): void {
    this.#move(connection, "upgraded", now);
  }

  /** The connection is gone. Idempotent. */
  leave(connection: C): void {
    const place = this.#places.get(connection);
    if (place === undefined) return;
    this.#places.delete(connection);
    this.#take(place);
    if (place.unsent > 0) this.#unsend(place, place.unsent);
    const { block } = place;
    if (place.phase !== "upgraded") block.count--;
    if (--block.total === 0) this.#blocks.delete(block.key);
  }

  /** Those whose time is over; they have left. */
  expire(now: number): C[] {
    const { headerMs, idleMs, answerMs } = this.limits;
    const { fresh, idle, answering } = this.#inPhase;
    return [
      ...this.#expireIn(fresh, now - headerMs),
      ...this.#expireIn(idle, now - idleMs),
      ...this.#expireIn(answering, now - answerMs),
    ];
  }

  /** Those without a request; they have left. */
  dismissWaiting(): C[] {
    const { fresh, idle } = this.#inPhase;
    return [...this.#expireIn(fresh, Infinity), ...this.#expireIn(idle, Infinity)];
  }

  #isFull(): boolean {
    const { fresh, idle } = this.#inPhase;
    const { connections, waiting } = this.limits;
    return this.#places.size >= connections || fresh.size + idle.size >= waiting;
  }

  #expireIn(places: Set<Place<C>>, until: number): C[] {
    const over: C[] = [];
    for (const { since, connection } of places) {
      if (since > until) break;
      over.push(connection);
    }
    for (const connection of over) this.leave(connection);
    return over;
  }

  #add(connection: C, key: string, now: number, isForwarder: boolean): void {
    let block = this.#blocks.get(key);
    if (block === undefined) {
      const waiting = { fresh: new Set<Place<C>>(), idle: new Set<Place<C>>() };
      block = { key, waiting, count: 0, total: 0, sending: new Sending() };
      this.#blocks.set(key, block);
    }
    block.count++;
    block.total++;
    const place: Place<C> = {
      connection,
      block,
      isForwarder,
      phase: "fresh",
      since: now,
      unsent: 0,
    };
    this.#places.set(connection, place);
    this.#put(place);
  }

  #move(connection: C, phase: Phase, now: number): void {
    const place = this.#places.get(connection);
    if (place === undefined || place.phase === "upgraded") return;
    this.#take(place);
    place.phase = phase;
    place.since = now;
    this.#put(place);
    if (phase === "upgraded") place.block.count--;
  }

  #take(place: Place<C>): void {
    const { phase, block } = place;
    if (phase === "busy" || phase === "upgraded") return;
    this.#inPhase[phase].delete(place);
    if (phase !== "answering") block.waiting[phase].delete(place);
  }

  #put(place: Place<C>): void {
    const { phase, block } = place;
    if (phase === "busy" || phase === "upgraded") return;
    this.#inPhase[phase].add(place);
    if (phase !== "answering") block.waiting[phase].add(place);
  }
}

function firstOf<T>(set: ReadonlySet<T>): T | undefined {
  for (const first of set) return first;
  return undefined;
}

/** Descriptors for everything else: media over TCP, files, the runtime itself. */
const OTHER_DESCRIPTORS = 256;
/** Beyond this a single process has other limits. */
const MAX_CONNECTIONS = 50_000;
const MIN_CONNECTIONS = 32;
/** The end of so many connections in one turn holds the main thread up for less than 100 ms. */
const MAX_WAITING = 2_048;
/** A quarter of it: load balancers keep tens of connections ready, not hundreds. */
const MAX_OF_ADDRESS = 512;

/** Of answers that nobody takes: those to all strangers together are no burden. */
const MAX_UNSENT_BYTES = 128 * 1024 * 1024;
/** Dozens of the largest page, for an office behind one address. */
const MAX_UNSENT_BYTES_OF_ADDRESS = 32 * 1024 * 1024;

const NOTHING = { connections: 0, ofAddress: 0 };

/**
 * Limits for a process that may have so many descriptors.
 *
 * @param wanted What the operator has said; 0 is nothing. Never more than the descriptors allow.
 */
export function httpConnectionLimits(
  descriptors: number,
  wanted: { readonly connections: number; readonly ofAddress: number } = NOTHING,
): HttpConnectionLimits {
  const spare = Math.max(MIN_CONNECTIONS, Math.floor((descriptors - OTHER_DESCRIPTORS) / 2));
  const connections = Math.min(wanted.connections || MAX_CONNECTIONS, spare);
  const ofAddress = wanted.ofAddress || Math.min(MAX_OF_ADDRESS, Math.floor(connections / 2));
  return {
    connections,
    waiting: Math.min(MAX_WAITING, connections),
    connectionsOfAddress: Math.min(Math.max(1, ofAddress), connections),
    headerMs: 10_000,
    // Longer than the minute for which load balancers keep connections they want to use again.
    idleMs: 120_000,
    answerMs: 60_000,
    unsentBytes: MAX_UNSENT_BYTES,
    unsentBytesOfAddress: MAX_UNSENT_BYTES_OF_ADDRESS,
  };
}
