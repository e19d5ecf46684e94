/**
 * `deno task site`: writes the documentation as static files into `site/`, from where the server
 * serves it at `/docs`; any web server can. A file that is as it was is left alone, and another one
 * is replaced at once, so that nobody who reads meanwhile finds half of it.
 *
 * @module
 */
import { siteFiles, siteSummary } from "./site_files.ts";
import { buildIdentity, identityText } from "../../lib/server/build_identity.ts";

const ROOT = new URL("../../", import.meta.url);
const SITE = new URL("site/", ROOT);

const read = (path: string) => Deno.readTextFileSync(new URL(path, ROOT));

function existing(file: URL): string | undefined {
  try {
    return Deno.readTextFileSync(file);
  } catch {
    return undefined;
  }
}

function replace(name: string, text: string): void {
  const file = new URL(name, SITE);
  if (existing(file) === text) return;
  Deno.mkdirSync(new URL(".", file), { recursive: true });
  const part = new URL(`${name}.${Deno.pid}`, SITE);
  Deno.writeTextFileSync(part, text);
  Deno.renameSync(part, file);
}

/** Names below a folder. */
function namesIn(folder: URL, at = ""): string[] {
  return [...Deno.readDirSync(new URL(at, folder))].flatMap(({ name, isDirectory }) =>
    isDirectory ? namesIn(folder, `${at}${name}/`) : [`${at}${name}`]
  );
}

const files = siteFiles(read, identityText(buildIdentity()));
for (const [name, text] of files) replace(name, text);
for (const name of namesIn(SITE)) {
  // What ends in a number is being written by somebody else.
  if (!files.has(name) && !/\.\d+$/.test(name)) Deno.removeSync(new URL(name, SITE));
}
if (!Deno.args.includes("--quiet")) console.log(`site/: ${siteSummary()}, ${files.size} files`);
