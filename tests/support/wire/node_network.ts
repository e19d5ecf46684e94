/**
 * Network namespaces for the nodes of a cluster. Each has two wires: one to a bridge of which this
 * namespace is one more end, for its clients and for Redis, and one by which it reaches the other
 * nodes, through a program that delays and loses what passes (`frame_switch.ts`). Needs root and
 * iproute2.
 *
 * @module
 */
import { ipPath } from "../process/e2e_requirements.ts";
import type { Wire, WireOrder } from "../process/frame_switch.ts";
import type { ServerPlace } from "../process/roomwire_process.ts";
import { run } from "./network_namespace.ts";

const SWITCH = new URL("../process/frame_switch.ts", import.meta.url).pathname;
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
  ): Promise<NodeNetwork> {
    if (regions.length > MOST_NODES) throw new Error(`At most ${MOST_NODES} nodes`);
    const names = new Names(regions.length);
    try {
      await makeNamespaces(names);
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
  readonly #id: string;
  readonly #network: string;

  constructor(count: number) {
    const ip = ipPath();
    if (ip === undefined) throw new Error("iproute2 is not installed");
    this.ip = ip;
    this.indexes = Array.from({ length: count }, (_, index) => index);
    const taken = new Set(Deno.networkInterfaces().map(({ address }) => address));
    const subnets = Array.from({ length: 250 }, (_, at) => (Deno.pid + at) % 250);
    const subnet = subnets.find((one) => !taken.has(`10.214.${one}.1`));
    if (subnet === undefined) throw new Error("Every subnet for test networks is taken");
    // A process may have several networks, but never two of one subnet.
    this.#id = `${Deno.pid % 1_000_000}${subnet.toString(36)}`;
    this.#network = `10.214.${subnet}`;
    this.bridge = `rw${this.#id}b`;
    this.hostAddress = `${this.#network}.1`;
  }

  address(index: number): string {
    return `${this.#network}.${index + 11}`;
  }

  namespace(index: number): string {
    return `roomwire-${this.#id}-${index}`;
  }

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

async function removeNamespaces(names: Names): Promise<void> {
  for (const index of names.indexes) {
    await run(names.ip, "netns", "delete", names.namespace(index)).catch(() => {});
    await run(names.ip, "link", "delete", names.near(index)).catch(() => {});
    await run(names.ip, "link", "delete", names.far(index)).catch(() => {});
  }
  await run(names.ip, "link", "delete", names.bridge).catch(() => {});
}

/** Many steps by one process. @throws {Error} with what it says at the first one refused. */
async function batch(ip: string, lines: readonly string[], namespace?: string): Promise<void> {
  const child = new Deno.Command(ip, {
    args: [...(namespace === undefined ? [] : ["-netns", namespace]), "-batch", "-"],
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const input = child.stdin.getWriter();
  await input.write(new TextEncoder().encode(`${lines.join("\n")}\n`));
  await input.close();
  const { success, stderr } = await child.output();
  if (!success) throw new Error(`${ip} refused: ${new TextDecoder().decode(stderr).trim()}`);
}

/** The program between the nodes. */
class SwitchProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #answers: ReadableStreamDefaultReader<string>;
  #rest = "";
  /** Orders are given one by one. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#input = child.stdin.getWriter();
    this.#answers = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  static async start(interfaces: readonly string[]): Promise<SwitchProcess> {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--allow-ffi", SWITCH, ...interfaces],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const started = new SwitchProcess(child);
    await started.#answer();
    return started;
  }

  order(order: WireOrder): Promise<void> {
    const done = this.#last.then(async () => {
      await this.#input.write(new TextEncoder().encode(`${JSON.stringify(order)}\n`));
      await this.#answer();
    });
    this.#last = done.catch(() => {});
    return done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last;
    await this.#input.close().catch(() => {});
    await this.#answers.cancel();
    await this.#child.status;
  }

  async #answer(): Promise<void> {
    while (!this.#rest.includes("\n")) {
      const { value, done } = await this.#answers.read();
      if (done) throw new Error("The switch between the nodes has ended");
      this.#rest += value;
    }
    this.#rest = this.#rest.slice(this.#rest.indexOf("\n") + 1);
  }
}
