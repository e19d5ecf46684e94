/**
 * Clients in Python (`tests/peers/python`) in an environment of their own, made by the first test
 * that needs it: aiortc, FFmpeg by way of PyAV, and LiveKit's Python SDK.
 *
 * @module
 */
import { cachedBuild } from "./built_peers.ts";
import { pythonPath } from "../process/e2e_requirements.ts";
import type { PeerCommand } from "./peer_process.ts";

const SOURCES = new URL("../../peers/python/", import.meta.url);

/** How to start one of the programs; installs their packages if need be. */
export async function pythonPeer(program: string, ...args: string[]): Promise<PeerCommand> {
  return {
    program: await (installed ??= cachedBuild("python", install)),
    args: [new URL(program, SOURCES).pathname, ...args],
  };
}
let installed: Promise<string> | undefined;

/** @returns the environment's own Python. */
async function install(folder: string): Promise<string> {
  const environment = `${folder}/environment`;
  const python = `${environment}/bin/python`;
  const requirements = await Deno.readTextFile(new URL("requirements.txt", SOURCES));
  const done = `${folder}/installed-requirements.txt`;
  if (await Deno.readTextFile(done).catch(() => "") === requirements) return python;
  await run(pythonPath()!, "-m", "venv", "--clear", environment);
  const file = new URL("requirements.txt", SOURCES).pathname;
  // Programs that others built, so that no compiler is needed here.
  await run(python, "-m", "pip", "install", "--quiet", "--only-binary=:all:", "-r", file);
  await Deno.writeTextFile(done, requirements);
  return python;
}

async function run(program: string, ...args: string[]): Promise<void> {
  const command = new Deno.Command(program, { args, stdout: "piped", stderr: "piped" });
  const { success, stderr } = await command.output();
  if (success) return;
  throw new Error(`"${program} ${args.join(" ")}" failed: ${new TextDecoder().decode(stderr)}`);
}
