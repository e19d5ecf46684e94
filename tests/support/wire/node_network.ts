/**
 * Network namespaces for the nodes of a cluster. Each has two wires: one to a bridge of which this
 * namespace is one more end, for its clients and for Redis, and one by which it reaches the other
 * nodes, through a program that delays and loses what passes (`frame_switch.ts`). Needs root and
 * iproute2.
 *
 * @module
 */
import { ipPath } from "../process/e2e_requirements.ts";
import type { Wire } from "../process/frame_switch.ts";
import type { ServerPlace } from "../process/roomwire_process.ts";
import { batch, SwitchProcess } from "./switch_process.ts";
import { type HeldNetwork, holdNetwork, run, SUBNETS } from "./test_networks.ts";

/** Nodes have their addresses for themselves, but output names them by their port. */
const portsOf = (index: number) => {
  const http = 7880 + 10 * index;
  return { http, tcp: http + 1, udp: http + 2 };
};
/** By its last byte the switch knows who is meant. */
const hardwareAddress = (index: number) => `02:00:00:00:01:0${index}`;
const MOST_NODES = 10;

/** What lies between two regions, each way. */
export interface RegionDistance {
  readonly delayMs: number;
  /** The part of packets that is lost. */
  readonly loss: number;
}

/** Whether this process may make namespaces. */
export function canMakeNodeNetwork(): boolean {
  return Deno.build.os === "linux" && Deno.uid() === 0 && ipPath() !== undefined;
}

/** Namespaces; disposing removes them. */
export class NodeNetwork implements AsyncDisposable {
  /** Where clients, Redis and receivers of webhooks are. */
  readonly hostAddress: string;
  /** Where each node is. */
  readonly places: readonly (ServerPlace & { readonly address: string })[];
  readonly #names: Names;
  readonly #switch: SwitchProcess;
  readonly #wires: Wire[][];

  /** @param wires By sender, then by receiver, as the switch has them. */
  private constructor(names: Names, frames: SwitchProcess, wires: Wire[][]) {
    this.#names = names;
    this.#switch = frames;
    this.#wires = wires;
    this.hostAddress = names.hostAddress;
    this.places = wires.map((_, index) => ({
      address: names.address(index),
      ports: portsOf(index),
      command: (program, ...args) => [
        ...[names.ip, "netns", "exec", names.namespace(index), program],
        ...args,
      ],
    }));
  }

  /**
   * @param regions Region of each node; those of one region have nothing between them.
   * @throws {Error} when a step is refused; what was made until then is removed.
   */
  static async create(
    regions: readonly string[],
    distance: RegionDistance,
    { apart = false }: { readonly apart?: boolean } = {},
  ): Promise<NodeNetwork> {
    if (regions.length > MOST_NODES) throw new Error(`At most ${MOST_NODES} nodes`);
    const names = new Names(regions.length);
    try {
      await makeNamespaces(names);
      if (apart) await setApart(names);
      const frames = await SwitchProcess.start(names.indexes.map((index) => names.far(index)));
      const wires = regions.map((from) =>
        regions.map((to) => ({
          ...(from === to ? { delayMs: 0, loss: 0 } : distance),
          isCut: false,
        }))
      );
      const network = new NodeNetwork(names, frames, wires);
      for (const from of names.indexes) {
        for (const to of names.indexes) await network.#tell(from, to);
      }
      return network;
    } catch (error) {
      await removeNamespaces(names);
      throw error;
    }
  }

  /** From now on this lies between two nodes, in both directions; resolves when it does. */
  async setWire(one: number, other: number, change: Partial<Wire>): Promise<void> {
    for (const [from, to] of [[one, other], [other, one]] as const) {
      this.#wires[from]![to] = { ...this.#wires[from]![to]!, ...change };
      await this.#tell(from, to);
    }
  }

  /** The part of packets that is lost from one node to another. */
  lossBetween(from: number, to: number): number {
    return this.#wires[from]![to]!.loss;
  }

  /** In a network whose nodes are apart: where the others reach one. */
  addressAmongNodes(index: number): string {
    return this.#names.addressApart(index);
  }

