/**
 * Files of recordings that are being read, so that nobody removes them meanwhile: whoever tidies
 * the folder, in this process or another one, sees by a shared lock that a file is in use.
 *
 * @module
 */

/** Files that are there, until they are let go. */
export class HeldFiles implements Disposable {
  readonly #files: readonly Deno.FsFile[];

  private constructor(files: readonly Deno.FsFile[], readonly missing: ReadonlySet<string>) {
    this.#files = files;
  }

  /**
   * Holds them.
   *
   * @param names Below the folder; those that are not there are `missing`.
   */
  static async hold(root: string, names: Iterable<string>): Promise<HeldFiles> {
    const files: Deno.FsFile[] = [];
    const missing = new Set<string>();
    for (const name of names) {
      try {
        const file = await Deno.open(`${root}/${name}`, { read: true });
        files.push(file);
        // On a file system without locks it is as good as can be.
        await file.tryLock(false).catch(() => {});
      } catch (error) {
        // Of one that cannot be held for another reason its reader tells.
        if (error instanceof Deno.errors.NotFound) missing.add(name);
      }
    }
    return new HeldFiles(files, missing);
  }

  [Symbol.dispose](): void {
    for (const file of this.#files) file.close();
  }
}
