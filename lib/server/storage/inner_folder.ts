/**
 * Folders below that of recordings.
 *
 * @module
 */

/**
 * Makes the folder that a file is to be in. One level after the other: a link in the folder leads
 * out of it for nobody.
 *
 * @param root The folder of recordings, as it really is.
 * @param path Of the file, below it.
 * @throws {Deno.errors.PermissionDenied} If a link leads out of the folder.
 */
export async function makeFolderOf(root: string, path: string): Promise<void> {
  let folder = root;
  for (const name of path.split("/").slice(0, -1)) {
    folder += `/${name}`;
    await Deno.mkdir(folder, { recursive: true });
    folder = await Deno.realPath(folder);
    if (folder !== root && !folder.startsWith(`${root}/`)) {
      throw new Deno.errors.PermissionDenied("a link leads out of the folder of recordings");
    }
  }
}
