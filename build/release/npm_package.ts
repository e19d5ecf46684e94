/**
 * The module as a package that npm and Deno install: what `deno pack` makes of `mod.ts`, with the
 * very versions of packages that it was tested with.
 *
 * @module
 */
import { packArchive, unpackArchive } from "./tar_archive.ts";

const ROOT = new URL("../../", import.meta.url);
const MANIFEST = "package/package.json";
/** What belongs to a package; `deno pack` adds whatever else it finds in folders. */
const BELONGS = /^package\/(?:package\.json|README\.md|CHANGELOG\.md|LICENSE|.*\.js|.*\.d\.ts)$/;

/** Makes it. @throws {Error} with what `deno pack` says. */
export async function npmPackage(): Promise<Uint8Array<ArrayBuffer>> {
  const packed = await Deno.makeTempFile({ suffix: ".tgz" });
  try {
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["pack", "--allow-dirty", "--no-source-maps", "--output", packed],
      cwd: ROOT,
      env: { NO_COLOR: "1" },
      stdin: "null",
    }).output();
    const said = new TextDecoder().decode(stderr);
    if (!success) throw new Error(said);
    // Without types of its public surface the package would be of little use.
    const slow = said.split("\n").filter((line) => line.startsWith("error["));
    if (slow.length > 0) throw new Error(`mod.ts has types that nobody can see:\n${said}`);
    return await finished(await Deno.readFile(packed));
  } finally {
    await Deno.remove(packed);
  }
}

async function finished(archive: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const files = (await unpackArchive(archive)).filter(({ path }) => BELONGS.test(path));
  const manifest = files.find(({ path }) => path === MANIFEST);
  if (manifest === undefined) throw new Error("deno pack has written no package.json");
  const written = JSON.parse(new TextDecoder().decode(manifest.bytes)) as PackageManifest;
  const bytes = new TextEncoder().encode(
    `${JSON.stringify(withExactVersions(written), null, 2)}\n`,
  );
  return await packArchive(files.map((file) => file === manifest ? { ...file, bytes } : file));
}

interface PackageManifest {
  readonly dependencies: Readonly<Record<string, string>>;
}

function withExactVersions(manifest: PackageManifest) {
  const exact = Object.entries(manifest.dependencies).map(([name, range]) =>
    [name, range.replace(/^[\^~]/, "")] as const
  );
  return {
    ...manifest,
    description: "A LiveKit-compatible WebRTC SFU for Deno, to embed",
    engines: { deno: ">=2.9.6" },
    dependencies: Object.fromEntries(exact),
  };
}
