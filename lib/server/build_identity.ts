/**
 * What exactly this program was made from. Executables and images have it written beside them
 * (`build/write_stamp.ts`); a clone is asked itself, file by file, so that nobody needs the right
 * to run `git` for it. Read when somebody asks, and not before.
 *
 * @module
 */
import { VERSION } from "./version.ts";

/** What is known of a build. */
export interface BuildIdentity {
  /** That of `deno.json`, and how far behind its tag where there is one: `0.1.0+12`. */
  readonly version: string;
  /** The commit's whole name, with `-dirty` if files differed; absent where nobody knows. */
  readonly commit?: string;
}

/** The folder of `main.ts`. */
const PROGRAM_ROOT = new URL("../../", import.meta.url);
/** Written by the build, never committed. */
const STAMP = "build_stamp.json";
/** A commit by its SHA-1 or SHA-256. */
const COMMIT = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;
const STAMPED_COMMIT = /^[0-9a-f]{40}(?:[0-9a-f]{24})?(?:-dirty)?$/;
/** Digits of a commit that people are shown. */
const SHOWN_DIGITS = 12;
/** Names that git gives to branches and tags, as far as a path may be made of them. */
const REFERENCE = /^refs\/(?!.*\.\.)[\w./+@-]+$/;

/** Reads it, as far as the process may read files. Never throws. */
export function buildIdentity(root = PROGRAM_ROOT): BuildIdentity {
  const commit = commitOfClone(root);
  if (commit !== undefined) return { version: VERSION, commit };
  return stamped(root) ?? { version: VERSION };
}

/** In one line for people: `0.1.0 (commit 1ec233f0a1b2)`. */
export function identityText({ version, commit }: BuildIdentity): string {
  return commit === undefined ? version : `${version} (commit ${shortCommit(commit)})`;
}

/** The commit as people are shown it. */
export function shortCommit(commit: string): string {
  const [name = "", ...dirt] = commit.split("-");
  return [name.slice(0, SHOWN_DIGITS), ...dirt].join("-");
}

function stamped(root: URL): BuildIdentity | undefined {
  const text = textOf(new URL(STAMP, root));
  if (text === undefined) return undefined;
  try {
    const { version, commit } = JSON.parse(text) as Record<string, unknown>;
    if (typeof version !== "string") return undefined;
    const known = typeof commit === "string" && STAMPED_COMMIT.test(commit);
    return known ? { version, commit } : { version };
  } catch {
    return undefined;
  }
}

/** gitrepository-layout(5): `HEAD` is a commit, or names a reference that is one. */
function commitOfClone(root: URL): string | undefined {
  const folders = gitFolders(root);
  if (folders === undefined) return undefined;
  const head = textOf(new URL("HEAD", folders.own))?.trim();
  const name = head?.startsWith("ref: ") ? head.slice("ref: ".length) : undefined;
  if (name === undefined) return commitIn(head);
  if (!REFERENCE.test(name)) return undefined;
  return commitIn(textOf(new URL(name, folders.own))) ??
    commitIn(textOf(new URL(name, folders.common))) ??
    packedCommit(textOf(new URL("packed-refs", folders.common)), name);
}

/** Where a clone, or one more work tree of it, keeps its `HEAD`, and its references. */
function gitFolders(root: URL): { readonly own: URL; readonly common: URL } | undefined {
  const plain = new URL(".git/", root);
  if (textOf(new URL("HEAD", plain)) !== undefined) return { own: plain, common: plain };
  const path = /^gitdir: (.+)$/m.exec(textOf(new URL(".git", root)) ?? "")?.[1];
  if (path === undefined) return undefined;
  const own = new URL(`${path.trim()}/`, root);
  const common = textOf(new URL("commondir", own))?.trim();
  return { own, common: common === undefined ? own : new URL(`${common}/`, own) };
}

function commitIn(text: string | undefined): string | undefined {
  const name = text?.trim() ?? "";
  return COMMIT.test(name) ? name : undefined;
}

function packedCommit(packed: string | undefined, name: string): string | undefined {
  const line = packed?.split("\n").find((candidate) => candidate.endsWith(` ${name}`));
  return commitIn(line?.slice(0, line.indexOf(" ")));
}

/** What stands in a file that is there and may be read; nobody is asked for the right to. */
function textOf(file: URL): string | undefined {
  try {
    const { state } = Deno.permissions.querySync({ name: "read", path: file });
    return state === "granted" ? Deno.readTextFileSync(file) : undefined;
  } catch {
    return undefined;
  }
}
