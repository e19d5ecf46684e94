/**
 * Recordings in a folder: files are written behind what happens, in order, and never stop a call. A
 * disk that is full, slow, gone or silent ends the file with what it has; nothing that a disk is
 * asked for is waited for on the thread that serves everybody.
 *
 * @module
 */
import type { Platform } from "../../base/platform.ts";
import { describeError } from "../../room/context/close_reason.ts";
import type { RecordingStorage, StoredFile } from "../../recording/recording_storage.ts";
import { makeFolderOf } from "./inner_folder.ts";
import { KeptRecordings } from "./kept_recordings.ts";
import {
  QueuedFile,
  type WaitingBytes,
  writeAll,
  writeHead,
  type WrittenFile,
} from "./queued_file.ts";

/** Bytes of all files together that may wait for a slow disk. */
const MOST_WAITING = 256 * 1024 * 1024;
/** How often names are tried that are taken. */
const MOST_NAMES = 1_000;
/** How often old recordings are looked for though none ends, ms. */
const TIDY_MS = 600_000;

/** What is kept of what was recorded; other files in the folder are nobody's business here. */
export interface RetentionRules {
  /** Older files go, ms; 0: none. */
  readonly maxAgeMs: number;
  /** The oldest files go until so many bytes are left; 0: none. */
  readonly maxBytes: number;
}

/** A folder of recordings, which is made if it is not there. */
export class RecordingDirectory implements RecordingStorage {
  /** As it really is, once it is prepared. */
  #root: string;
  #kept: KeptRecordings;
  readonly #rules: RetentionRules;
  readonly #platform: Platform;
  readonly #open = new Set<QueuedFile>();
  readonly #waiting: WaitingBytes = { bytes: 0, most: MOST_WAITING };
  #tidying: Promise<void> | undefined;
  #cancelTidy: () => void = () => {};
  #isClosed = false;

  constructor(root: string, rules: RetentionRules, platform: Platform) {
    this.#root = root;
    this.#kept = new KeptRecordings(root);
    this.#rules = rules;
    this.#platform = platform;
  }

  get root(): string {
    return this.#root;
  }

  /** Makes the folder. @throws If that cannot be, or nothing can be written to it. */
  prepare(): void {
    Deno.mkdirSync(this.#root, { recursive: true });
    this.#root = Deno.realPathSync(this.#root);
    this.#kept = new KeptRecordings(this.#root);
    // A name of its own: another node may be trying the same folder.
    const trial = Deno.makeTempFileSync({ dir: this.#root, prefix: ".roomwire-trial-" });
    Deno.removeSync(trial);
    this.tidy();
  }

  open(path: string, failed: (why: string) => void, opened: () => void = () => {}): StoredFile {
    const asked = { name: path, location: `${this.#root}/${path}` };
    const file: QueuedFile = new QueuedFile(asked, {
      platform: this.#platform,
      waiting: this.#waiting,
      open: () => this.#create(path),
      opened,
      failed,
      closed: () => this.#open.delete(file),
    });
    this.#open.add(file);
    return file;
  }

  tidy(): void {
    this.#cancelTidy();
    const { maxAgeMs, maxBytes } = this.#rules;
    if (this.#isClosed || maxAgeMs === 0 && maxBytes === 0) return;
    this.#tidying ??= this.#tidy().catch((error) => {
      this.#platform.log.warn("old recordings could not be removed", { why: describeError(error) });
    }).finally(() => this.#tidying = undefined);
    this.#cancelTidy = this.#platform.timers.after(TIDY_MS, () => this.tidy());
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelTidy();
    await this.#tidying;
    await Promise.all([...this.#open].map((file) => file.close()));
  }

  /** A new file of that name, or with a number behind it. */
  async #create(path: string): Promise<WrittenFile> {
    await makeFolderOf(this.#root, path);
    const [, base = path, ending = ""] = /^(.*)(\.[^./]*)$/.exec(path) ?? [];
    for (let n = 1; n <= MOST_NAMES; n++) {
      const name = n === 1 ? path : `${base}-${n}${ending}`;
      try {
        const options = { write: true, createNew: true, mode: 0o640 };
        const file = await Deno.open(`${this.#root}/${name}`, options);
        await this.#note(name, file);
        return new DiskFile(name, `${this.#root}/${name}`, file);
      } catch (error) {
        if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      }
    }
    throw new Deno.errors.AlreadyExists("too many recordings have that name");
  }

  /** What cannot be written down is not begun: nobody would ever remove it. */
  async #note(name: string, file: Deno.FsFile): Promise<void> {
    try {
      // Another process that tidies the folder sees by this that it is being written.
      await file.tryLock(true).catch(() => {});
      await this.#kept.add(name);
    } catch (error) {
      file.close();
      await Deno.remove(`${this.#root}/${name}`);
      throw error;
    }
  }

  async #tidy(): Promise<void> {
    const { maxAgeMs, maxBytes } = this.#rules;
    const now = this.#platform.clock.wallMs();
    const gone = new Set<string>();
    const files = (await this.#kept.files(gone)).sort((a, b) => a.at - b.at);
    let bytes = files.reduce((sum, { size }) => sum + size, 0);
    for (const { name, size, at } of files) {
      const isOld = maxAgeMs > 0 && now - at > maxAgeMs;
      const isTooMuch = maxBytes > 0 && bytes > maxBytes;
      if (!isOld && !isTooMuch || await this.#isBusy(name)) continue;
      await Deno.remove(`${this.#root}/${name}`);
      bytes -= size;
      gone.add(name);
      this.#platform.log.info("an old recording was removed", { name });
    }
    await this.#kept.forget(gone);
  }

  /** Whether this process, or another one, is writing it, or reads it to make another one of it. */
  async #isBusy(name: string): Promise<boolean> {
    for (const file of this.#open) if (file.name === name) return true;
    using file = await Deno.open(`${this.#root}/${name}`, { read: true });
    try {
      return !await file.tryLock(true);
    } catch {
      return false; // There are file systems without locks.
    }
  }
}

class DiskFile implements WrittenFile {
  readonly #file: Deno.FsFile;
  #size = 0;

  constructor(readonly name: string, readonly location: string, file: Deno.FsFile) {
    this.#file = file;
  }

  async write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    try {
      await writeAll(this.#file, bytes);
    } catch (error) {
      await this.#file.truncate(this.#size).catch(() => {});
      throw error;
    }
    this.#size += bytes.length;
  }

  async rewriteHead(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    await writeHead(this.#file, bytes);
  }

  close(): Promise<void> {
    this.#file.close();
    return Promise.resolve();
  }
}
