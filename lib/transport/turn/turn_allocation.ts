/**
 * What one client has at the TURN server: a relayed address that is bound nowhere, whom it may
 * reach from there, and the paths on which sessions in this process meet it.
 *
 * Contract: the only peers are this node's own media candidates, so nothing ever leaves for
 * anywhere else. Times are monotonic ms.
 *
 * @module
 */
import { peerBlock } from "../../wire/ip_address.ts";
import type { StunMac } from "../../wire/stun.ts";
import type { TurnAddress } from "../../wire/turn_message.ts";
import type { PathAllocation, TurnOutlet, TurnPath } from "./turn_path.ts";

/** RFC 8656 §9, §12. */
const PERMISSION_MS = 5 * 60_000;
const CHANNEL_MS = 10 * 60_000;
/** Peers one may have at once: as many as a node has candidates. */
const MAX_PEERS = 64;

/** A peer, as text. */
export function peerKey({ address, port }: TurnAddress): string {
  return `${address.join(".")}|${port}`;
}

/** A number for a peer. */
interface Channel {
  readonly peer: TurnAddress;
  readonly key: string;
  until: number;
}

/** One client, known by where its messages come from. */
export interface TurnClient extends TurnOutlet {
  /** What it has allocated; set and cleared by the server. */
  allocation: TurnAllocation | undefined;
  /** The server remembers it from now on, or does no longer. */
  kept(isKept: boolean): void;
}

/** Who allocates. */
export interface TurnOwner {
  readonly client: TurnClient;
  readonly username: string;
  /** The participant. */
  readonly sid: string;
  readonly mac: StunMac;
}

/** One allocation; over when `until` has passed. */
export class TurnAllocation implements PathAllocation {
  /** The client's network. */
  readonly block: string;
  readonly #permissions = new Map<string, number>();
  readonly #channels = new Map<number, Channel>();
  readonly #channelOf = new Map<string, number>();
  readonly #paths = new Map<string, TurnPath>();

  /**
   * @param transaction Of the request that made it: 12 bytes as text, to answer it again alike.
   * @param relayed One address, or one of each family.
   */
  constructor(
    readonly owner: TurnOwner,
    readonly transaction: string,
    readonly relayed: readonly TurnAddress[],
    public until: number,
  ) {
    this.block = peerBlock(owner.client.remote.hostname);
  }

  get outlet(): TurnOutlet {
    return this.owner.client;
  }

  /** Its address that a peer sees: of the peer's family. */
  relayedFor(peer: Uint8Array): TurnAddress | undefined {
    return this.relayed.find(({ address }) => address.length === peer.length);
  }

  /** Lets datagrams pass to and from `address`; `false` if it has too many. */
  permit(address: Uint8Array, now: number): boolean {
    const key = address.join(".");
    if (!this.#permissions.has(key) && this.#permissions.size >= MAX_PEERS) return false;
    this.#permissions.set(key, now + PERMISSION_MS);
    return true;
  }

  isPermitted(address: Uint8Array, now: number): boolean {
    return now < (this.#permissions.get(address.join(".")) ?? -Infinity);
  }

  /** Gives `peer` a number, or renews it; `false` if one of them has another (RFC 8656 §12.2). */
  bind(number: number, peer: TurnAddress, now: number): boolean {
    const key = peerKey(peer);
    const known = this.#channels.get(number);
    const numberOfPeer = this.channelTo(key, now);
    if (numberOfPeer !== undefined && numberOfPeer !== number) return false;
    if (known !== undefined && known.key !== key && now < known.until) return false;
    if (known === undefined && this.#channels.size >= MAX_PEERS) return false;
    if (known !== undefined && this.#channelOf.get(known.key) === number) {
      this.#channelOf.delete(known.key);
    }
    this.#channels.set(number, { peer, key, until: now + CHANNEL_MS });
    this.#channelOf.set(key, number);
    return true;
  }

  /** Who is behind a channel. */
  peerOf(number: number, now: number): TurnAddress | undefined {
    const channel = this.#channels.get(number);
    return channel !== undefined && now < channel.until ? channel.peer : undefined;
  }

  channelTo(key: string, now: number): number | undefined {
    const number = this.#channelOf.get(key);
    if (number === undefined) return undefined;
    return now < this.#channels.get(number)!.until ? number : undefined;
  }

  channelLasts(key: string, now: number): number {
    const number = this.#channelOf.get(key);
    if (number === undefined) return 0;
    return Math.max(0, Math.min(this.until, this.#channels.get(number)!.until) - now);
  }

  /** The path to a peer, made by `make` if there is none and there may be one more. */
  path(key: string, make: () => TurnPath): TurnPath | undefined {
    const known = this.#paths.get(key);
    if (known !== undefined || this.#paths.size >= MAX_PEERS) return known;
    const path = make();
    this.#paths.set(key, path);
    return path;
  }

  forget(path: TurnPath): void {
    if (this.#paths.get(path.key) === path) this.#paths.delete(path.key);
  }

  /** Whether a session has a path by it. */
  get isUsed(): boolean {
    for (const { validator, owner } of this.#paths.values()) {
      if (validator !== undefined || owner !== undefined) return true;
    }
    return false;
  }

  /** Video was left out that had waited too long, and is taken again. */
  videoGap(): void {
    for (const path of this.#paths.values()) path.owner?.videoGap?.(path);
  }

  /** It is over: sessions lose their paths. */
  end(): void {
    const paths = [...this.#paths.values()];
    this.#paths.clear();
    for (const path of paths) path.ended();
  }
}
