/**
 * A network namespace of a server's own, or of clients' own, joined to this one by a wire, with
 * addresses of the families that a test wants and no others. Needs root and iproute2.
 *
 * @module
 */
import { ipPath } from "../process/e2e_requirements.ts";
import type { ServerPlace } from "../process/roomwire_process.ts";
import { holdNetwork, run } from "./test_networks.ts";

export type AddressFamily = "IPv4" | "IPv6";

/** How many there are of the networks used. */
const NETWORKS = 60;
const PREFIX_BITS = { IPv4: 30, IPv6: 64 } as const;

/** Disposing removes it. */
export interface ServerNamespace extends AsyncDisposable {
  readonly place: ServerPlace;
  /** The server's addresses, in the order of the families. */
  readonly addresses: readonly string[];
  /** Ours on the same wire. */
  readonly hostAddresses: readonly string[];
}

/** @throws {Error} when a step is refused; what was made until then is removed. */
export async function createServerNamespace(
  families: readonly AddressFamily[],
): Promise<ServerNamespace> {
  const ip = ipPath();
  if (ip === undefined) throw new Error("iproute2 is not installed");
  // From one: a group of zeros is written otherwise, and so that nobody here has 192.0.2.1.
  const held = holdNetwork(NETWORKS, (number) => [
    addressIn("IPv4", 1 + number, 1),
    addressIn("IPv6", 1 + number, 1),
  ]);
  const name = `roomwire-server-${held.id}`;
  // Interface names have at most 15 characters.
  const device = `rs${held.id}`;
  const address = (family: AddressFamily, host: 1 | 2) => addressIn(family, 1 + held.number, host);
  const inside = (...args: string[]) => run(ip, "-netns", name, ...args);
  const destroy = async () => {
    await run(ip, "netns", "delete", name).catch(() => {});
    await run(ip, "link", "delete", device).catch(() => {});
    held.release();
  };
  try {
    await run(ip, "netns", "add", name);
    await run(ip, "link", "add", device, "type", "veth", "peer", "name", "way", "netns", name);
    for (const family of families) {
      // Without `nodad` an IPv6 address cannot be used for the first two seconds.
      const at = (host: 1 | 2) => [
        ...["address", "add", `${address(family, host)}/${PREFIX_BITS[family]}`],
        ...(family === "IPv6" ? ["nodad"] : []),
        "dev",
      ];
      await run(ip, ...at(1), device);
      await inside(...at(2), "way");
    }
    await run(ip, "link", "set", device, "up");
    for (const link of ["lo", "way"]) await inside("link", "set", link, "up");
    // Clients answer from whatever address they have.
    for (const family of families) {
      const version = family === "IPv6" ? "-6" : "-4";
      await inside(version, "route", "add", "default", "via", address(family, 1));
    }
  } catch (error) {
    await destroy();
    throw error;
  }
  return {
    addresses: families.map((family) => address(family, 2)),
    hostAddresses: families.map((family) => address(family, 1)),
    place: {
      ports: { http: 7880, tcp: 7881, udp: 7882 },
      command: (program, ...args) => [ip, "netns", "exec", name, program, ...args],
    },
    [Symbol.asyncDispose]: destroy,
  };
}

/** Of RFC 5737's ranges the one that routers of tests leave free, in parts of four. */
function addressIn(family: AddressFamily, block: number, host: 1 | 2): string {
  return family === "IPv4" ? `192.0.2.${4 * block + host}` : `2001:db8:7:${block}::${host}`;
}
