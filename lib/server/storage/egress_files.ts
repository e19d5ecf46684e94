/**
 * What a node that is alone records at the moment, in files beside its recordings: if it dies, it
 * finds them when it begins anew, and tells what became of them.
 *
 * Contract: whoever writes a file holds a lock, so that those of another process which has the same
 * folder, and lives, are not taken for left behind.
 *
 * @module
 */
import type { EgressShelf } from "../../egress/lost_egresses.ts";
import { writeAll } from "./queued_file.ts";

const FOLDER = ".roomwire-egresses";
/** Ids are names of files. */
const ID = /^EG_\w{1,64}$/;

/** One folder's. */
export class EgressFiles implements EgressShelf {
  /** Those of this process. */
  readonly #own = new Map<string, Deno.FsFile>();

  /** @param root The folder of recordings, as it really is. */
  constructor(readonly root: () => string) {}

  /** What processes left that have ended. */
  async all(): Promise<ReadonlyMap<string, string>> {
    const left = new Map<string, string>();
    for (const id of await this.#ids()) {
      if (this.#own.has(id)) continue;
      using file = await Deno.open(this.#path(id), { read: true });
      // Without locks nobody can tell whose it is.
      if (!await file.tryLock(true).catch(() => false)) continue;
      left.set(id, await Deno.readTextFile(this.#path(id)));
    }
    return left;
  }

  async put(id: string, text: string, over?: string): Promise<boolean> {
    const own = this.#own.get(id);
    const file = own ?? (over === undefined ? await this.#create(id) : await this.#adopt(id, over));
    if (file === undefined) return false;
    await file.seek(0, Deno.SeekMode.Start);
    await writeAll(file, new TextEncoder().encode(text));
    await file.truncate(text.length);
    return true;
  }

  async remove(id: string): Promise<boolean> {
    this.#own.get(id)?.close();
    this.#own.delete(id);
    try {
      await Deno.remove(this.#path(id));
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  async #create(id: string): Promise<Deno.FsFile> {
    await Deno.mkdir(`${this.root()}/${FOLDER}`, { recursive: true, mode: 0o750 });
    const file = await Deno.open(this.#path(id), { write: true, createNew: true, mode: 0o640 });
    this.#own.set(id, file);
    // Whoever looks at that moment lets it go at once.
    await file.lock(true).catch(() => {});
    return file;
  }

  /** One that another process left; `undefined` if it is somebody's, or begins otherwise. */
  async #adopt(id: string, over: string): Promise<Deno.FsFile | undefined> {
    let file: Deno.FsFile | undefined;
    try {
      file = await Deno.open(this.#path(id), { read: true, write: true });
      if (!await file.tryLock(true)) return void file.close();
      const text = await Deno.readTextFile(this.#path(id));
      if (!text.startsWith(over)) return void file.close();
    } catch (error) {
      file?.close();
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
    this.#own.set(id, file);
    return file;
  }

  async #ids(): Promise<string[]> {
    const ids: string[] = [];
    try {
      for await (const { name, isFile } of Deno.readDir(`${this.root()}/${FOLDER}`)) {
        if (isFile && ID.test(name)) ids.push(name);
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    return ids;
  }

  #path(id: string): string {
    return `${this.root()}/${FOLDER}/${id}`;
  }
}
