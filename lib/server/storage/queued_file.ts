/**
 * A file that is written behind what happens: whoever appends never waits, and is told once if it
 * can take no more.
 *
 * @module
 */
import type { Platform } from "../../base/platform.ts";
import type { StoredFile } from "../../recording/recording_storage.ts";
import { reasonOf } from "./storage_failure.ts";

/** Bytes that may wait for a slow disk, for each file. */
const MOST_WAITING = 64 * 1024 * 1024;
/** A disk that has not answered for so long is not waited for, ms. */
const SILENT_MS = 30_000;

/** What waits for a disk, of all files that share the room for it. */
export interface WaitingBytes {
  bytes: number;
  readonly most: number;
}

/** What the bytes are written to, one call after the other. */
export interface WrittenFile {
  /** See {@linkcode StoredFile}. */
  readonly name: string;
  readonly location: string;
  /** Appends all of it, or nothing: half a piece is of no use, and its room may be. */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  rewriteHead(bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Resolves when it is kept. */
  close(): Promise<void>;
}

/** What a file is given. */
export interface QueuedFileOptions {
  readonly platform: Pick<Platform, "timers" | "log">;
  readonly waiting: WaitingBytes;
  readonly open: () => Promise<WrittenFile>;
  /** It is there, under the name that it has now. */
  readonly opened: () => void;
  /** Called at most once, in words for people; nothing is taken after that. */
  readonly failed: (why: string) => void;
  readonly closed: () => void;
}

/** One file. */
export class QueuedFile implements StoredFile {
  readonly #options: QueuedFileOptions;
  readonly #silent = Promise.withResolvers<void>();
  #file: WrittenFile | undefined;
  #work: Promise<void> = Promise.resolve();
  #waiting = 0;
  #size = 0;
  #hasFailed = false;
  #closing: Promise<number> | undefined;

  /** @param asked Its name and place until it is there, which may turn out otherwise. */
  constructor(readonly asked: Pick<StoredFile, "name" | "location">, options: QueuedFileOptions) {
    this.#options = options;
    this.#next(async () => {
      this.#file = await options.open();
      if (!this.#hasFailed) options.opened();
    });
  }

  get name(): string {
    return (this.#file ?? this.asked).name;
  }

  get location(): string {
    return (this.#file ?? this.asked).location;
  }

  append(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#hasFailed || this.#closing !== undefined) return;
    const { waiting } = this.#options;
    const { length } = bytes;
    if (this.#waiting + length > MOST_WAITING || waiting.bytes + length > waiting.most) {
      return this.fail("the disk is too slow");
    }
    this.#waits(length);
    this.#next(async () => {
      await this.#file!.write(bytes);
      this.#size += length;
      if (!this.#hasFailed) this.#waits(-length);
    });
  }

  rewriteHead(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#hasFailed || this.#closing !== undefined) return;
    this.#next(() => this.#file!.rewriteHead(bytes));
  }

  close(): Promise<number> {
    return this.#closing ??= this.#close();
  }

  /** Takes nothing more, and says why. */
  fail(why: string): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#waits(-this.#waiting);
    this.#options.platform.log.error("a recording ends early", { why });
    this.#options.failed(why);
  }

  async #close(): Promise<number> {
    const kept = this.#work.then(async () => {
      await this.#file?.close().catch((error) => this.fail(reasonOf(error)));
      this.#options.closed();
    });
    // A disk that does not answer may do so when nobody asks for it any more.
    await Promise.race([kept, this.#silent.promise]);
    return this.#size;
  }

  #waits(bytes: number): void {
    this.#waiting += bytes;
    this.#options.waiting.bytes += bytes;
  }

  #next(step: () => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      if (this.#hasFailed) return;
      const answered = this.#options.platform.timers.after(SILENT_MS, () => {
        this.fail("the disk does not answer");
        this.#silent.resolve();
      });
      try {
        await step();
      } catch (error) {
        this.fail(reasonOf(error));
      }
      answered();
    });
  }
}

/** All of it. */
export async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

/** Replaces the first bytes of a file that is appended to. */
export async function writeHead(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  await file.seek(0, Deno.SeekMode.Start);
  await writeAll(file, bytes);
  await file.seek(0, Deno.SeekMode.End);
}
