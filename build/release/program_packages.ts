/**
 * Which packages of npm's are inside the program: those that something it may load imports, and what
 * these need.
 *
 * @module
 */
import type { NpmPart } from "./bill_of_materials.ts";

const ROOT = new URL("../../", import.meta.url);
const ENTRANCES = ["main.ts", "lib/engine/worker/worker_main.ts"];
/** Not imported, but embedded as a file: the demo's. */
const EMBEDDED = ["livekit-client"];

/** What `deno info --json` says of one entrance, as far as it matters. */
interface ModuleGraph {
  readonly modules: readonly { readonly kind?: string; readonly npmPackage?: string }[];
  readonly npmPackages: Readonly<Record<string, ListedPackage>>;
}

interface ListedPackage {
  readonly name: string;
  readonly version: string;
  readonly dependencies: readonly string[];
  readonly localPath: string;
}

/** The packages, and which of them the program itself imports. */
export interface ProgramPackages {
  readonly imports: readonly string[];
  readonly packages: readonly NpmPart[];
}

/** Finds them. @throws {Error} if Deno does not know the program. */
export async function programPackages(): Promise<ProgramPackages> {
  const graphs = await Promise.all(ENTRANCES.map(moduleGraph));
  const listed: Readonly<Record<string, ListedPackage>> = Object.assign(
    {},
    ...graphs.map(({ npmPackages }) => npmPackages),
  );
  const named = graphs.flatMap(({ modules }) =>
    modules.flatMap(({ npmPackage }) => npmPackage === undefined ? [] : [npmPackage])
  );
  const files = Object.keys(listed).filter((id) => EMBEDDED.includes(listed[id]!.name));
  const imports = [...new Set([...named, ...files])];
  const inside = new Set<string>();
  const visit = (id: string) => {
    if (inside.has(id) || listed[id] === undefined) return;
    inside.add(id);
    // What an embedded file needs is written into it.
    if (!files.includes(id)) listed[id].dependencies.forEach(visit);
  };
  imports.forEach(visit);
  const lock = JSON.parse(await Deno.readTextFile(new URL("deno.lock", ROOT))) as {
    readonly npm: Readonly<Record<string, { readonly integrity?: string }>>;
  };
  const packages = await Promise.all([...inside].map(async (id) => {
    const { name, version, dependencies, localPath } = listed[id]!;
    return {
      name,
      version,
      licence: await licenceIn(localPath),
      integrity: lock.npm[id]?.integrity,
      needs: dependencies,
    };
  }));
  return { imports, packages };
}

async function moduleGraph(entrance: string): Promise<ModuleGraph> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", entrance],
    cwd: ROOT,
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  if (!success) throw new Error(text.decode(stderr));
  return JSON.parse(text.decode(stdout)) as ModuleGraph;
}

/** What a package says of its licence. */
async function licenceIn(folder: string): Promise<string | undefined> {
  const { license } = JSON.parse(await Deno.readTextFile(`${folder}/package.json`)) as {
    readonly license?: unknown;
  };
  return typeof license === "string" ? license : undefined;
}
