/**
 * Networks of tests: which of many like ones is free, held against other tests that run at the same
 * time, and made clean of what killed test runs have left. Needs root and iproute2.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { ipPath } from "../process/e2e_requirements.ts";

/** Third bytes of the networks used that are tried, one after the other. */
export const SUBNETS = 250;
/** Where a network is held: nobody listens there. */
const HOLDING_PORT = 9;
/** What has an id of {@linkcode HeldNetwork} in its name: interfaces and namespaces of tests. */
const BELONGS_TO = /^(?:r[hnpsw]|roomwire-(?:[a-z]+-)?)(\d+)-/;

/** One of several like networks, which no other test takes until it is given back. */
export interface HeldNetwork {
  readonly number: number;
  /**
   * For the names of what belongs to it: this process and the network, at most 10 characters. Names
   * are `r`, a letter and the id for interfaces, `roomwire-`, a word and the id for namespaces.
   */
  readonly id: string;
  /** Idempotent. */
  release(): void;
}

/**
 * A network that no other test uses: the search begins elsewhere in each process. A listener on
 * loopback holds it, because the kernel gives that to one alone, and takes it from the dead.
 *
 * @param networks How many there are.
 * @param hostAddresses The host's own in one of them, that of IPv4 first: the same network of
 * several families.
 * @throws {Error} if every one is taken.
 */
export function holdNetwork(
  networks: number,
  hostAddresses: (network: number) => readonly [string, ...string[]],
): HeldNetwork {
  removeOfTheDead();
  const taken = new Set(Deno.networkInterfaces().map(({ address }) => address));
  for (let i = 0; i < networks; i++) {
    const number = (Deno.pid + i) % networks;
    const addresses = hostAddresses(number);
    if (addresses.some((address) => taken.has(address))) continue;
    let held = hold(addresses[0]);
    if (held === undefined) continue;
    return {
      number,
      id: `${Deno.pid}-${number.toString(36)}`,
      release() {
        held?.close();
        held = undefined;
      },
    };
  }
  throw new Error(`Every network like that of ${hostAddresses(0).join(" and ")} is taken`);
}

/** `undefined` if somebody else holds it. */
function hold(address: string): Deno.Listener | undefined {
  try {
    const hostname = address.replace(/^\d+/, "127");
    return Deno.listen({ hostname, port: HOLDING_PORT });
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return undefined;
    throw error;
  }
}

/** Which of these interfaces or namespaces belong to processes that are no more. */
export function ofTheDead(
  names: readonly string[],
  isAlive: (pid: number) => boolean = (pid) => existsSync(`/proc/${pid}`),
): string[] {
  return names.filter((name) => {
    const pid = BELONGS_TO.exec(name)?.[1];
    return pid !== undefined && !isAlive(Number(pid));
  });
}

/** Removes interfaces and namespaces of test runs that were killed: they are in the way. */
function removeOfTheDead(): void {
  const ip = ipPath();
  if (ip === undefined) return;
  // Both lists have the name first; an interface has its other end behind an "@".
  const listed = (...args: string[]) =>
    sayOf(ip, ...args).split("\n").map((line) => line.split(/[ @]/)[0]!);
  for (const name of ofTheDead(listed("netns", "list"))) {
    sayOf(ip, "netns", "delete", name);
    // For files in place of those of `/etc`.
    if (existsSync(`/etc/netns/${name}`)) {
      Deno.removeSync(`/etc/netns/${name}`, { recursive: true });
    }
  }
  for (const name of ofTheDead(listed("-brief", "link", "show"))) {
    sayOf(ip, "link", "delete", name);
  }
}

/** What a program prints; somebody else may have been faster in removing what it is about. */
function sayOf(program: string, ...args: readonly string[]): string {
  const { stdout } = new Deno.Command(program, { args: [...args], stderr: "null" }).outputSync();
  return new TextDecoder().decode(stdout);
}

/** @throws {Error} with what the program says when it fails. */
export async function run(program: string, ...args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args: [...args] }).output();
  if (success) return;
  throw new Error(
    `"${program} ${args.join(" ")}" failed: ${new TextDecoder().decode(stderr).trim()}`,
  );
}
