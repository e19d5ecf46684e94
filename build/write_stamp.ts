/**
 * Writes `build_stamp.json`, by which an executable or an image knows what it was made from
 * (`lib/server/build_identity.ts`): the commit that `ROOMWIRE_COMMIT` names, where there is no clone
 * (an image's build), or else what git says of this folder.
 *
 * @module
 */
import manifest from "../deno.json" with { type: "json" };

const STAMP = new URL("../build_stamp.json", import.meta.url);
const PART = new URL("../build_stamp.json.part", import.meta.url);
const ROOT = new URL("../", import.meta.url);

/** What git says, or `undefined` if there is no git, or nothing to be said. */
async function git(...args: string[]): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command("git", {
      args,
      cwd: ROOT,
      stdin: "null",
      stderr: "null",
    }).output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch {
    return undefined;
  }
}

/** Commits since the tag of this version, or 0; `undefined` without such a tag. */
async function commitsSinceTag(): Promise<number | undefined> {
  const count = await git("rev-list", "--count", `v${manifest.version}..HEAD`);
  return count === undefined ? undefined : Number(count);
}

const given = Deno.env.get("ROOMWIRE_COMMIT")?.trim() || undefined;
const name = given ?? await git("rev-parse", "HEAD");
const changes = given === undefined
  ? await git("status", "--porcelain", "--untracked-files=no")
  : "";
const since = given === undefined ? await commitsSinceTag() : undefined;
const version = since === undefined || since === 0
  ? manifest.version
  : `${manifest.version}+${since}`;
const commit = name === undefined || !changes ? name : `${name}-dirty`;
const text = `${JSON.stringify({ version, commit })}\n`;
// Somebody may be reading it: it is replaced at once, and only by something else.
if (await Deno.readTextFile(STAMP).catch(() => "") !== text) {
  await Deno.writeTextFile(PART, text);
  await Deno.rename(PART, STAMP);
}
if (commit === undefined) {
  console.log("No commit is known: there is no git here, and ROOMWIRE_COMMIT is not set");
}
