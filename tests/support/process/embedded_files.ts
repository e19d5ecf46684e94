/**
 * What `deno compile` says it has embedded, and a folder with exactly that to run it from: an
 * executable for a machine that is not here, or whose runtime is out of reach, is tried out so.
 *
 * @module
 */
import { cpSync, existsSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";

/** One line of the listing: a file, a whole folder, or a symbolic link. */
export interface EmbeddedFile {
  /** Relative to the project. */
  readonly path: string;
  /** Everything below is embedded. */
  readonly isFolder: boolean;
  /** Where a link points, relative to the project. */
  readonly target: string | undefined;
}

/** An npm package's files, as the listing has them. */
const PACKAGES = /^\.deno_compile_node_modules\/[^/]+\//;
/** Indentation, branch, name, target of a link, and the size of the file or folder. */
const LINE = /^((?:│ | {2})*)[├└]─([─┬]) (.*?)(?: --> (.*?))?(?: \([^()]*\))?$/;

/** Reads the tree that `deno compile` prints without colours. */
export function readEmbeddedFiles(output: string): EmbeddedFile[] {
  const files: EmbeddedFile[] = [];
  const above: string[] = [];
  for (const line of output.split("\n")) {
    const match = LINE.exec(line);
    if (match === null) continue;
    const [, indent, branch, name, target] = match;
    above.length = indent!.length / 2;
    above.push(name!);
    if (branch === "┬") continue;
    const path = above.join("/");
    files.push({
      path: path.replace(/\/\*$/, ""),
      isFolder: path.endsWith("/*"),
      target,
    });
  }
  return files;
}

/** Names of the npm packages among them. */
export function embeddedPackages(files: readonly EmbeddedFile[]): Set<string> {
  const names = files.filter(({ path }) => PACKAGES.test(path))
    .map(({ path }) => /^(?:@[^/]+\/)?[^/]+/.exec(path.replace(PACKAGES, ""))![0]);
  return new Set(names);
}

/** Where {@linkcode layOut} reads and writes. */
export interface Layout {
  readonly project: string;
  /** Deno's own npm cache. */
  readonly npmCache: string;
  /** Gets the program. */
  readonly program: string;
  /** Becomes a cache directory with the embedded packages and nothing else. */
  readonly denoDir: string;
}

/** Copies the embedded files, and what the executable has in its head: import map and lock file. */
export function layOut(files: readonly EmbeddedFile[], layout: Layout): void {
  const { project, program, npmCache, denoDir } = layout;
  for (const { path, target } of files) {
    const isPackage = PACKAGES.test(path);
    const inCache = path.replace(PACKAGES, "");
    const registry = isPackage ? registryOf(npmCache, inCache) : "";
    const from = isPackage ? join(npmCache, registry, inCache) : join(project, path);
    const to = isPackage ? join(denoDir, "npm", registry, inCache) : join(program, path);
    mkdirSync(dirname(to), { recursive: true });
    if (target !== undefined) symlinkSync(join(program, target), to);
    else cpSync(from, to, { recursive: true, dereference: true });
  }
  for (const name of ["deno.json", "deno.lock"]) cpSync(join(project, name), join(program, name));
}

/** Each registry has a folder of its own in the cache. */
function registryOf(npmCache: string, path: string): string {
  const registry = readdirSync(npmCache).find((name) => existsSync(join(npmCache, name, path)));
  if (registry === undefined) throw new Error(`"${path}" is embedded and not in ${npmCache}`);
  return registry;
}
