/**
 * Paths of bad quality between a server in this namespace and clients, each of which is in one of
 * its own: what passes goes through a program that delays, loses and holds it up by a seed
 * (`frame_switch.ts`). Needs root and iproute2.
 *
 * @module
 */
import { ipPath } from "../process/e2e_requirements.ts";
import type { Wire } from "../process/frame_switch.ts";
import { batch, SwitchProcess } from "./switch_process.ts";
import { type HeldNetwork, holdNetwork, run, SUBNETS } from "./test_networks.ts";

/** By its last byte the switch knows who is meant; the server is the first. */
const hardwareAddress = (end: number) => `02:00:00:00:02:0${end}`;
const MOST_PATHS = 9;

/** One direction of a path. */
export type PathFigures = Partial<Omit<Wire, "isCut" | "blocks">>;

/** What lies between the server and one client; what is not named is perfect. */
export interface PathCondition {
  /** To the client. */
  readonly down: PathFigures;
  /** To the server. */
  readonly up: PathFigures;
}

/** Loses the same share of packets both ways, 0–1, each by itself, and takes so long each way. */
export function lossyPath(loss: number, delayMs = 25): PathCondition {
  return { down: { delayMs, loss }, up: { delayMs, loss } };
}

/** Namespaces with their paths; disposing removes them. */
export class ImpairedPaths implements AsyncDisposable {
  /** Where a server has to listen, and to tell that it is. */
  readonly hostAddress: string;
  readonly #names: PathNames;
  readonly #switch: SwitchProcess;

  private constructor(names: PathNames, frames: SwitchProcess) {
    this.hostAddress = names.hostAddress;
    this.#names = names;
    this.#switch = frames;
  }

  /**
   * Makes perfect paths.
   *
   * @throws {Error} when a step is refused; what was made until then is removed.
   */
  static async create(count: number): Promise<ImpairedPaths> {
    if (count > MOST_PATHS) throw new Error(`At most ${MOST_PATHS} paths`);
    const names = new PathNames(count);
    try {
      await makeEnds(names);
      return new ImpairedPaths(names, await SwitchProcess.start(names.ends));
    } catch (error) {
      await removeEnds(names);
      throw error;
    }
  }

  /** From now on this lies between the server and a client; resolves when it does. */
  async set(path: number, { down, up }: PathCondition): Promise<void> {
    const perfect: Wire = { delayMs: 0, loss: 0, isCut: false };
    const client = path + 1;
    await this.#switch.order({ ...perfect, ...down, from: 0, to: client });
    await this.#switch.order({ ...perfect, ...up, from: client, to: 0 });
  }

  /** Where the far end of a path is. */
  address(path: number): string {
    return this.#names.address(path);
  }

  /** Argument list that runs a program at the far end of a path. */
  command(path: number, program: string, ...args: readonly string[]): string[] {
    return [this.#names.ip, "netns", "exec", this.#names.namespace(path), program, ...args];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#switch[Symbol.asyncDispose]();
    await removeEnds(this.#names);
  }
}

/** What the parts are called. Interface names have at most 15 characters. */
class PathNames {
  readonly ip: string;
  readonly hostAddress: string;
  readonly held: HeldNetwork;
  readonly #count: number;
  readonly #network: string;

  constructor(count: number) {
    const ip = ipPath();
    if (ip === undefined) throw new Error("iproute2 is not installed");
    this.ip = ip;
    this.#count = count;
    this.held = holdNetwork(SUBNETS, (number) => [`10.215.${number}.1`]);
    this.#network = `10.215.${this.held.number}`;
    this.hostAddress = `${this.#network}.1`;
  }

  get paths(): number[] {
    return Array.from({ length: this.#count }, (_, path) => path);
  }

  /** The switch's ends: the server's, then each path's. */
  get ends(): string[] {
    return [`rp${this.held.id}s`, ...this.paths.map((path) => `rp${this.held.id}f${path}`)];
  }

  /** The end that has the server's address. */
  get host(): string {
    return `rp${this.held.id}h`;
  }

  address(path: number): string {
    return `${this.#network}.${path + 11}`;
  }

  namespace(path: number): string {
    return `roomwire-path-${this.held.id}-${path}`;
  }
}

async function makeEnds(names: PathNames): Promise<void> {
  const { ip, host, hostAddress, paths, ends } = names;
  // Packets are held up and lost one by one, so none may be cut of something longer later.
  const whole = "gso_max_segs 1";
  const neighbour = (address: string, end: number, device: string) =>
    `neighbour add ${address} lladdr ${hardwareAddress(end)} dev ${device} nud permanent`;
  await batch(ip, [
    `link add ${host} type veth peer name ${ends[0]}`,
    `link set ${host} address ${hardwareAddress(0)} ${whole} up`,
    `link set ${ends[0]} up`,
    `address add ${hostAddress}/24 dev ${host}`,
    ...paths.flatMap((path) => [
      `netns add ${names.namespace(path)}`,
      `link add ${ends[path + 1]} type veth peer name far netns ${names.namespace(path)}`,
      `link set ${ends[path + 1]} up`,
      neighbour(names.address(path), path + 1, host),
    ]),
  ]);
  for (const path of paths) {
    await batch(ip, [
      "link set lo up",
      `link set far address ${hardwareAddress(path + 1)} ${whole} up`,
      `address add ${names.address(path)}/24 dev far`,
      neighbour(hostAddress, 0, "far"),
      // Firefox has no candidates where there is no way to everybody.
      `route add default via ${hostAddress} dev far`,
    ], names.namespace(path));
  }
}

async function removeEnds(names: PathNames): Promise<void> {
  for (const path of names.paths) {
    await run(names.ip, "netns", "delete", names.namespace(path)).catch(() => {});
  }
  for (const end of names.ends) await run(names.ip, "link", "delete", end).catch(() => {});
  await run(names.ip, "link", "delete", names.host).catch(() => {});
  names.held.release();
}