  /**
   * A node that is apart has another address among nodes from now on, and the one before no more.
   *
   * @returns The new one.
   */
  async replaceAddress(index: number): Promise<string> {
    const { ip, indexes, namespace } = this.#names;
    const others = indexes.filter((other) => other !== index);
    const [before, after] = [0, 1].map((turn) => this.#names.addressApart(index, turn));
    await batch(ip, [
      `address add ${after}/32 dev far`,
      ...others.map((other) =>
        `route replace ${this.#names.addressApart(other)}/32 dev far src ${after}`
      ),
      `address delete ${before}/32 dev far`,
    ], namespace(index));
    for (const other of others) {
      await batch(ip, routeTo(index, after!, this.#names.addressApart(other)), namespace(other));
    }
    return after!;
  }

  /** Takes a node off the net, for nodes, Redis and clients alike, or lets it back. */
  async setReachable(index: number, isReachable: boolean): Promise<void> {
    const { ip } = this.#names;
    await run(ip, "link", "set", this.#names.near(index), isReachable ? "up" : "down");
    for (const other of this.#names.indexes) {
      if (other !== index) await this.setWire(index, other, { isCut: !isReachable });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#switch[Symbol.asyncDispose]();
    await removeNamespaces(this.#names);
  }

  #tell(from: number, to: number): Promise<void> {
    return this.#switch.order({ from, to, ...this.#wires[from]![to]! });
  }
}

/** What the parts of a network are called. Interface names have at most 15 characters. */
class Names {
  readonly ip: string;
  readonly indexes: readonly number[];
  readonly bridge: string;
  readonly hostAddress: string;
  readonly held: HeldNetwork;
  readonly #id: string;
  readonly #network: string;

  constructor(count: number) {
    const ip = ipPath();
    if (ip === undefined) throw new Error("iproute2 is not installed");
    this.ip = ip;
    this.indexes = Array.from({ length: count }, (_, index) => index);
    this.held = holdNetwork(SUBNETS, (number) => [`10.214.${number}.1`]);
    this.#id = this.held.id;
    this.#network = `10.214.${this.held.number}`;
    this.bridge = `rw${this.#id}b`;
    this.hostAddress = `${this.#network}.1`;
  }

  address(index: number): string {
    return `${this.#network}.${index + 11}`;
  }

  /** Of nodes that are apart, among each other: the first, and the one in its place. */
  addressApart(index: number, turn = 0): string {
    return `${this.#network}.${index + 111 + 50 * turn}`;
  }

  readonly namespace = (index: number): string => `roomwire-${this.#id}-${index}`;

  /** Our end of a node's wire to this namespace. */
  near(index: number): string {
    return `rw${this.#id}n${index}`;
  }

  /** Our end of a node's wire to the others. */
  far(index: number): string {
    return `rw${this.#id}f${index}`;
  }
}

async function makeNamespaces(names: Names): Promise<void> {
  const { ip, bridge, indexes } = names;
  await batch(ip, [
    `link add ${bridge} type bridge`,
    `address add ${names.hostAddress}/24 dev ${bridge}`,
    `link set ${bridge} up`,
    ...indexes.flatMap((index) => [
      `netns add ${names.namespace(index)}`,
      `link add ${names.near(index)} type veth peer name near netns ${names.namespace(index)}`,
      `link add ${names.far(index)} type veth peer name far netns ${names.namespace(index)}`,
      `link set ${names.near(index)} master ${bridge} up`,
      `link set ${names.far(index)} up`,
    ]),
  ]);
  for (const index of indexes) {
    const others = indexes.filter((other) => other !== index);
    await batch(ip, [
      "link set lo up",
      `address add ${names.address(index)}/24 dev near`,
      "link set near up",
      // Packets are lost one by one, so they may not be cut of something longer by the hardware.
      `link set far address ${hardwareAddress(index)} gso_max_segs 1 up`,
      ...others.flatMap((other) => [
        `route add ${names.address(other)}/32 dev far src ${names.address(index)}`,
        `neighbour add ${names.address(other)} lladdr ${
          hardwareAddress(other)
        } dev far nud permanent`,
      ]),
    ], names.namespace(index));
  }
}

/** How one reaches the node of that index at an address, by the wire between nodes. */
function routeTo(index: number, address: string, from: string): string[] {
  return [
    `route replace ${address}/32 dev far src ${from}`,
    `neighbour replace ${address} lladdr ${hardwareAddress(index)} dev far nud permanent`,
  ];
}

/**
 * Nodes reach each other at addresses that no client knows, and not at those of clients: neither is
 * there a way to those, nor is anything taken that comes from them.
 */
async function setApart(names: Names): Promise<void> {
  const { ip, indexes } = names;
  for (const index of indexes) {
    const own = names.addressApart(index);
    await batch(ip, [
      `address add ${own}/32 dev far`,
      ...indexes.filter((other) => other !== index).flatMap((other) => [
        ...routeTo(other, names.addressApart(other), own),
        `route replace unreachable ${names.address(other)}/32`,
      ]),
    ], names.namespace(index));
    const strict = "echo 1 > /proc/sys/net/ipv4/conf/far/rp_filter";
    await run(ip, "netns", "exec", names.namespace(index), "sh", "-c", strict);
  }
}

async function removeNamespaces(names: Names): Promise<void> {
  for (const index of names.indexes) {
    await run(names.ip, "netns", "delete", names.namespace(index)).catch(() => {});
    await run(names.ip, "link", "delete", names.near(index)).catch(() => {});
    await run(names.ip, "link", "delete", names.far(index)).catch(() => {});
  }
  await run(names.ip, "link", "delete", names.bridge).catch(() => {});
  names.held.release();
}
