/**
 * A Linux network namespace joined to this one by a pair of virtual wires, in which UDP can be made
 * to go nowhere: routing rules swallow what comes in and send what goes out to a neighbour that
 * does not exist, so datagrams vanish as behind a firewall that drops. Needs root and iproute2.
 *
 * @module
 */
import { ipPath } from "../process/e2e_requirements.ts";
import { holdNetwork, run, SUBNETS } from "./test_networks.ts";

/** Routing table for UDP inside. */
const UDP_TABLE = "100";
/** Nobody has this hardware address. */
const NOBODY = "02:00:00:00:00:01";

export interface ClientNamespace extends AsyncDisposable {
  readonly name: string;
  /** Our end of the wire: where a server has to listen. */
  readonly hostAddress: string;
  /** The end inside. */
  readonly guestAddress: string;
  /** From now on datagrams vanish both ways. */
  blockUdp(): Promise<void>;
  /** Ends {@linkcode ClientNamespace.blockUdp}. */
  allowUdp(): Promise<void>;
  /** Takes our end of the wire down; nothing for the namespace leaves this machine another way. */
  cutWire(): Promise<void>;
  /** Ends {@linkcode ClientNamespace.cutWire}. */
  joinWire(): Promise<void>;
  /** Gives an end of the wire one more address, in CIDR notation. */
  addAddress(end: "host" | "guest", address: string): Promise<void>;
  /** From now on so many bits a second go in, and what is too much waits within the kernel. */
  limitRate(megabits: number): Promise<void>;
  /** Argument list that runs a program inside. */
  command(program: string, ...args: readonly string[]): string[];
  /** A shell script that starts `program` inside with the script's own arguments. */
  wrapperFor(program: string): Promise<string>;
}

/** A namespace in which UDP goes nowhere from the start. Throws like the other. */
export async function createTcpOnlyNamespace(): Promise<ClientNamespace> {
  const namespace = await createNamespace();
  await namespace.blockUdp();
  return namespace;
}

/**
 * A namespace in which everything works.
 *
 * @throws {Error} when a step is refused; what was made until then is removed.
 */
export async function createNamespace(): Promise<ClientNamespace> {
  const ip = ipPath();
  if (ip === undefined) throw new Error("iproute2 is not installed");
  const held = holdNetwork(SUBNETS, (number) => [`10.213.${number}.1`]);
  const name = `roomwire-client-${held.id}`;
  // Interface names have at most 15 characters.
  const [outer, inner] = [`rw${held.id}o`, `rw${held.id}i`];
  const network = `10.213.${held.number}`;
  const [hostAddress, guestAddress, nobodyAddress] = [
    `${network}.1`,
    `${network}.2`,
    `${network}.6`,
  ];
  const scratch = await Deno.makeTempDir({ prefix: "roomwire-netns-" });
  // Beside the wire's own route this one is never taken, as its metric is the highest.
  const unreachable = ["unreachable", `${network}.0/29`, "metric", "4294967295"];
  const destroy = async () => {
    await run(ip, "route", "delete", ...unreachable).catch(() => {});
    await run(ip, "netns", "delete", name).catch(() => {});
    await run(ip, "link", "delete", outer).catch(() => {});
    await Deno.remove(scratch, { recursive: true }).catch(() => {});
    held.release();
  };
  const inNamespace = (...args: readonly string[]) => run(ip, "-netns", name, ...args);
  const udp = ["ipproto", "udp"];
  // What comes in; and what goes out, except over loopback, which the local table has already
  // taken.
  const rules = [
    ["preference", "10", "iif", inner, ...udp, "blackhole"],
    ["preference", "30", ...udp, "lookup", UDP_TABLE],
  ];
  const changeRules = async (change: "add" | "delete") => {
    for (const rule of rules) await inNamespace("rule", change, ...rule);
    // A route that a socket has looked up before would be kept.
    await inNamespace("route", "flush", "cache");
  };
  try {
    await run(ip, "netns", "add", name);
    await run(ip, "link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name);
    await run(ip, "address", "add", `${hostAddress}/29`, "dev", outer);
    await run(ip, "link", "set", outer, "up");
    // A run that was killed may have left it.
    await run(ip, "route", "replace", ...unreachable);
    await run(ip, "-netns", name, "address", "add", `${guestAddress}/29`, "dev", inner);
    await run(ip, "-netns", name, "link", "set", "lo", "up");
    await run(ip, "-netns", name, "link", "set", inner, "up");
    await inNamespace(
      ...["neighbour", "add", nobodyAddress, "lladdr", NOBODY, "dev", inner, "nud", "permanent"],
    );
    await inNamespace(
      ...["route", "add", "default", "via", nobodyAddress, "dev", inner, "table", UDP_TABLE],
    );
    // The local table moves from 0 to 20, so that a rule before it can swallow what comes in.
    await inNamespace("rule", "add", "preference", "20", "lookup", "local");
    await inNamespace("rule", "delete", "preference", "0");
  } catch (error) {
    await destroy();
    throw error;
  }
  const command = (program: string, ...args: readonly string[]) => //
  [ip, "netns", "exec", name, program, ...args];
  return {
    name,
    hostAddress,
    guestAddress,
    command,
    blockUdp: () => changeRules("add"),
    allowUdp: () => changeRules("delete"),
    cutWire: () => run(ip, "link", "set", outer, "down"),
    joinWire: () => run(ip, "link", "set", outer, "up"),
    addAddress: (end, address) => {
      // Without `nodad` an IPv6 address cannot be used for the first two seconds.
      const isV6 = address.includes(":");
      const added = ["address", "add", address, ...(isV6 ? ["nodad"] : []), "dev"];
      return end === "host" ? run(ip, ...added, outer) : inNamespace(...added, inner);
    },
    limitRate: (megabits) =>
      run(
        trafficControlPath(ip),
        ...["qdisc", "add", "dev", outer, "root"],
        ...["tbf", "rate", `${megabits}mbit`, "burst", "32kb", "limit", "64mb"],
      ),
    async wrapperFor(program) {
      const path = `${scratch}/inside`;
      await Deno.writeTextFile(path, `#!/bin/sh\nexec ${command(program).join(" ")} "$@"\n`);
      await Deno.chmod(path, 0o755);
      return path;
    },
    [Symbol.asyncDispose]: destroy,
  };
}

/** iproute2's other program, beside `ip`. */
function trafficControlPath(ip: string): string {
  return ip.replace(/ip$/, "tc");
}
