/**
 * The programs in other languages that are a {@linkcode RawStack}, and what each stack needs.
 *
 * @module
 */
import type { Requirement } from "../process/e2e_requirements.ts";
import { installNodePackages } from "../process/node_packages.ts";
import type { StackName } from "./data_peer.ts";
import { pionDataProgram } from "./pion_peer.ts";
import { pythonPeer } from "./python_peers.ts";
import { ProcessStack, type RawStack } from "./raw_stack.ts";

const NODE_SOURCES = new URL("../../peers/node/", import.meta.url);

/** What must be there for each stack. */
export const STACK_NEEDS: Readonly<Record<StackName, readonly Requirement[]>> = {
  "pion": ["go"],
  "libdatachannel": ["node"],
  "aiortc": ["python"],
  "chromium": ["chromium"],
  "firefox": ["firefox"],
  "rtc-node": [],
};

/** Starts a stack for one participant; builds or installs it if need be. */
export async function processStack(
  stack: "pion" | "libdatachannel" | "aiortc",
  identity: string,
): Promise<RawStack> {
  const name = `${identity}, on ${stack},`;
  if (stack === "pion") return new ProcessStack(name, { program: await pionDataProgram() });
  if (stack === "aiortc") return new ProcessStack(name, await pythonPeer("data_peer.py"));
  const cwd = await installNodePackages("node", NODE_SOURCES);
  return new ProcessStack(name, { program: "node", args: ["data_peer.mjs"], cwd });
}
