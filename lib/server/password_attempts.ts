/**
 * How often a password may be tried: a few times at once from each network, then slowly, and in all
 * no faster than a guesser would need years for.
 *
 * Contract: what is remembered is bounded; who is forgotten for want of room begins anew, which the
 * limit of all together makes harmless.
 *
 * @module
 */
import { TokenBucket } from "../base/token_bucket.ts";
import { peerBlock } from "../wire/ip_address.ts";

/** Of one IPv4 address or IPv6 /64: a person who mistypes, not a program. */
const OF_NETWORK = { atOnce: 5, perSecond: 1 / 15 } as const;
const OF_ALL = { atOnce: 100, perSecond: 2 } as const;
/** Networks that are remembered. */
const MOST_NETWORKS = 1_000;

/** Attempts of everybody. */
export class PasswordAttempts {
  readonly #networks = new Map<string, TokenBucket>();
  readonly #all = new TokenBucket(OF_ALL.atOnce, OF_ALL.perSecond);

  /**
   * Whether somebody may try now; if so it counts.
   *
   * @param now Monotonic ms.
   */
  take(address: string, now: number): boolean {
    const key = peerBlock(address);
    const bucket = this.#networks.get(key) ??
      new TokenBucket(OF_NETWORK.atOnce, OF_NETWORK.perSecond);
    // The one that tried last is forgotten last.
    this.#networks.delete(key);
    this.#networks.set(key, bucket);
    for (const oldest of this.#networks.keys()) {
      if (this.#networks.size <= MOST_NETWORKS) break;
      this.#networks.delete(oldest);
    }
    return bucket.take(now) && this.#all.take(now);
  }

  /** Somebody there knew it: what went wrong before was mistyped. */
  succeeded(address: string): void {
    this.#networks.delete(peerBlock(address));
  }
}
