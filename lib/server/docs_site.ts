/**
 * Where the documentation lies that this program came with.
 *
 * @module
 */
import type { Config } from "./config/config_parsing.ts";

/** Made by `deno task site` beside the program, or embedded in it; perhaps not there. */
const SITE = new URL("../../site/", import.meta.url);

/** Its folder, if it is to be served: in development, and wherever `docs` says so. */
export function docsSite({ docs, development }: Config): URL | undefined {
  return docs ?? development ? SITE : undefined;
}

/** Whether it is served, and was made. */
export function hasDocs(config: Config): boolean {
  const site = docsSite(config);
  if (site === undefined) return false;
  try {
    return Deno.statSync(new URL("index.html", site)).isFile;
  } catch {
    return false;
  }
}
