/**
 * TCP connections that have not named their session yet: how many there may be, and who goes for
 * whom.
 *
 * A client names its session with its first frame, a round trip after it connected; whoever has not
 * done so for longer than others is most likely nobody. So a newcomer is always let in, and when
 * there are too many it takes the place of the oldest one of the address that has the most, of
 * those that have said nothing if there are any. An address is an IPv4 address or an IPv6 /64.
 *
 * @module
 */
import { peerBlock } from "../../wire/ip_address.ts";

/** What is known of a connection. */
export interface Stranger {
  readonly remote: { readonly hostname: string };
  /** Whether a whole frame has come. */
  readonly hasSpoken: boolean;
}

/** How many there may be. */
export interface StrangerLimits {
  readonly unnamed: number;
  readonly unnamedPerAddress: number;
}

/** Why somebody has to go. */
export type StrangerReason = "tcp_too_many_unnamed" | "tcp_too_many_unnamed_from_address";

/**
 * The connections without a session, within a limit: a newcomer always gets in, and `inTheWayOf`
 * names the one to close for it.
 */
export class TcpStrangers<S extends Stranger> {
  readonly #limits: StrangerLimits;
  /** By address; the oldest first. */
  readonly #byBlock = new Map<string, Set<S>>();
  #size = 0;

  constructor(limits: StrangerLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#size;
  }

  /**
   * Who has to end before a newcomer from `hostname` is added, and why; `undefined` if there is
   * room. The caller ends it, which {@linkcode TcpStrangers.delete}s it.
   */
  inTheWayOf(
    hostname: string,
  ): { readonly stranger: S; readonly reason: StrangerReason } | undefined {
    const own = this.#byBlock.get(peerBlock(hostname));
    if (own !== undefined && own.size >= this.#limits.unnamedPerAddress) {
      return { stranger: leastLikely(own), reason: "tcp_too_many_unnamed_from_address" };
    }
    if (this.#size < this.#limits.unnamed) return undefined;
    let largest: Set<S> | undefined;
    for (const block of this.#byBlock.values()) {
      if (largest === undefined || block.size > largest.size) largest = block;
    }
    return largest && { stranger: leastLikely(largest), reason: "tcp_too_many_unnamed" };
  }

  add(stranger: S): void {
    const block = peerBlock(stranger.remote.hostname);
    const known = this.#byBlock.get(block);
    if (known === undefined) this.#byBlock.set(block, new Set([stranger]));
    else known.add(stranger);
    this.#size++;
  }

  /** It has named its session, or ended. Nothing happens if it is not known. */
  delete(stranger: S): void {
    const block = peerBlock(stranger.remote.hostname);
    const known = this.#byBlock.get(block);
    if (known === undefined || !known.delete(stranger)) return;
    this.#size--;
    if (known.size === 0) this.#byBlock.delete(block);
  }
}

/** The oldest that has said nothing, else the oldest. */
function leastLikely<S extends Stranger>(strangers: ReadonlySet<S>): S {
  for (const stranger of strangers) if (!stranger.hasSpoken) return stranger;
  const [oldest] = strangers;
  return oldest!;
}
