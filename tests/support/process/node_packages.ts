/**
 * Packages of npm that the project itself does without: installed by the test that needs them, from
 * a lock file, into a folder that is kept between runs.
 *
 * @module
 */
import { cachedBuild } from "../peers/built_peers.ts";

/** Under their own names they would make the folder they lie in a project to Deno. */
const PROJECT_FILES: Readonly<Record<string, string>> = {
  "manifest.json": "package.json",
  "lock.json": "package-lock.json",
};
/** At the end of the names of programs that Deno is not to check. */
const UNCHECKED = ".txt";

/**
 * Copies the files of `sources` into a folder of its own, with `.txt` cut off the names of
 * programs, and installs there unless it already holds what the lock file says.
 *
 * @param name Of the folder.
 * @returns the folder, without a trailing slash.
 * @throws {Error} with npm's words when it fails.
 */
export function installNodePackages(name: string, sources: URL): Promise<string> {
  return cachedBuild(name, async (folder) => {
    for await (const { name: file } of Deno.readDir(sources)) {
      const to = PROJECT_FILES[file] ?? file.replace(/\.txt$/, "");
      if (to === file && !file.endsWith(UNCHECKED)) continue;
      await Deno.copyFile(new URL(file, sources), `${folder}/${to}`);
    }
    const lock = await Deno.readTextFile(new URL("lock.json", sources));
    const done = `${folder}/installed-lock.json`;
    if (await Deno.readTextFile(done).catch(() => "") === lock) return folder;
    const npm = new Deno.Command("npm", {
      args: ["ci", "--ignore-scripts", "--no-audit", "--no-fund"],
      cwd: folder,
      stdout: "piped",
      stderr: "piped",
    });
    const { success, stderr } = await npm.output();
    if (!success) throw new Error(`npm ci failed: ${new TextDecoder().decode(stderr)}`);
    await Deno.writeTextFile(done, lock);
    return folder;
  });
}
