/**
 * One socket that asks how it is seen from outside, on virtual time: what it sends is kept, and the
 * test plays the servers.
 *
 * @module
 */
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import type { RemoteAddress } from "../../../lib/transport/datagrams/datagrams.ts";
import type { TransportDrop } from "../../../lib/transport/drop_reasons.ts";
import { AddressQuery, type FoundAddress } from "../../../lib/transport/ice/address_query.ts";
import { parseIpAddress } from "../../../lib/wire/ip_address.ts";
import { SeededRandom } from "./seeded_random.ts";

export const LOCAL = { hostname: "192.168.1.5", port: 7882 } as const;
export const SERVERS = [
  { hostname: "198.51.100.1", port: 3478 },
  { hostname: "198.51.100.2", port: 19302 },
] as const;

/** A datagram that was sent, and when. */
interface Sent {
  readonly at: number;
  readonly bytes: Uint8Array;
  readonly to: RemoteAddress;
  readonly isBeside: boolean;
}

export interface QueryWorldOptions {
  readonly local?: { readonly hostname: string; readonly port: number };
  readonly servers?: readonly { readonly hostname: string; readonly port: number }[];
  readonly validates?: boolean;
  readonly seed?: number;
}

/** The query with its time. */
export class QueryWorld {
  readonly sent: Sent[] = [];
  readonly drops = new DropCounters<TransportDrop>();
  /** What it found, `"nothing"` if that is nothing; absent before. */
  outcome: FoundAddress | "nothing" | undefined;
  now = 1_000;
  readonly query: AddressQuery;

  constructor(options: QueryWorldOptions = {}) {
    const { local = LOCAL, servers = SERVERS, validates = true, seed = 1 } = options;
    const keep = (isBeside: boolean) => (bytes: Uint8Array, to: RemoteAddress) =>
      void this.sent.push({ at: this.now - 1_000, bytes: bytes.slice(), to, isBeside });
    this.query = new AddressQuery({
      local,
      servers,
      send: keep(false),
      sendBeside: validates ? keep(true) : undefined,
      random: new SeededRandom(seed),
      drops: this.drops,
      done: (found) => {
        if (this.outcome !== undefined) throw new Error("done twice");
        this.outcome = found ?? "nothing";
      },
    }, this.now);
    this.advance(0);
  }

  advance(ms: number): void {
    const end = this.now + ms;
    while (this.query.nextWakeAt <= end) {
      this.now = Math.max(this.now, this.query.nextWakeAt);
      this.query.wake(this.now);
    }
    this.now = end;
  }

  /** Gives the socket a datagram of this sender. */
  give(bytes: Uint8Array, from: { readonly hostname: string; readonly port: number }): boolean {
    return this.query.receive(bytes, bytes.length, { transport: "udp", ...from }, this.now);
  }

  /** The last datagram to a server, from the asked socket or the one beside it. */
  last(to: { readonly hostname: string }): Uint8Array {
    return this.sent.findLast((sent) => sent.to.hostname === to.hostname)!.bytes;
  }
}

/** A success response to `request` that names an address. */
export function mappedAnswer(request: Uint8Array, hostname: string, port: number): Uint8Array {
  const address = parseIpAddress(hostname)!;
  const out = new Uint8Array(28 + address.length);
  out.set(request.subarray(0, 20));
  out.set([0x01, 0x01, 0, 8 + address.length], 0);
  out.set([0x00, 0x20, 0, 4 + address.length, 0, address.length === 4 ? 1 : 2], 20);
  out.set([(port >> 8) ^ out[4]!, (port & 0xff) ^ out[5]!], 26);
  out.set(address.map((byte, i) => byte ^ out[4 + i]!), 28);
  return out;
}

/** An error response (RFC 8489 §14.8). */
export function errorAnswer(request: Uint8Array, code: number): Uint8Array {
  const out = new Uint8Array(28);
  out.set(request.subarray(0, 20));
  out.set([0x01, 0x11, 0, 8], 0);
  out.set([0x00, 0x09, 0, 4, 0, 0, Math.trunc(code / 100), code % 100], 20);
  return out;
}
