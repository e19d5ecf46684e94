/**
 * Over what a client is to reach us: anything (`none`), TCP only, or a TURN server over TLS only.
 * What was found out for a client is remembered for a while, so that it does not have to be found
 * out again when it rejoins.
 *
 * Source: LiveKit's server 1.13.5, `pkg/utils/iceconfigcache.go`.
 *
 * @module
 */
import type { ICEServer } from "@livekit/protocol";
import type { MediaAddress } from "../../base/media_vocabulary.ts";
import type { Clock } from "../../base/platform.ts";

/**
 * Over what a client is to reach us: `none` is whatever it finds, `tcp` ICE over TCP alone, `tls`
 * TURN over TLS alone.
 */
export type IcePreference = "none" | "tcp" | "tls";

/** How long a preference is remembered, ms. */
export const PREFERENCE_TTL_MS = 5 * 60_000;
/** Preferences remembered at most; the oldest go first. */
const MAX_REMEMBERED = 10_000;

/** What clients are told of one or several STUN or TURN servers. */
export type IceServerInfo = Pick<ICEServer, "urls" | "username" | "credential">;

/** The memory, by room and identity. */
export class IcePreferences {
  /** In the order they were put in, which is the order in which they expire; none: suspects. */
  readonly #entries = new Map<string, { readonly value: IcePreference; readonly until: number }>();

  constructor(readonly clock: Pick<Clock, "now">) {}

  get(room: string, identity: string): IcePreference {
    const entry = this.#entries.get(keyOf(room, identity));
    return entry === undefined || this.clock.now() >= entry.until ? "none" : entry.value;
  }

  put(room: string, identity: string, value: IcePreference): void {
    const key = keyOf(room, identity);
    this.#entries.delete(key);
    if (value !== "none") this.#remember(key, value);
  }

  /** Suspects UDP to one for whom nothing is preferred. @returns Whether it was suspect before. */
  suspect(room: string, identity: string): boolean {
    const key = keyOf(room, identity);
    const known = this.#entries.get(key);
    if (known !== undefined && this.clock.now() < known.until) return known.value === "none";
    this.#entries.delete(key);
    this.#remember(key, "none");
    return false;
  }

  #remember(key: string, value: IcePreference): void {
    const now = this.clock.now();
    for (const [old, { until }] of this.#entries) {
      if (now < until && this.#entries.size < MAX_REMEMBERED) break;
      this.#entries.delete(old);
    }
    this.#entries.set(key, { value, until: now + PREFERENCE_TTL_MS });
  }
}

/** Whether TCP can be preferred at all. */
export function offersTcp(addresses: readonly MediaAddress[]): boolean {
  return addresses.some(({ protocol }) => protocol === "tcp");
}

/** Whether a server over TLS can be preferred at all. */
export function offersTls(servers: readonly IceServerInfo[]): boolean {
  return servers.some(({ urls }) => urls.some(isTls));
}

/** The addresses a client is to be shown; where there is no TCP, all of them. */
export function preferredAddresses(
  addresses: readonly MediaAddress[],
  preference: IcePreference,
): readonly MediaAddress[] {
  if (preference !== "tcp" || !offersTcp(addresses)) return addresses;
  return addresses.filter(({ protocol }) => protocol === "tcp");
}

/** The servers a client is to be shown; where none has TLS, all of them. */
export function preferredServers(
  servers: readonly IceServerInfo[],
  preference: IcePreference,
): readonly IceServerInfo[] {
  if (preference !== "tls" || !offersTls(servers)) return servers;
  return servers.map((server) => ({ ...server, urls: server.urls.filter(isTls) }))
    .filter(({ urls }) => urls.length > 0);
}

function isTls(url: string): boolean {
  return url.startsWith("turns:");
}

function keyOf(room: string, identity: string): string {
  return JSON.stringify([room, identity]);
}
