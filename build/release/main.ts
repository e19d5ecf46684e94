/**
 * `deno task release`: everything that is published of a version, into `dist/`, and a list of what
 * could not be made on this machine, with reasons. Status 0: all was made; 3: not all.
 *
 * `--out=FOLDER` puts it elsewhere; `--runtimes=FOLDER` names files `denort-<target>` that executables
 * are made of, where Deno may not download them; `--no-images` leaves images out.
 *
 * @module
 */
import { VERSION } from "../../lib/server/version.ts";
import { billOfMaterials, checksums, type SystemPart } from "./bill_of_materials.ts";
import { compileFor, executableName, TARGETS } from "./executables.ts";
import { systemPackagesIn } from "./image_contents.ts";
import { buildImage } from "./images.ts";
import { npmPackage } from "./npm_package.ts";
import { programPackages } from "./program_packages.ts";
import { type ArchivedFile, packArchive } from "./tar_archive.ts";

const ROOT = new URL("../../", import.meta.url);
/** Beside an executable. */
const PAPERS = ["LICENSE", "README.md", "CHANGELOG.md"];
const INCOMPLETE_STATUS = 3;

interface ReleaseOptions {
  readonly folder: string;
  readonly runtimes: string | undefined;
  readonly images: boolean;
}

/** One thing of a release: its file, or why there is none. */
interface Piece {
  readonly name: string;
  readonly fault: string | undefined;
}

/** What git knows of this commit; nothing of it where there is no git. */
async function git(...args: string[]): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command("git", { args, cwd: ROOT }).output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch {
    return undefined;
  }
}

/** Runs a task of the project. @throws {Error} with what it said. */
async function task(name: string): Promise<void> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", name],
    cwd: ROOT,
    stdin: "null",
  }).output();
  if (!success) throw new Error(`deno task ${name}: ${new TextDecoder().decode(stderr)}`);
}

async function writeExecutable(triple: string, options: ReleaseOptions): Promise<Piece> {
  const name = `roomwire-${VERSION}-${triple}.tar.gz`;
  const place = await Deno.makeTempDir({ prefix: "roomwire_release_" });
  const output = `${place}/${executableName(triple)}`;
  const { runtimes, folder } = options;
  try {
    const fault = await compileFor(
      triple,
      output,
      runtimes === undefined ? undefined : `${runtimes}/denort-${triple}`,
    );
    if (fault !== undefined) return { name, fault };
    const program = {
      path: executableName(triple),
      bytes: await Deno.readFile(output),
      isExecutable: true,
    };
    const papers: ArchivedFile[] = PAPERS.map((path) => ({
      path,
      bytes: Deno.readFileSync(new URL(path, ROOT)),
    }));
    const inFolder = [program, ...papers].map((file) => ({
      ...file,
      path: `roomwire-${VERSION}/${file.path}`,
    }));
    await Deno.writeFile(`${folder}/${name}`, await packArchive(inFolder));
    return { name, fault: undefined };
  } finally {
    await Deno.remove(place, { recursive: true });
  }
}

/** Images, and what is in each. */
async function writeImages(options: ReleaseOptions): Promise<Piece[]> {
  const commit = await git("rev-parse", "HEAD") ?? "";
  const pieces: Piece[] = [];
  for (const { imageArchitecture: architecture } of TARGETS) {
    if (architecture === undefined) continue;
    const name = `roomwire-${VERSION}-image-${architecture}.oci.tar`;
    const output = `${options.folder}/${name}`;
    const tag = `roomwire:${VERSION}-${architecture}`;
    const fault = options.images
      ? await buildImage({ architecture, tag, commit, output })
      : "--no-images leaves it out";
    pieces.push({ name, fault });
    if (fault === undefined) {
      const system = await systemPackagesIn(await Deno.readFile(output));
      pieces.push(await writeBill(options, `-image-${architecture}`, system));
    }
  }
  return pieces;
}

async function writeBill(
  { folder }: ReleaseOptions,
  suffix: string,
  system: readonly SystemPart[],
): Promise<Piece> {
  const name = `roomwire-${VERSION}${suffix}.cdx.json`;
  const text = await billOfMaterials({
    version: VERSION,
    commit: await git("rev-parse", "HEAD"),
    timestamp: await git("log", "-1", "--format=%cI"),
    runtime: Deno.version.deno,
    ...await programPackages(),
    system,
  });
  await Deno.writeTextFile(`${folder}/${name}`, text);
  return { name, fault: undefined };
}

async function writePackage({ folder }: ReleaseOptions): Promise<Piece> {
  const name = `roomwire-${VERSION}.tgz`;
  await Deno.writeFile(`${folder}/${name}`, await npmPackage());
  return { name, fault: undefined };
}

/** Everything; a list of what there is. */
async function release(options: ReleaseOptions): Promise<Piece[]> {
  await Deno.mkdir(options.folder, { recursive: true });
  await task("stamp");
  await task("site");
  const pieces = [await writeBill(options, "", []), await writePackage(options)];
  for (const { triple } of TARGETS) pieces.push(await writeExecutable(triple, options));
  pieces.push(...await writeImages(options));
  const made = pieces.filter(({ fault }) => fault === undefined).map(({ name }) => ({
    name,
    bytes: Deno.readFileSync(`${options.folder}/${name}`),
  }));
  await Deno.writeTextFile(`${options.folder}/SHA256SUMS`, await checksums(made));
  return pieces;
}

function optionOf(name: string): string | undefined {
  return Deno.args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
}

const pieces = await release({
  folder: optionOf("out") ?? "dist",
  runtimes: optionOf("runtimes"),
  images: !Deno.args.includes("--no-images"),
});
for (const { name, fault } of pieces) {
  console.log(fault === undefined ? `made      ${name}` : `not made  ${name}\n          ${fault}`);
}
const isWhole = pieces.every(({ fault }) => fault === undefined);
if (!isWhole) console.log("This is not a whole release: make the rest where it can be made.");
Deno.exit(isWhole ? 0 : INCOMPLETE_STATUS);
