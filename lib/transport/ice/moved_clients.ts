/**
 * Clients whose packets come from elsewhere all of a sudden: a NAT has forgotten them and given
 * them another port, or another address. Their own next check comes up to 2.5 s later (libwebrtc's
 * interval); what they send meanwhile says who they are, as nobody else has the keys. So media from
 * an unknown address is tried with the keys of clients that have just fallen silent; where it
 * opens, its sender is asked at once whether it is there (`path_checks.ts`), and media follows when
 * it has answered.
 *
 * Contract: tries are bounded, whatever strangers send; nothing of theirs is answered. Strangers
 * elsewhere take no try from who has another port at its own address, nor one stranger those of
 * others.
 *
 * @module
 */
import { TokenBucket } from "../../base/token_bucket.ts";
import type { RemoteAddress } from "../datagrams/datagrams.ts";
import { SourceAllowance } from "../datagrams/source_allowance.ts";

/** Who sends several times a second is silent after this long, ms. */
export const SILENT_MS = 100;
/**
 * Who has been silent for longer has gone, or comes back by a check of its own, ms: who is there
 * and sends nothing has answered within this (`path_checks.ts`).
 */
const GONE_MS = 20_000;
/** Packets of one network that are looked at; of an office all may have moved. */
const OF_NETWORK = { atOnce: 64, perSecond: 64, places: 256 };
/**
 * And that are tried although nobody was at their address: a sender of video has some left when it
 * counts as silent at the old one.
 */
const ELSEWHERE = { atOnce: 32, perSecond: 32, places: 256 };
/**
 * Packets that are tried in a second, from addresses where somebody was and from all others, and
 * clients that each is tried with.
 */
const TRIES_PER_S = 64;
const CLIENTS_PER_TRY = 128;

/** One client. */
export interface MovableClient<Origin> {
  /** Where it is, as far as is known; `undefined` if it cannot move. */
  readonly knownHost: string | undefined;
  /** When anything that is surely its own last came from there, monotonic ms. */
  readonly heardAt: number;
  /** Takes a packet that is sealed with its keys and new; `false` if it is not its own. */
  takeFrom(
    origin: Origin,
    kind: "rtp" | "rtcp",
    bytes: Uint8Array,
    length: number,
    now: number,
    nowUs: number,
  ): boolean;
}

/** Those of one engine. `Origin` is where something comes from, and how to make a path of it. */
export class MovedClients<Origin extends { readonly remote: RemoteAddress }> {
  readonly #clients: MovableClient<Origin>[] = [];
  /** Where the next try begins: nobody is always tried last. */
  #cursor = 0;
  readonly #ofNetwork = new SourceAllowance(OF_NETWORK);
  readonly #elsewhere = new SourceAllowance(ELSEWHERE);
  readonly #ofSameHost = new TokenBucket(TRIES_PER_S, TRIES_PER_S);
  readonly #ofOthers = new TokenBucket(TRIES_PER_S, TRIES_PER_S);

  add(client: MovableClient<Origin>): void {
    this.#clients.push(client);
  }

  remove(client: MovableClient<Origin>): void {
    const at = this.#clients.indexOf(client);
    if (at < 0) return;
    this.#clients[at] = this.#clients.at(-1)!;
    this.#clients.pop();
  }

  /**
   * Takes media from an address that nobody has.
   *
   * @returns Whether somebody has moved there.
   */
  take(
    origin: Origin,
    kind: "rtp" | "rtcp",
    bytes: Uint8Array,
    length: number,
    now: number,
    nowUs: number,
  ): boolean {
    const { hostname } = origin.remote;
    if (this.#clients.length === 0 || !this.#ofNetwork.take(hostname, now)) return false;
    const { length: count } = this.#clients;
    let left = CLIENTS_PER_TRY;
    // A NAT's other port is far more likely than another address.
    for (const isSameHost of [true, false]) {
      const tries = isSameHost ? this.#ofSameHost : this.#ofOthers;
      let mayTry: boolean | undefined;
      for (let step = 0; step < count && left > 0; step++) {
        const client = this.#clients[(this.#cursor + step) % count]!;
        if ((client.knownHost === hostname) !== isSameHost || !isSilent(client, now)) continue;
        mayTry ??= (isSameHost || this.#elsewhere.take(hostname, now)) && tries.take(now);
        if (!mayTry) break;
        left--;
        if (client.takeFrom(origin, kind, bytes, length, now, nowUs)) return true;
      }
    }
    if (left === 0) this.#cursor = (this.#cursor + CLIENTS_PER_TRY) % count;
    return false;
  }
}

function isSilent({ knownHost, heardAt }: MovableClient<unknown>, now: number): boolean {
  return knownHost !== undefined && now - heardAt >= SILENT_MS && now - heardAt < GONE_MS;
}
