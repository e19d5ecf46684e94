/**
 * A Linux network namespace joined to this one by a pair of virtual wires, in which UDP cannot
 * leave: every datagram to another host is refused by a routing rule. Needs root and iproute2.
 *
 * @module
 */
import { ipPath } from "./e2e_requirements.ts";

/** Third byte of the /30 used, by process, so that two test runs do not share one. */
const SUBNET = Deno.pid % 250;

export interface TcpOnlyNamespace extends AsyncDisposable {
  readonly name: string;
  /** Our end of the wire: where a server has to listen. */
  readonly hostAddress: string;
  /** The end inside. */
  readonly guestAddress: string;
  /** Argument list that runs a program inside. */
  command(program: string, ...args: readonly string[]): string[];
  /** A shell script that starts `program` inside with the script's own arguments. */
  wrapperFor(program: string): Promise<string>;
}

/** @throws {Error} when a step is refused; what was made until then is removed. */
export async function createTcpOnlyNamespace(): Promise<TcpOnlyNamespace> {
  const ip = ipPath();
  if (ip === undefined) throw new Error("iproute2 is not installed");
  const name = `roomwire-${Deno.pid}`;
  // Interface names have at most 15 characters.
  const [outer, inner] = [`rw${Deno.pid}o`, `rw${Deno.pid}i`];
  const hostAddress = `10.213.${SUBNET}.1`;
  const guestAddress = `10.213.${SUBNET}.2`;
  const scratch = await Deno.makeTempDir({ prefix: "roomwire-netns-" });
  const destroy = async () => {
    await run(ip, "netns", "delete", name).catch(() => {});
    await run(ip, "link", "delete", outer).catch(() => {});
    await Deno.remove(scratch, { recursive: true }).catch(() => {});
  };
  try {
    await run(ip, "netns", "add", name);
    await run(ip, "link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name);
    await run(ip, "address", "add", `${hostAddress}/30`, "dev", outer);
    await run(ip, "link", "set", outer, "up");
    await run(ip, "-netns", name, "address", "add", `${guestAddress}/30`, "dev", inner);
    await run(ip, "-netns", name, "link", "set", "lo", "up");
    await run(ip, "-netns", name, "link", "set", inner, "up");
    // Before the main table (32766), after the local one, so loopback inside still works.
    const rule = ["rule", "add", "preference", "100", "ipproto", "udp", "prohibit"];
    await run(ip, "-netns", name, ...rule);
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
    async wrapperFor(program) {
      const path = `${scratch}/inside`;
      await Deno.writeTextFile(path, `#!/bin/sh\nexec ${command(program).join(" ")} "$@"\n`);
      await Deno.chmod(path, 0o755);
      return path;
    },
    [Symbol.asyncDispose]: destroy,
  };
}

async function run(program: string, ...args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args: [...args] }).output();
  if (success) return;
  throw new Error(`"ip ${args.join(" ")}" failed: ${new TextDecoder().decode(stderr).trim()}`);
}
