/**
 * Under which addresses the sockets of an engine are reached from outside, asked of STUN servers
 * from the sockets themselves, and asked again: addresses change while a server runs.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { Cancel, Platform } from "../../base/platform.ts";
import { WakeTimer } from "../../base/wake_timer.ts";
import { parseIpAddress } from "../../wire/ip_address.ts";
import { AddressQuery, type FoundAddress } from "../../transport/ice/address_query.ts";
import type { Datagrams } from "../../transport/datagrams/datagrams.ts";
import {
  addressesOfHost,
  type HostPort,
  parseHostPort,
} from "../../transport/datagrams/host_addresses.ts";
import type { StunListener } from "../../transport/ice/udp_mux.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import { type ExternalAddress, type ExternalDiscovery } from "../messages/advertised_hosts.ts";

/** Where STUN servers listen unless somebody says otherwise (RFC 8489 §8.1). */
const STUN_PORT = 3478;
/** How often addresses are asked for again, ms; sooner while none is known. */
const AGAIN_MS = 60_000;
const AGAIN_WHILE_UNKNOWN_MS = 10_000;
/** A name that is not resolved by then is left out this time, ms. */
const NAME_LIMIT_MS = 3_000;
/** Servers that are asked, of all addresses of all names. */
const MAX_SERVERS = 6;

/** A socket to ask from. */
export interface AskingSocket {
  readonly hostname: string;
  readonly datagrams: Datagrams;
  /** Takes STUN before anybody else while it is set. */
  readonly mux: { stunListener: StunListener | undefined };
  /** It is there for the question alone. */
  readonly close?: () => void;
}

/** What it is made with. */
export interface ExternalAddressesOptions {
  readonly platform: Platform;
  readonly drops: DropSink<EngineDrop>;
  readonly discovery: ExternalDiscovery;
  /** The sockets there are now. */
  readonly sockets: () => Promise<readonly AskingSocket[]>;
  /** Another socket of the same address, with any port. */
  readonly openBeside: (hostname: string) => Promise<Datagrams>;
  /** Something is known that was not, or something else than before. */
  readonly changed: () => void;
}

/** One engine's knowledge of how it is seen. What is known stays until something else is. */
export class ExternalAddresses {
  readonly #options: ExternalAddressesOptions;
  #found: ReadonlyMap<string, ExternalAddress> = new Map();
  /** What was said of it last. */
  #state: "unknown" | "unproven" | "proven" | undefined;
  /** Ends each question that is open. */
  readonly #open = new Set<() => void>();
  #asking: Promise<void> | undefined;
  #cancelAgain: Cancel | undefined;
  #isClosed = false;

  constructor(options: ExternalAddressesOptions) {
    this.#options = options;
  }

  /** By the machine's own address. */
  get found(): ReadonlyMap<string, ExternalAddress> {
    return this.#found;
  }

