/**
 * A server behind a router that translates addresses one to one, and clients in this namespace: two
 * network namespaces, one for the server and one for the router, whose work the kernel's own
 * filters do. Needs root, iproute2 and nftables.
 *
 * The addresses outside are of the documentation ranges (RFC 5737, RFC 3849), which to the server
 * look like those of the internet.
 *
 * @module
 */
import type { ServerPlace } from "../process/roomwire_process.ts";
import { run } from "./test_networks.ts";
import { type HeldBlock, holdBlock, routeIn, routerPrograms } from "./test_router.ts";

/** Of IPv4 and TCP, which are no part of a segment's size. */
const TCP_HEADERS = 40;
/** Of the server, which has its namespace for itself. */
const PORTS = { http: 7880, tcp: 7881, udp: 7882 } as const;

export interface NatNetworkOptions {
  /** How many addresses the server has, each with one outside. */
  readonly addresses?: number;
  /** Whether the router sends back in what is for its own address outside. */
  readonly hasHairpin?: boolean;
  /**
   * Longest packet outside, bytes. Longer ones vanish without a word; TCP is told, as routers do.
   */
  readonly mtu?: number;
}

/** The three places. Disposing removes them. */
export class NatNetwork implements AsyncDisposable {
  /** Where a STUN server may listen, and clients are. */
  readonly clientAddress: string;
  /** Of the server, as clients see them. */
  readonly outside: readonly string[];
  /** The same as the server has them. */
  readonly inside: readonly string[];
  readonly place: ServerPlace;
  readonly #names: Names;

  private constructor(names: Names) {
    this.#names = names;
    this.clientAddress = names.client;
    this.outside = names.outside;
    this.inside = names.inside;
    this.place = {
      ports: PORTS,
      command: (program, ...args) => [
        ...[names.ip, "netns", "exec", names.server, program],
        ...args,
      ],
    };
  }

  /** @throws {Error} when a step is refused; what was made until then is removed. */
  static async create(options: NatNetworkOptions = {}): Promise<NatNetwork> {
    const names = new Names(options.addresses ?? 1);
    try {
      await makePlaces(names, options);
      return new NatNetwork(names);
    } catch (error) {
      await removePlaces(names);
      throw error;
    }
  }

  /** Gives the server another address, or takes it away. */
  async change(what: "add" | "delete", address: string): Promise<void> {
    const { ip, server } = this.#names;
    await run(ip, "-netns", server, "address", what, `${address}/24`, "dev", "way");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removePlaces(this.#names);
  }
}

/** What everything is called. Interface names have at most 15 characters. */
class Names {
  readonly ip: string;
  readonly client: string;
  readonly routerOutside: string;
  readonly outside: readonly string[];
  readonly inside: readonly string[];
  readonly server: string;
  readonly router: string;
  /** Our end of the wire. */
  readonly device: string;
  readonly held: HeldBlock;

  constructor(count: number) {
    const { ip } = routerPrograms();
    this.ip = ip;
    this.held = holdBlock("198.51.100");
    const { block, id } = this.held;
    const outer = (host: number) => `198.51.100.${block + host}`;
    this.client = outer(1);
    this.routerOutside = outer(2);
    this.outside = Array.from({ length: count }, (_, at) => outer(3 + at));
    this.inside = Array.from({ length: count }, (_, at) => `192.168.77.${10 + at}`);
    this.server = `roomwire-nat-${id}-server`;
    this.router = `roomwire-nat-${id}-router`;
    this.device = `rn${id}`;
  }
}

async function makePlaces(names: Names, options: NatNetworkOptions): Promise<void> {
  const { ip, client, outside, inside, server, router, device } = names;
  const { mtu } = options;
  const inRouter = (...args: string[]) => run(ip, "-netns", router, ...args);
  const inServer = (...args: string[]) => run(ip, "-netns", server, ...args);
  await run(ip, "netns", "add", server);
  await run(ip, "netns", "add", router);
  await run(ip, "link", "add", device, "type", "veth", "peer", "name", "out", "netns", router);
  await inRouter("link", "add", "in", "type", "veth", "peer", "name", "way", "netns", server);
  await run(ip, "address", "add", `${client}/28`, "dev", device);
  await run(ip, "link", "set", device, "up");
  for (const address of [names.routerOutside, ...outside]) {
    await inRouter("address", "add", `${address}/28`, "dev", "out");
  }
  await inRouter("address", "add", "192.168.77.1/24", "dev", "in");
  for (const link of ["lo", "in", "out"]) await inRouter("link", "set", link, "up");
  for (const address of inside) await inServer("address", "add", `${address}/24`, "dev", "way");
  for (const link of ["lo", "way"]) await inServer("link", "set", link, "up");
  await inServer("route", "add", "default", "via", "192.168.77.1");
  // Clients that have no address here answer through it, too.
  await inRouter("route", "add", "default", "via", client);
  if (mtu !== undefined) await inRouter("link", "set", "out", "mtu", String(mtu));
  await routeIn(router, rulesOf(names, options));
}

/** What the router does, in nftables' own language. */
function rulesOf(
  { outside, inside }: Names,
  { hasHairpin = true, mtu }: NatNetworkOptions,
): string {
  const pairs = outside.map((address, at) => [address, inside[at]!] as const);
  return `table ip translation {
    chain arriving {
      type nat hook prerouting priority dstnat;
      ${pairs.map(([out, own]) => `ip daddr ${out} dnat to ${own}`).join("\n")}
    }
    chain leaving {
      type nat hook postrouting priority srcnat;
      ${pairs.map(([out, own]) => `ip saddr ${own} snat to ${out}`).join("\n")}
    }
    chain passing {
      type filter hook forward priority filter;
      ${mtu === undefined ? "" : `tcp flags syn tcp option maxseg size set ${mtu - TCP_HEADERS}`}
      ${hasHairpin ? "" : 'iifname "in" oifname "in" drop'}
    }
    chain own {
      type filter hook output priority filter;
      icmp type destination-unreachable drop
    }
  }`;
}

async function removePlaces({ ip, server, router, device, held }: Names): Promise<void> {
  for (const name of [server, router]) await run(ip, "netns", "delete", name).catch(() => {});
  await run(ip, "link", "delete", device).catch(() => {});
  held.release();
}
