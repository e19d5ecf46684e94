/**
 * One remote 5-tuple over UDP or TCP that has proved, with STUN, to belong to a session.
 *
 * A path exists only for an address that sent a valid MESSAGE-INTEGRITY, so a flood from invented
 * addresses leaves nothing behind. While it has an owner, its packets reach the owner by one or two
 * map look-ups and without building a string.
 *
 * @module
 */
import type { DatagramKind } from "../../wire/datagram_kind.ts";
import type { Datagrams, RemoteAddress, SendKind } from "../datagrams/datagrams.ts";

/** What a session receives: STUN stays with the muxes, and noise goes nowhere. */
export type SessionDatagramKind = Exclude<DatagramKind, "stun" | "other">;

/** The session's receive seam. */
export interface PathOwner {
  /**
   * Takes one datagram from a validated path of this session.
   *
   * @param bytes Valid during the call only; may be decrypted in place. Starts at index 0.
   * @param now When its batch came, monotonic milliseconds, an integer.
   * @param nowUs The same in whole microseconds.
   */
  receive(
    kind: SessionDatagramKind,
    bytes: Uint8Array,
    length: number,
    path: NetworkPath,
    now: number,
    nowUs: number,
  ): void;
  /** A slow reader was left without video for a while, and gets it again: by key frames. */
  videoGap?(path: NetworkPath): void;
}

/** Who validated a path: the ICE agent. */
export interface PathValidator {
  /**
   * The path ended from below (a TCP connection closed). Not called for a path the agent closes.
   */
  pathClosed(path: NetworkPath): void;
  /** Whether the path is in live use, so that no other session may claim its address. */
  holds(path: NetworkPath, now: number): boolean;
}

/** One remote 5-tuple. `owner` and `validator` are set and cleared together, by the ICE agent. */
export interface NetworkPath {
  readonly protocol: "udp" | "tcp";
  readonly remote: RemoteAddress;
  /** The socket that its packets wait in until they leave; absent where nobody tells. */
  readonly datagrams?: Datagrams | undefined;
  /** Bytes that a slow reader has not taken yet (TCP). */
  readonly queuedBytes?: number | undefined;
  /** Bytes of video that were left out for its sake, in all (TCP). */
  readonly droppedBytes?: number | undefined;
  /** Who gets its packets; `undefined` before validation and after the session let go of it. */
  owner: PathOwner | undefined;
  validator: PathValidator | undefined;
  /**
   * Queues `bytes[0..length)`, which the caller may reuse at once. Without a kind it is told by
   * the bytes.
   *
   * @returns `false` if the packet was certainly not sent: closed path, or a slow reader's full
   *   queue.
   */
  send(bytes: Uint8Array, length: number, kind?: SendKind): boolean;
  /**
   * Lends room for the next packet, from index 0 on, until it is committed or something else is
   * sent anywhere. `undefined` if nothing can be sent now, which is counted.
   */
  reserve(): Uint8Array | undefined;
  /** Queues the first `length` bytes of what was reserved last. */
  commit(length: number, kind: SendKind): void;
  /**
   * A picture of the video `ssrc` begins anew: what waits of it for a slow reader is worth nothing.
   *
   * @returns Whether something was left out.
   */
  outdate?(ssrc: number): boolean;
  /**
   * Forgets the address (UDP), or closes the connection once its queue is written (TCP).
   * Idempotent.
   */
  close(): void;
}

/** A path over the shared UDP socket. */
export class UdpPath implements NetworkPath {
  readonly protocol = "udp";
  owner: PathOwner | undefined;
  validator: PathValidator | undefined;
  #isClosed = false;

  constructor(
    readonly remote: RemoteAddress,
    readonly datagrams: Datagrams,
    private readonly table: PathTable,
  ) {}

  send(bytes: Uint8Array, length: number): boolean {
    if (this.#isClosed) return false;
    this.datagrams.send(bytes, length, this.remote);
    return true;
  }

  reserve(): Uint8Array | undefined {
    return this.#isClosed ? undefined : this.datagrams.reserve();
  }

  commit(length: number, kind: SendKind): void {
    this.datagrams.commit(length, this.remote, kind);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.table.delete(this);
  }
}

/** Paths that are found by the object of their address alone; a power of two. */
const HINTS = 1024;

/** The UDP paths in use by remote address: port first, because ports differ more than hosts do. */
export class PathTable {
  readonly #byPort = new Map<number, Map<string, UdpPath>>();
  /** By the low bits of a port, a path of the table that was asked for. */
  readonly #hints: (UdpPath | undefined)[] = new Array(HINTS).fill(undefined);
  #size = 0;

  /** Number of paths. */
  get size(): number {
    return this.#size;
  }

  /** The path of exactly this remote address. */
  get(remote: RemoteAddress): UdpPath | undefined {
    const place = remote.port & HINTS - 1;
    const hint = this.#hints[place];
    if (hint !== undefined && hint.remote === remote) return hint;
    const path = this.#byPort.get(remote.port)?.get(remote.hostname);
    if (path !== undefined) this.#hints[place] = path;
    return path;
  }

  /** Adds a path whose address is not in the table. */
  add(path: UdpPath): void {
    const { port, hostname } = path.remote;
    let byHost = this.#byPort.get(port);
    if (byHost === undefined) {
      byHost = new Map();
      this.#byPort.set(port, byHost);
    }
    byHost.set(hostname, path);
    this.#size++;
  }

  /** Removes `path` if it is the one in the table. */
  delete(path: UdpPath): void {
    const { port, hostname } = path.remote;
    const byHost = this.#byPort.get(port);
    if (byHost?.get(hostname) !== path) return;
    byHost.delete(hostname);
    if (this.#hints[port & HINTS - 1] === path) this.#hints[port & HINTS - 1] = undefined;
    this.#size--;
    if (byHost.size === 0) this.#byPort.delete(port);
  }
}