  /**
   * Asks now, from every socket, and from then on again and again. Resolves when that is over, at
   * the latest after some seconds; never rejects.
   */
  ask(): Promise<void> {
    this.#cancelAgain?.();
    return this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
      this.#askLater(this.#found.size === 0 ? AGAIN_WHILE_UNKNOWN_MS : AGAIN_MS);
    });
  }

  /** There are other sockets than before: they are asked from, now or as soon as that is over. */
  socketsChanged(): void {
    const asking = this.#asking;
    if (asking === undefined) void this.ask();
    else void asking.then(() => this.#askLater(0));
  }

  #askLater(delayMs: number): void {
    this.#cancelAgain?.();
    if (this.#isClosed) return;
    this.#cancelAgain = this.#options.platform.timers.after(delayMs, () => void this.ask());
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelAgain?.();
    for (const end of this.#open) end();
  }

  async #ask(): Promise<void> {
    const servers = await this.#servers();
    const sockets = await this.#options.sockets();
    const answers = await Promise.all(sockets.map(async (socket) => {
      const ofFamily = servers.filter(({ hostname }) => isV6(hostname) === isV6(socket.hostname));
      const found = await this.#askFrom(socket, ofFamily);
      socket.close?.();
      return [socket.hostname, found] as const;
    }));
    if (this.#isClosed) return;
    const now = new Map<string, ExternalAddress>();
    for (const [hostname, found] of answers) {
      // Of an address that nobody answered this time, the last answer holds; so does a proof.
      const before = this.#found.get(hostname);
      const isOld = found === undefined || found.address === before?.address && before.isProven;
      const known = isOld ? before : found;
      if (known !== undefined && isBetter(known, now.get(hostname))) now.set(hostname, known);
    }
    const before = this.#found;
    this.#found = now;
    this.#say(now);
    if (!isEqual(before, now)) this.#options.changed();
  }

  /** What is wrong, once, and when it is well again. */
  #say(found: ReadonlyMap<string, ExternalAddress>): void {
    const { platform: { log }, discovery } = this.#options;
    const isProven = !discovery.validates || [...found.values()].some(({ isProven }) => isProven);
    const state = found.size === 0 ? "unknown" : isProven ? "proven" : "unproven";
    if (state === this.#state) return;
    const isWellAgain = state === "proven" && this.#state !== undefined;
    this.#state = state;
    if (state === "unknown") {
      log.warn("no STUN server said under which address this node is seen", {
        hint: "let UDP out to rtc.stun_servers, or set rtc.node_ip; it is asked again and again",
      });
    } else if (state === "unproven") {
      log.warn("nothing sent to the address under which this node is seen came back", {
        hint:
          "open the media ports to everybody; a router without hairpin NAT looks like this, too",
      });
    } else if (isWellAgain) log.info("the address under which this node is seen leads here");
  }

  async #servers(): Promise<readonly HostPort[]> {
    const { servers } = this.#options.discovery;
    const resolved = await Promise.all(servers.map(async (text) => {
      const place = parseHostPort(text, STUN_PORT);
      if (place === undefined) return [];
      const addresses = await this.#resolved(place.hostname);
      return addresses.map((hostname) => ({ hostname, port: place.port }));
    }));
    const of = (family: boolean) =>
      resolved.flat().filter(({ hostname }) => isV6(hostname) === family).slice(0, MAX_SERVERS);
    return [...of(false), ...of(true)];
  }

  /** The addresses of a host, none if its name takes too long. */
  async #resolved(hostname: string): Promise<readonly string[]> {
    const { timers } = this.#options.platform;
    let cancel: Cancel = () => {};
    const late = new Promise<readonly string[]>((resolve) => {
      cancel = timers.after(NAME_LIMIT_MS, () => resolve([]));
    });
    try {
      return await Promise.race([addressesOfHost(hostname), late]);
    } finally {
      cancel();
    }
  }

  async #askFrom(
    { hostname, datagrams, mux }: AskingSocket,
    servers: readonly HostPort[],
  ): Promise<FoundAddress | undefined> {
    const { platform, drops, discovery } = this.#options;
    if (servers.length === 0 || this.#isClosed) return undefined;
    const beside = discovery.validates ? await this.#openBeside(hostname) : undefined;
    const found = await new Promise<FoundAddress | undefined>((resolve) => {
      const query: AddressQuery = new AddressQuery({
        local: { hostname, port: datagrams.localAddress.port },
        servers,
        send: (bytes, to) => datagrams.send(bytes, bytes.length, to),
        sendBeside: beside && ((bytes, to) => beside.send(bytes, bytes.length, to)),
        random: platform.random,
        drops,
        done: (found) => {
          this.#open.delete(end);
          resolve(found);
        },
      }, platform.clock.now());
      const timer = new WakeTimer(platform, (now) => {
        query.wake(now);
        timer.set(query.nextWakeAt);
      });
      const end = () => {
        timer.stop();
        resolve(undefined);
      };
      this.#open.add(end);
      mux.stunListener = (bytes, length, remote, now) => {
        const isOurs = query.receive(bytes, length, remote, now);
        if (isOurs) timer.set(query.nextWakeAt);
        return isOurs;
      };
      timer.set(query.nextWakeAt);
    });
    mux.stunListener = undefined;
    beside?.close();
    return found;
  }

  async #openBeside(hostname: string): Promise<Datagrams | undefined> {
    try {
      return await this.#options.openBeside(hostname);
    } catch {
      return undefined;
    }
  }
}

function isV6(hostname: string): boolean {
  return parseIpAddress(hostname)?.length === 16;
}

function isBetter(one: ExternalAddress, other: ExternalAddress | undefined): boolean {
  return other === undefined || (one.isProven && !other.isProven);
}

function isEqual(
  one: ReadonlyMap<string, ExternalAddress>,
  other: ReadonlyMap<string, ExternalAddress>,
): boolean {
  return one.size === other.size && [...one].every(([hostname, { address, isProven }]) => {
    const there = other.get(hostname);
    return there?.address === address && there.isProven === isProven;
  });
}
