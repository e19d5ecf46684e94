/**
 * Which files in a folder are recordings of ours: each is written down when it begins, so that
 * nothing else in the folder is ever taken for one, whatever it is called.
 *
 * The list is a text with one name a line. It may be several processes' list; whoever writes it
 * holds a lock that the system takes from a process which dies. A line that was lost all the same
 * keeps its file from being removed, and nothing worse.
 *
 * @module
 */
import { Mutex } from "../../base/mutex.ts";
import { leadsOutside } from "../../recording/recording_name.ts";

const LIST = ".roomwire-recordings";

/** A recording that is there. */
export interface KeptFile {
  /** Below the folder. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Unix ms of the last change. */
  readonly at: number;
}

/** The recordings of one folder, which has no link in its path. */
export class KeptRecordings {
  readonly #root: string;
  /** Only one of this process waits for the lock: each that does so holds a thread. */
  readonly #turn = new Mutex();

  constructor(root: string) {
    this.#root = root;
  }

  /** A file of that name, below the folder, has been made. */
  async add(name: string): Promise<void> {
    const options = { append: true, mode: 0o640 };
    await this.#alone(() => Deno.writeTextFile(`${this.#root}/${LIST}`, `${name}\n`, options));
  }

  /**
   * Those that are still there, and are files; what a link leads to is not looked at.
   *
   * @param gone Gets the names of those that are not.
   */
  async files(gone: Set<string>): Promise<KeptFile[]> {
    const files: KeptFile[] = [];
    for (const name of await this.names()) {
      const path = `${this.#root}/${name}`;
      try {
        if (await Deno.realPath(path) !== path) continue;
        const { isFile, size, mtime } = await Deno.lstat(path);
        if (isFile && mtime !== null) files.push({ name, size, at: mtime.getTime() });
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
        gone.add(name);
      }
    }
    return files;
  }

  /** Forgets those of `gone` that have not come back since. */
  async forget(gone: ReadonlySet<string>): Promise<void> {
    if (gone.size === 0) return;
    await this.#alone(async () => {
      const left: string[] = [];
      for (const name of await this.names()) {
        if (!gone.has(name) || await this.#isThere(name)) left.push(`${name}\n`);
      }
      const fresh = `${this.#root}/${LIST}.new`;
      await Deno.writeTextFile(fresh, left.join(""), { mode: 0o640 });
      await Deno.rename(fresh, `${this.#root}/${LIST}`);
    });
  }

  /** Does something to the list while no other process does. */
  #alone(work: () => Promise<void>): Promise<void> {
    return this.#turn.run(async () => {
      const options = { create: true, write: true, mode: 0o640 };
      using lock = await Deno.open(`${this.#root}/${LIST}.lock`, options);
      // On a file system without locks it is as good as can be.
      await lock.lock(true).catch(() => {});
      await work();
    });
  }

  async #isThere(name: string): Promise<boolean> {
    try {
      await Deno.lstat(`${this.#root}/${name}`);
      return true;
    } catch {
      return false;
    }
  }

  /** Of all that were made, the oldest first. */
  async names(): Promise<string[]> {
    try {
      const lines = (await Deno.readTextFile(`${this.#root}/${LIST}`)).split("\n");
      return [...new Set(lines)].filter((name) => name !== "" && !leadsOutside(name));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }
}
