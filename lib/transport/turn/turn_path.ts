/**
 * The way from a session in this process to a client that relays through the TURN server in it: a
 * relayed address, seen from the inside.
 *
 * @module
 */
import {
  CHANNEL_HEADER_BYTES,
  dataHeaderBytes,
  MAX_DATA_HEADER_BYTES,
  type TurnAddress,
  writeChannelHeader,
  writeDataIndication,
} from "../../wire/turn_message.ts";
import { MAX_SEND_BYTES, type RemoteAddress, SendKind } from "../datagrams/datagrams.ts";
import type { StunOrigin } from "../ice/ice_directory.ts";
import type { Endpoint } from "../datagrams/socket_options.ts";
import type { LendableOutlet } from "../tcp/lent_socket.ts";
import type { NetworkPath, PathOwner, PathValidator } from "../ice/network_path.ts";

/** One client's way back: an address over UDP, or a connection over TCP or TLS. */
export interface TurnOutlet {
  readonly protocol: "udp" | "tcp";
  readonly remote: RemoteAddress;
  /** Queues `bytes[0, length)`, which may be reused at once. `false` if it was certainly not. */
  send(bytes: Uint8Array, length: number): boolean;
  /** As `NetworkPath` has it. */
  reserve(): Uint8Array | undefined;
  commit(length: number, kind: SendKind): void;
  /** Of a stream, as `NetworkPath` has them. */
  readonly queuedBytes?: number | undefined;
  readonly droppedBytes?: number | undefined;
  readonly drained?: Promise<void> | undefined;
  outdate?(ssrc: number): boolean;
  /** The socket that other threads could send on, too; absent for streams. */
  readonly local?: Endpoint;
}

/** What a path uses of the allocation it is of. */
export interface PathAllocation {
  readonly outlet: TurnOutlet;
  /** The number of the channel to the peer with this key, if there is one. */
  channelTo(key: string, now: number): number | undefined;
  /** For how much longer there is, and the allocation with it, ms. */
  channelLasts(key: string, now: number): number;
  /** A session has let go of its path. */
  forget(path: TurnPath): void;
}

/** What a path uses of its server. */
export interface TurnPathHost {
  /** Monotonic ms, of the batch being served or now. */
  now(): number;
  /** Room that all paths share, as what is written there leaves before anything else is. */
  readonly scratch: Uint8Array;
}

/** Room for one datagram that a session writes; behind it a Data indication's padding. */
export const TURN_SCRATCH_BYTES = MAX_SEND_BYTES;

/** One relayed address and one of our own. Sends as a channel where there is one. */
export class TurnPath implements NetworkPath, StunOrigin {
  readonly protocol: "udp" | "tcp";
  /** The relayed address, which is what the client is known by. */
  readonly remote: RemoteAddress;
  owner: PathOwner | undefined;
  validator: PathValidator | undefined;
  /** Asked by whoever hands what comes on to another thread; nobody waits here. */
  pause: (() => Promise<void> | undefined) | undefined;
  #indications = 0;
  #isClosed = false;

  /**
   * @param peer Which of our candidates the client sends to.
   * @param hostname Of the relayed address, as text.
   */
  constructor(
    readonly key: string,
    readonly allocation: PathAllocation,
    readonly peer: TurnAddress,
    hostname: string,
    port: number,
    readonly host: TurnPathHost,
  ) {
    this.protocol = allocation.outlet.protocol;
    this.remote = { transport: this.protocol, hostname, port };
  }

  /** Itself once validated; as {@linkcode StunOrigin}. */
  get path(): NetworkPath | undefined {
    return this.validator === undefined ? undefined : this;
  }

  lendable(now: number): LendableOutlet | undefined {
    const { outlet: { local, remote }, outlet } = this.allocation;
    const channel = this.allocation.channelTo(this.key, now);
    if (this.#isClosed || local === undefined || channel === undefined) return undefined;
    if (outlet.protocol !== "udp") return undefined;
    const forMs = this.allocation.channelLasts(this.key, now);
    return { kind: "datagrams", local, remote, channel, forMs };
  }

  reply(bytes: Uint8Array, length: number): void {
    this.send(bytes, length);
  }

  openPath(): NetworkPath {
    return this;
  }

  get queuedBytes(): number | undefined {
    return this.allocation.outlet.queuedBytes;
  }

  get droppedBytes(): number | undefined {
    return this.allocation.outlet.droppedBytes;
  }

  get drained(): Promise<void> | undefined {
    return this.allocation.outlet.drained;
  }

  outdate(ssrc: number): boolean {
    return this.allocation.outlet.outdate?.(ssrc) ?? false;
  }

  send(bytes: Uint8Array, length: number, kind: SendKind = SendKind.other): boolean {
    return this.#relay(bytes, length, kind);
  }

  reserve(): Uint8Array | undefined {
    return this.#isClosed ? undefined : this.host.scratch;
  }

  commit(length: number, kind: SendKind): void {
    this.#relay(this.host.scratch, length, kind);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.allocation.forget(this);
  }

  /** No packet goes by it any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The allocation is over. */
  ended(): void {
    this.#isClosed = true;
    this.validator?.pathClosed(this);
  }

  #relay(bytes: Uint8Array, length: number, kind: SendKind): boolean {
    const { outlet: client } = this.allocation;
    if (this.#isClosed || length > MAX_SEND_BYTES - MAX_DATA_HEADER_BYTES - 4) return false;
    const out = client.reserve();
    if (out === undefined) return false;
    const channel = this.allocation.channelTo(this.key, this.host.now());
    const at = channel === undefined ? dataHeaderBytes(this.peer) : CHANNEL_HEADER_BYTES;
    out.set(bytes.length === length ? bytes : bytes.subarray(0, length), at);
    if (channel === undefined) {
      client.commit(writeDataIndication(out, this.peer, length, ++this.#indications), kind);
      return true;
    }
    writeChannelHeader(out, channel, length);
    client.commit(CHANNEL_HEADER_BYTES + length, kind);
    return true;
  }
}
