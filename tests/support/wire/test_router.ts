/**
 * What every router of a test needs: a network of its own outside, and rules in the kernel's own
 * filters. Needs root, iproute2 and nftables.
 *
 * @module
 */
import { ipPath, nftPath } from "../process/e2e_requirements.ts";
import { type HeldNetwork, holdNetwork, run } from "./test_networks.ts";

/** Addresses of one network, and how many networks there are. */
const BLOCK = 16;
const BLOCKS = 16;

/** The programs by which routers are made. @throws {Error} without them. */
export function routerPrograms(): { readonly ip: string; readonly nft: string } {
  const [ip, nft] = [ipPath(), nftPath()];
  if (ip === undefined || nft === undefined) throw new Error("iproute2 or nftables is missing");
  return { ip, nft };
}

/** A /28 of a network. */
export interface HeldBlock extends HeldNetwork {
  /** The last byte of its own address. */
  readonly block: number;
}

/**
 * A /28 of `network` (three bytes as text) that nobody else uses.
 *
 * @throws {Error} if every one is taken.
 */
export function holdBlock(network: string): HeldBlock {
  const held = holdNetwork(BLOCKS, (number) => [`${network}.${BLOCK * number + 1}`]);
  return { ...held, block: BLOCK * held.number };
}

/** The namespace passes on what is not for itself, by these rules, in nftables' own language. */
export async function routeIn(namespace: string, rules: string): Promise<void> {
  const { ip } = routerPrograms();
  await run(ip, "netns", "exec", namespace, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward");
  await addRules(namespace, rules);
}

/** Adds rules to those that are there. @throws {Error} in nftables' words. */
export async function addRules(namespace: string, rules: string): Promise<void> {
  const { ip, nft } = routerPrograms();
  const child = new Deno.Command(ip, {
    args: ["netns", "exec", namespace, nft, "-f", "-"],
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const input = child.stdin.getWriter();
  await input.write(new TextEncoder().encode(rules));
  await input.close();
  const { success, stderr } = await child.output();
  if (!success) throw new Error(`nft refused: ${new TextDecoder().decode(stderr).trim()}`);
}
