/**
 * Recordings in a bucket of an S3-compatible service. They are written to a spool on the disk, from
 * which parts go to the bucket while they grow, so that a bucket may be slow, or away for a while;
 * what it has not got when this process ends goes there when the next one begins.
 *
 * @module
 */
import { randomId } from "../../base/ids.ts";
import type { RecordingStorage, StoredFile } from "../../recording/recording_storage.ts";
import { bucketUrl, objectUrl } from "../../recording/upload_target.ts";
import {
  MOST_PARTS,
  numbered,
  ObjectUpload,
  type RunningUploads,
  type UploadPorts,
} from "./object_upload.ts";
import { QueuedFile, type WaitingBytes, type WrittenFile } from "./queued_file.ts";
import { StorageFailure } from "./storage_failure.ts";
import { type SpoolRoom, type UploadFacts, UploadSpool } from "./upload_spool.ts";

/** What is open for so long is a recording, and no page of facts beside one, ms. */
const BEGIN_MS = 5_000;

/** Playlists are followed while they grow. */
const LIVE = /\.m3u8$/;

/** How recordings are uploaded. */
export interface UploadRules {
  /** Where spools are. */
  readonly folder: () => string;
  /** Goes before each name; empty, or ending with a slash. */
  readonly prefix: string;
  /** Bytes of a part. */
  readonly partSize: number;
  /** How long a bucket is waited for that takes nothing, once a recording has ended, ms. */
  readonly patienceMs: number;
  readonly room: SpoolRoom;
  readonly waiting: WaitingBytes;
  /** What is on its way. */
  readonly running: RunningUploads;
}

/** One bucket. */
export class UploadingStorage implements RecordingStorage {
  readonly #ports: UploadPorts;
  readonly #rules: UploadRules;
  readonly #open = new Set<QueuedFile>();
  /** Names of what is being recorded; the bucket knows of it only later. */
  readonly #names = new Set<string>();

  constructor(ports: UploadPorts, rules: UploadRules) {
    this.#ports = ports;
    this.#rules = rules;
  }

  open(path: string, failed: (why: string) => void, opened: () => void = () => {}): StoredFile {
    const { platform, client: { target } } = this.#ports;
    const { prefix, waiting } = this.#rules;
    let name = path;
    for (let n = 2; this.#names.has(name); n++) name = numbered(path, n);
    this.#names.add(name);
    const asked = { name, location: objectUrl(target, `${prefix}${name}`) };
    const file: QueuedFile = new QueuedFile(asked, {
      platform,
      waiting,
      open: () => this.#begin(name, file),
      opened,
      failed,
      closed: () => {
        this.#open.delete(file);
        this.#names.delete(name);
      },
    });
    this.#open.add(file);
    return file;
  }

  /** What is in a bucket goes by the bucket's own rules. */
  tidy(): void {}

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#open, (file) => file.close()));
  }

  async #begin(name: string, file: QueuedFile): Promise<WrittenFile> {
    const { platform, client: { target } } = this.#ports;
    const { folder, prefix, room } = this.#rules;
    const spool = await UploadSpool.create(`${folder()}/${randomId(platform.random, "UP_")}`, room);
    const facts: UploadFacts = {
      bucketUrl: bucketUrl(target),
      sealed: this.#ports.sealed ?? "",
      key: `${prefix}${name}`,
      type: mediaType(name),
      uploadId: "",
      begins: false,
      completes: false,
      tags: {},
    };
    await spool.note(facts);
    const upload = new ObjectUpload(this.#ports, spool, facts, (error) => {
      file.fail(error instanceof StorageFailure ? error.message : "the upload failed");
    });
    this.#rules.running.add(upload);
    const isLive = LIVE.test(name);
    const stop = platform.timers.after(BEGIN_MS, () => isLive || upload.begin());
    return new UploadedFile(spool, facts, upload, {
      rules: this.#rules,
      locate: (key) => objectUrl(target, key),
      closing: stop,
      isLive,
    });
  }
}

/** What a file is written with. */
interface UploadedFileOptions {
  readonly rules: UploadRules;
  readonly locate: (key: string) => string;
  readonly closing: () => void;
  /** See {@linkcode ObjectUpload.refresh}. */
  readonly isLive: boolean;
}

class UploadedFile implements WrittenFile {
  constructor(
    readonly spool: UploadSpool,
    readonly facts: UploadFacts,
    readonly upload: ObjectUpload,
    readonly options: UploadedFileOptions,
  ) {}

  get name(): string {
    return this.facts.key.slice(this.options.rules.prefix.length);
  }

  get location(): string {
    return this.options.locate(this.facts.key);
  }

  async write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    for (const number of await this.spool.append(bytes, this.options.rules.partSize)) {
      if (number >= MOST_PARTS) throw new StorageFailure("the file is too large for the storage");
      this.upload.offer(number);
    }
    if (this.options.isLive) this.upload.refresh();
  }

  async rewriteHead(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.spool.rewriteHead(bytes);
    if (this.options.isLive) this.upload.refresh();
  }

  async close(): Promise<void> {
    const { closing, rules: { patienceMs, running } } = this.options;
    closing();
    this.upload.loseHeart(patienceMs);
    await this.upload.finish().finally(() => running.delete(this.upload));
  }
}

const TYPES: Readonly<Record<string, string>> = {
  webm: "video/webm",
  mkv: "video/x-matroska",
  mp4: "video/mp4",
  ogg: "audio/ogg",
  json: "application/json",
  m3u8: "application/vnd.apple.mpegurl",
  m4s: "video/iso.segment",
};

function mediaType(name: string): string {
  return TYPES[name.slice(name.lastIndexOf(".") + 1)] ?? "application/octet-stream";
}
