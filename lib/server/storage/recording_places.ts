/**
 * Where a server's recordings go: its folder, or its bucket with the folder as the place where they
 * wait; and buckets of requests, where the operator lets those name some.
 *
 * @module
 */
import type { Platform } from "../../base/platform.ts";
import type { RecordingStorage, StoredFile } from "../../recording/recording_storage.ts";
import { REPLAY_FOLDER } from "../../recording/replay_page.ts";
import { bucketUrl, mayUploadTo, type UploadTarget } from "../../recording/upload_target.ts";
import { RunningUploads, type UploadPorts } from "./object_upload.ts";
import { EgressFiles } from "./egress_files.ts";
import type { RecordingDirectory } from "./recording_directory.ts";
import type { TextSeal } from "../../transport/crypto/sealed_text.ts";
import { openedTarget, sealedTarget } from "./sealed_target.ts";
import { SpoolRoom, type UploadFacts } from "./upload_spool.ts";
import { S3Client, type S3Ports } from "./s3_client.ts";
import { UploadingStorage, type UploadRules } from "./uploading_storage.ts";
import { resumeUploads } from "./upload_resumption.ts";
import { UploadSlots } from "./upload_slots.ts";

/** What is left of uploads is tried again so often, ms. */
const RESUME_MS = 600_000;
/** Below the folder of recordings. */
const SPOOLS = ".roomwire-uploads";
/** Bytes of all uploads that may wait for a slow disk. */
const MOST_WAITING = 256 * 1024 * 1024;

/** What is uploaded, where to, and how. */
export interface UploadSettings {
  /** Absent: recordings stay in the folder. */
  readonly target?: UploadTarget;
  /** Goes before names. */
  readonly prefix: string;
  readonly partSize: number;
  readonly spoolBytes: number;
  readonly patienceMs: number;
  /** What no bucket has taken is removed at this age, ms; 0: never. */
  readonly maxAgeMs: number;
  /** See {@linkcode mayUploadTo}; none: requests name no buckets. */
  readonly requestHosts: readonly string[];
}

/** A prefix as it goes before names: empty, or ending with a slash. */
export function folderPrefix(prefix: string): string {
  return prefix === "" || prefix.endsWith("/") ? prefix : `${prefix}/`;
}

/** All places of one server. */
export class RecordingPlaces implements RecordingStorage {
  /** What a node that is alone is recording. */
  readonly egresses: EgressFiles;
  readonly #rules: UploadRules;
  readonly #requestPorts: Pick<UploadPorts, "platform" | "slots">;
  readonly #own: UploadPorts | undefined;
  readonly #storage: RecordingStorage;
  #cancelResume: () => void = () => {};
  #resuming: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(
    readonly directory: RecordingDirectory,
    readonly settings: UploadSettings,
    readonly platform: Platform,
    readonly fetch: S3Ports["fetch"],
    /** Of what reaches buckets of requests, which their uploads need after a restart. */
    readonly seal: TextSeal,
  ) {
    this.egresses = new EgressFiles(() => directory.root);
    const { target, prefix, partSize, patienceMs, spoolBytes } = settings;
    this.#rules = {
      folder: () => `${directory.root}/${SPOOLS}`,
      prefix: folderPrefix(prefix),
      partSize,
      patienceMs,
      room: new SpoolRoom(spoolBytes),
      waiting: { bytes: 0, most: MOST_WAITING },
      running: new RunningUploads(),
    };
    // Whoever names a slow bucket is nobody's to wait for.
    this.#requestPorts = { platform, slots: new UploadSlots() };
    this.#own = target &&
      { platform, slots: new UploadSlots(), client: new S3Client(target, { platform, fetch }) };
    this.#storage = this.#own === undefined
      ? directory
      : new UploadingStorage(this.#own, this.#rules);
  }

  /** What is in the folder is found by its list. */
  get indexFolder(): string | undefined {
    return this.#own && REPLAY_FOLDER;
  }

  /** Bytes on the disk that no bucket has yet. */
  get waitingBytes(): number {
    return this.#rules.room.bytes;
  }

  /** @throws If the folder cannot be used. */
  prepare(): void {
    this.directory.prepare();
    this.#resume();
  }

  open(path: string, failed: (why: string) => void, opened?: () => void): StoredFile {
    return this.#storage.open(path, failed, opened);
  }

  /** A bucket of a request's choice, or why it is not written to. */
  uploadTo(target: UploadTarget): RecordingStorage | string {
    if (!mayUploadTo(target, this.settings.requestHosts)) {
      return "this server uploads no recordings there: its operator has not listed that storage " +
        "(recording.storage.request_hosts)";
    }
    return new UploadingStorage(this.#portsTo(target), this.#rules);
  }

  /** Of a bucket that a request has named. */
  #portsTo(target: UploadTarget): UploadPorts {
    const { platform, fetch, seal } = this;
    const client = new S3Client(target, { platform, fetch });
    return { ...this.#requestPorts, client, sealed: sealedTarget(target, seal) };
  }

  /** How an upload reaches its bucket that another process left, or why it does not. */
  #portsOf({ bucketUrl: url, sealed }: UploadFacts): UploadPorts | string {
    const own = this.#own;
    if (sealed === "") {
      const isOwn = own !== undefined && url === bucketUrl(own.client.target);
      return isOwn ? own : "its bucket is not configured";
    }
    const target = openedTarget(sealed, url, this.seal);
    if (typeof target === "string") return target;
    if (mayUploadTo(target, this.settings.requestHosts)) return this.#portsTo(target);
    return "its storage is not listed any more (recording.storage.request_hosts)";
  }

  tidy(): void {
    this.directory.tidy();
  }

  hurry(): void {
    this.#rules.running.hurry();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelResume();
    this.hurry();
    await Promise.all([this.#storage.close(), this.directory.close(), this.#resuming]);
  }

  #resume(): void {
    if (this.#isClosed) return;
    const { platform } = this;
    const { folder, room, running, patienceMs } = this.#rules;
    const { maxAgeMs } = this.settings;
    this.#resuming = resumeUploads({
      ...{ platform, folder: folder(), room, running, patienceMs, maxAgeMs },
      isOver: () => this.#isClosed,
      portsOf: (facts) => this.#portsOf(facts),
    }).then(() => {
      if (!this.#isClosed) {
        this.#cancelResume = platform.timers.after(RESUME_MS, () => this.#resume());
      }
    });
  }
}
