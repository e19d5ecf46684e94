/**
 * Clients behind one router or two that translate addresses for them, as homes and carriers have
 * them: a namespace for the clients and one for each router. This namespace is the internet. Needs
 * root, iproute2 and nftables.
 *
 * @module
 */
import { run } from "./test_networks.ts";
import { addRules, type HeldBlock, holdBlock, routeIn, routerPrograms } from "./test_router.ts";

/** Of the documentation ranges (RFC 5737); carriers have RFC 6598's inside. */
const INSIDE = "192.168.78";
const CARRIER = "100.64.7";

/** Each connection gets any port, so one for each destination: what is called symmetric. */
const TRANSLATION = `table ip translation {
  chain leaving {
    type nat hook postrouting priority srcnat;
    oifname "out" masquerade fully-random
  }
}`;

export interface ClientNatOptions {
  /** A second router behind the first, as carriers have. */
  readonly isDouble?: boolean;
}

/** The places. Disposing removes them. */
export class ClientNat implements AsyncDisposable {
  /** Where a server has to listen: beyond the routers. */
  readonly hostAddress: string;
  /** A second address there, for who needs one port twice. */
  readonly otherHostAddress: string;
  readonly #names: Names;
  #outside: string;
  #spare: string;
  /** Last byte of the address inside. */
  #inside = 2;

  private constructor(names: Names) {
    this.#names = names;
    this.hostAddress = names.host;
    this.otherHostAddress = names.otherHost;
    [this.#outside, this.#spare] = names.outside;
  }

  /** @throws {Error} when a step is refused; what was made until then is removed. */
  static async create(options: ClientNatOptions = {}): Promise<ClientNat> {
    const names = new Names();
    try {
      await makePlaces(names, options);
      return new ClientNat(names);
    } catch (error) {
      await removePlaces(names);
      throw error;
    }
  }

  /** The router forgets whom it knows: everybody inside has another port from now on. */
  async forget(): Promise<void> {
    await this.#router(
      "link set out down",
      "link set out up",
      `route replace default via ${this.hostAddress}`,
    );
  }

  /** Everybody inside has another address from now on. */
  async moveOutside(): Promise<void> {
    await this.#router(
      `address delete ${this.#outside}/28 dev out`,
      `address add ${this.#spare}/28 dev out`,
      `route replace default via ${this.hostAddress}`,
    );
    [this.#outside, this.#spare] = [this.#spare, this.#outside];
  }

  /** Everybody inside gets another address from their router, and loses the one they had. */
  async moveInside(): Promise<void> {
    await this.#changeIn(this.#names.client, [
      `address delete ${INSIDE}.${this.#inside}/24 dev way`,
      `address add ${INSIDE}.${++this.#inside}/24 dev way`,
      `route replace default via ${INSIDE}.1`,
    ]);
  }

  /** From now on nothing is let out but TCP to these ports. */
  async letOutOnly(tcpPorts: readonly number[]): Promise<void> {
    await this.#filter(`
      iifname "in" tcp dport { ${tcpPorts.join(", ")} } accept
      iifname "in" drop`);
  }

  /** Ends {@linkcode ClientNat.letOutOnly}. */
  letOutAll(): Promise<void> {
    return this.#filter("");
  }

  /** Programs that start inside from now on find a name at an address, and no others. */
  async setName(name: string, address: string): Promise<void> {
    const folder = hostsFolder(this.#names);
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeTextFile(`${folder}/hosts`, `127.0.0.1 localhost\n${address} ${name}\n`);
    // Nobody answers there, at once.
    await Deno.writeTextFile(`${folder}/resolv.conf`, "nameserver 127.0.0.1\n");
  }

  /** Argument list that runs a program inside. */
  command(program: string, ...args: readonly string[]): string[] {
    const { ip, client } = this.#names;
    return [ip, "netns", "exec", client, program, ...args];
  }

  /** A shell script that starts `program` inside with the script's own arguments. */
  async wrapperFor(program: string): Promise<string> {
    const { ip, client, scratch } = this.#names;
    const path = `${await scratch}/${program.replaceAll("/", "_")}`;
    await Deno.writeTextFile(path, `#!/bin/sh\nexec ${ip} netns exec ${client} ${program} "$@"\n`);
    await Deno.chmod(path, 0o755);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removePlaces(this.#names);
  }

  async #filter(rules: string): Promise<void> {
    const { routers: [outer] } = this.#names;
    await addRules(
      outer,
      `table ip firewall
      delete table ip firewall
      table ip firewall {
        chain passing {
          type filter hook forward priority filter;
          ${rules}
        }
      }`,
    );
  }

  #router(...changes: readonly string[]): Promise<void> {
    return this.#changeIn(this.#names.routers[0], changes);
  }

  /** In one process: on a busy machine each takes its time, and nothing passes between them. */
  async #changeIn(place: string, changes: readonly string[]): Promise<void> {
    const { ip, scratch } = this.#names;
    const batch = `${await scratch}/changes`;
    await Deno.writeTextFile(batch, changes.map((change) => `${change}\n`).join(""));
    await run(ip, "-netns", place, "-batch", batch);
  }
}

