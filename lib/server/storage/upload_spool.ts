/**
 * What of one recording waits on the disk until a bucket has it: a folder with a file for each
 * part, and a page of facts by which the upload goes on after this process has ended. A part goes
 * once the bucket has it, but for the first, whose head is written anew until the end.
 *
 * @module
 */
import { writeAll, writeHead } from "./queued_file.ts";
import { StorageFailure } from "./storage_failure.ts";

/** What is known of an upload; no secrets but sealed ones. */
export interface UploadFacts {
  /** Where its bucket is. */
  readonly bucketUrl: string;
  /** What reaches that bucket, as `sealedTarget` has it; empty if the configuration says so. */
  readonly sealed: string;
  /** Of the object, as far as it is known not to be another's. */
  key: string;
  /** Media type. */
  readonly type: string;
  /** Empty before there is an upload of parts. */
  uploadId: string;
  /** One is being begun, whose id nobody knows yet. */
  begins: boolean;
  /** The bucket was asked to make one object of the parts, and has not refused it. */
  completes: boolean;
  /** What parts are called that the bucket has, by number. */
  readonly tags: Record<number, string>;
}

/** Bytes that wait for buckets, of all uploads. */
export class SpoolRoom {
  bytes = 0;
  /** Those that nobody is uploading, by their folders. */
  readonly #left = new Map<string, number>();

  /** @param most 0: as many as the disk takes. */
  constructor(readonly most: number) {}

  /** Bytes that are counted wait for another try. */
  leave(folder: string, bytes: number): void {
    this.#left.set(folder, bytes);
  }

