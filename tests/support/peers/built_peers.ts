/**
 * Folders in which test runs keep what they build or install of clients in other languages: out of
 * the way of version control, of Deno's packages and of type checks.
 *
 * @module
 */

import { untimed } from "../process/failure_report.ts";

const FOLDER = new URL("../../../node_modules/.peers/", import.meta.url);

/**
 * Gives `make` a folder that is kept between runs, to itself: other test files that want the same
 * wait meanwhile, and then find everything there.
 *
 * @returns what `make` does.
 */
export function cachedBuild<T>(
  name: string,
  make: (folder: string) => Promise<T>,
): Promise<T> {
  return untimed(() => build(name, make));
}

async function build<T>(name: string, make: (folder: string) => Promise<T>): Promise<T> {
  const folder = new URL(`${name}/`, FOLDER);
  await Deno.mkdir(folder, { recursive: true });
  using lock = await Deno.open(new URL("lock", folder), { create: true, write: true });
  await lock.lock(true);
  try {
    return await make(folder.pathname.replace(/\/$/, ""));
  } finally {
    await lock.unlock();
  }
}