/** What everything is called. Interface names have at most 15 characters. */
class Names {
  readonly ip: string;
  readonly client: string;
  /** From the outermost on. */
  readonly routers: readonly [string, string];
  readonly host: string;
  readonly otherHost: string;
  readonly outside: readonly [string, string];
  readonly device: string;
  readonly held: HeldBlock;
  readonly scratch = Deno.makeTempDir({ prefix: "roomwire-nat-" });

  constructor() {
    const { ip } = routerPrograms();
    this.ip = ip;
    this.held = holdBlock("203.0.113");
    const { block, id } = this.held;
    this.host = `203.0.113.${block + 1}`;
    this.otherHost = `203.0.113.${block + 4}`;
    this.outside = [`203.0.113.${block + 2}`, `203.0.113.${block + 3}`];
    this.client = `roomwire-home-${id}`;
    this.routers = [`roomwire-home-${id}-1`, `roomwire-home-${id}-2`];
    this.device = `rh${id}`;
  }
}

async function makePlaces(names: Names, { isDouble = false }: ClientNatOptions) {
  const { ip, client, routers: [outer, second], host, outside, device } = names;
  const inner = isDouble ? second : outer;
  for (const name of new Set([client, outer, inner])) await run(ip, "netns", "add", name);
  await run(ip, "link", "add", device, "type", "veth", "peer", "name", "out", "netns", outer);
  for (const address of [host, names.otherHost]) {
    await run(ip, "address", "add", `${address}/28`, "dev", device);
  }
  await run(ip, "link", "set", device, "up");
  await run(ip, "-netns", outer, "address", "add", `${outside[0]}/28`, "dev", "out");
  await run(ip, "-netns", outer, "link", "set", "out", "up");
  await run(ip, "-netns", outer, "route", "add", "default", "via", host);
  if (isDouble) await join(names, [outer, `${CARRIER}.1`], [inner, `${CARRIER}.2`], "out");
  await join(names, [inner, `${INSIDE}.1`], [client, `${INSIDE}.2`], "way");
  await run(ip, "-netns", client, "link", "set", "lo", "up");
  for (const router of new Set([outer, inner])) {
    await routeIn(router, TRANSLATION);
  }
}

/** A wire between two namespaces, the second of which leaves by the first. */
async function join(
  { ip }: Names,
  [upper, upperAddress]: readonly [string, string],
  [lower, lowerAddress]: readonly [string, string],
  device: string,
): Promise<void> {
  await run(
    ...[ip, "-netns", upper, "link", "add", "in", "type", "veth"],
    ...["peer", "name", device, "netns", lower],
  );
  const ends = [[upper, "in", upperAddress], [lower, device, lowerAddress]] as const;
  for (const [name, end, address] of ends) {
    await run(ip, "-netns", name, "address", "add", `${address}/24`, "dev", end);
    await run(ip, "-netns", name, "link", "set", end, "up");
  }
  await run(ip, "-netns", lower, "route", "add", "default", "via", upperAddress);
}

/** What iproute2 puts in place of files of `/etc` for programs in the clients' namespace. */
function hostsFolder({ client }: Names): string {
  return `/etc/netns/${client}`;
}

async function removePlaces(names: Names): Promise<void> {
  const { ip, client, routers, device, scratch, held } = names;
  for (const name of [client, ...routers]) await run(ip, "netns", "delete", name).catch(() => {});
  await run(ip, "link", "delete", device).catch(() => {});
  for (const folder of [await scratch, hostsFolder(names)]) {
    await Deno.remove(folder, { recursive: true }).catch(() => {});
  }
  held.release();
}