  /** Of what nobody is uploading: in that folder, or in all. */
  left(folder?: string): number {
    if (folder !== undefined) return this.#left.get(folder) ?? 0;
    return [...this.#left.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Why so many bytes more are too many, in words; `undefined` if they are not. */
  whyFull(more: number): string | undefined {
    const { bytes, most } = this;
    if (most === 0 || bytes + more <= most) return undefined;
    return bytes - this.left() + more <= most
      ? "what could not be uploaded before takes up the disk (recording.storage.spool_size)"
      : "the storage takes less than is recorded, and the disk no more";
  }

  /** What was left in a folder is not counted any more: whoever has taken it up counts it. */
  forget(folder: string): void {
    this.bytes -= this.#left.get(folder) ?? 0;
    this.#left.delete(folder);
  }

  /** Forgets what was left in other folders than these: other processes have taken it up. */
  keepOnly(folders: ReadonlySet<string>): void {
    for (const folder of [...this.#left.keys()]) if (!folders.has(folder)) this.forget(folder);
  }
}

const STATE = "upload.json";
const LOCK = "lock";
const PART = /^part-([1-9]\d{0,4})$/;

/** The part that is appended to. */
interface GrowingPart {
  readonly number: number;
  readonly file: Deno.FsFile;
  size: number;
}

/** One folder. Its calls are made one after the other, but for those that read parts. */
export class UploadSpool {
  readonly #lock: Deno.FsFile;
  /** Bytes of parts that are here, by number. */
  readonly #parts: Map<number, number>;
  #current: GrowingPart | undefined;

  private constructor(
    readonly folder: string,
    readonly room: SpoolRoom,
    lock: Deno.FsFile,
    parts: Map<number, number>,
  ) {
    this.#lock = lock;
    this.#parts = parts;
  }

  /** A new one. */
  static async create(folder: string, room: SpoolRoom): Promise<UploadSpool> {
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    const options = { create: true, write: true, mode: 0o600 };
    const lock = await Deno.open(`${folder}/${LOCK}`, options);
    // Whoever looks for what was left lets it go at once: there is no page of facts yet.
    await lock.lock(true).catch(() => {});
    return new UploadSpool(folder, room, lock, new Map());
  }

  /**
   * One that another process left, or this one.
   *
   * @returns `undefined` while somebody has it.
   * @throws {StorageFailure} If it is none; it stays.
   */
  static async reopen(
    folder: string,
    room: SpoolRoom,
  ): Promise<{ readonly spool: UploadSpool; readonly facts: UploadFacts } | undefined> {
    room.forget(folder);
    const lock = await Deno.open(`${folder}/${LOCK}`, { write: true });
    try {
      // Without locks nobody can tell.
      if (!await lock.tryLock(true)) return void lock.close();
      const spool = new UploadSpool(folder, room, lock, new Map());
      for (const { number, size } of await partsIn(folder)) spool.#counts(number, size);
      const facts = await UploadSpool.factsOf(folder);
      if (facts !== undefined) return { spool, facts };
      spool.leave();
    } catch (error) {
      lock.close();
      throw error;
    }
    throw new StorageFailure("its page of facts cannot be read");
  }

  /** What is known of one, whoever has it; `undefined` if its page of facts cannot be read. */
  static async factsOf(folder: string): Promise<UploadFacts | undefined> {
    return readFacts(await Deno.readTextFile(`${folder}/${STATE}`).catch(() => ""));
  }

  /**
   * Removes one that another process left, or this one, if nobody has it.
   *
   * @param isOver Asked for when something was recorded last, Unix ms, and how much, bytes.
   * @returns How many bytes have gone; `undefined` if it stays.
   */
  static async discard(
    folder: string,
    room: SpoolRoom,
    isOver: (at: number, bytes: number) => boolean,
  ): Promise<number | undefined> {
    const made = await lastChange(folder);
    // Whoever had it has done with it meanwhile.
    if (made === undefined) return 0;
    using lock = await Deno.open(`${folder}/${LOCK}`, { create: true, write: true, mode: 0o600 });
    if (!await lock.tryLock(true)) return undefined;
    const parts = await partsIn(folder);
    const bytes = parts.reduce((sum, { size }) => sum + size, 0);
    const at = parts.length === 0 ? made : Math.max(...parts.map((part) => part.at));
    if (!isOver(at, bytes)) return undefined;
    await Deno.remove(folder, { recursive: true });
    room.forget(folder);
    return bytes;
  }

  /** Of its folder: the same as long as there is one. */
  get name(): string {
    return this.folder.slice(this.folder.lastIndexOf("/") + 1);
  }

  /** Numbers of parts that are here, the smallest first. */
  get numbers(): number[] {
    return [...this.#parts.keys()].sort((a, b) => a - b);
  }

  /**
   * Appends all of it or nothing, to parts of `partSize` bytes.
   *
   * @returns The parts that have become whole.
   */
  async append(bytes: Uint8Array<ArrayBuffer>, partSize: number): Promise<number[]> {
    const why = this.room.whyFull(bytes.length);
    if (why !== undefined) throw new StorageFailure(why);
    const number = this.#current?.number ?? 1;
    const size = this.#current?.size ?? 0;
    const whole: number[] = [];
    try {
      for (let at = 0; at < bytes.length;) {
        const part = await this.#writable(partSize);
        const piece = bytes.subarray(at, at + partSize - part.size);
        await writeAll(part.file, piece);
        part.size += piece.length;
        this.#counts(part.number, piece.length);
        at += piece.length;
        if (part.size === partSize) whole.push(part.number);
      }
    } catch (error) {
      await this.#cut(number, size).catch(() => {});
      throw error;
    }
    return whole;
  }

  async rewriteHead(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.#current?.number === 1) return await writeHead(this.#current.file, bytes);
    using file = await Deno.open(this.#path(1), { write: true });
    await writeAll(file, bytes);
  }

  async part(number: number): Promise<Uint8Array<ArrayBuffer>> {
    return await Deno.readFile(this.#path(number));
  }

  /** The bucket has it. */
  async drop(number: number): Promise<void> {
    await Deno.remove(this.#path(number));
    this.room.bytes -= this.#parts.get(number) ?? 0;
    this.#parts.delete(number);
  }

  async note(facts: UploadFacts): Promise<void> {
    const fresh = `${this.folder}/${STATE}.new`;
    await Deno.writeTextFile(fresh, JSON.stringify(facts), { mode: 0o600 });
    await Deno.rename(fresh, `${this.folder}/${STATE}`);
  }

  /** Nothing is written any more; what is here waits for another try. */
  leave(): void {
    const bytes = this.#bytes;
    this.#close();
    if (bytes > 0) this.room.leave(this.folder, bytes);
  }

  async remove(): Promise<void> {
    this.room.bytes -= this.#bytes;
    this.#close();
    await Deno.remove(this.folder, { recursive: true });
  }

  get #bytes(): number {
    return [...this.#parts.values()].reduce((sum, size) => sum + size, 0);
  }

  #close(): void {
    this.#current?.file.close();
    this.#current = undefined;
    this.#lock.close();
    this.#parts.clear();
  }

  async #writable(partSize: number): Promise<GrowingPart> {
    const current = this.#current;
    if (current !== undefined && current.size < partSize) return current;
    const number = (current?.number ?? 0) + 1;
    const options = { write: true, createNew: true, mode: 0o600 };
    const file = await Deno.open(this.#path(number), options);
    current?.file.close();
    return this.#current = { number, file, size: 0 };
  }

  /** Takes back what a piece has made that could not be written whole; it was the last. */
  async #cut(number: number, size: number): Promise<void> {
    this.#current?.file.close();
    this.#current = undefined;
    for (const later of this.numbers) if (later > number) await this.drop(later);
    if (!this.#parts.has(number)) return;
    if (size === 0) return await this.drop(number);
    await Deno.truncate(this.#path(number), size);
    this.#counts(number, size - this.#parts.get(number)!);
  }

  #counts(number: number, bytes: number): void {
    this.#parts.set(number, (this.#parts.get(number) ?? 0) + bytes);
    this.room.bytes += bytes;
  }

  #path(number: number): string {
    return `${this.folder}/part-${number}`;
  }
}

interface LeftPart {
  readonly number: number;
  readonly size: number;
  /** Of the last change, Unix ms. */
  readonly at: number;
}

/** Unix ms; `undefined` if it is not there. */
async function lastChange(folder: string): Promise<number | undefined> {
  try {
    return (await Deno.lstat(folder)).mtime?.getTime() ?? 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Parts of which there is something. */
async function partsIn(folder: string): Promise<LeftPart[]> {
  const parts: LeftPart[] = [];
  for await (const { name, isFile } of Deno.readDir(folder)) {
    const number = Number(PART.exec(name)?.[1]);
    if (!isFile || !(number > 0)) continue;
    const { size, mtime } = await Deno.lstat(`${folder}/${name}`);
    if (size > 0) parts.push({ number, size, at: mtime?.getTime() ?? 0 });
  }
  return parts;
}

/** `undefined` for what no process of this version has written. */
function readFacts(text: string): UploadFacts | undefined {
  try {
    const { bucketUrl, key, type, uploadId, tags, sealed = "", ...flags } = JSON.parse(text);
    const texts = [bucketUrl, sealed, key, type, uploadId, ...Object.values(tags)];
    if (texts.some((value) => typeof value !== "string")) return undefined;
    const [begins, completes] = [flags.begins === true, flags.completes === true];
    return { bucketUrl, sealed, key, type, uploadId, tags, begins, completes };
  } catch {
    return undefined;
  }
}
