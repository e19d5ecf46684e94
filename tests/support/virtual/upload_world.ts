/**
 * A server's recordings on their way into a bucket that answers as S3 does, in virtual time over a
 * real folder, for which time stands still while it is asked for something.
 *
 * @module
 */
import assert from "node:assert/strict";
// The first upload would load it, which takes a while that nobody sees.
import "aws4fetch";
import { silentLog } from "../../../lib/base/platform.ts";
import type { StoredFile } from "../../../lib/recording/recording_storage.ts";
import type { UploadTarget } from "../../../lib/recording/upload_target.ts";
import { RecordingDirectory } from "../../../lib/server/storage/recording_directory.ts";
import {
  RecordingPlaces,
  type UploadSettings,
} from "../../../lib/server/storage/recording_places.ts";
import { TextSeal } from "../../../lib/transport/crypto/sealed_text.ts";
import { FakeBucket } from "../wire/fake_bucket.ts";
import { RealWork } from "./real_work.ts";
import { VirtualPlatform } from "./virtual_platform.ts";

/** Bytes. */
export const PART = 1_000;
export const PATIENCE_MS = 60_000;
export const TARGET: UploadTarget = {
  endpoint: "https://storage.test",
  region: "eu-test-1",
  bucket: "rec",
  pathStyle: true,
  accessKey: "AKIDTEST",
  secret: "top-secret/+=",
  sessionToken: "",
};

/** That many bytes of that value. */
export const piece = (length: number, value: number) => new Uint8Array(length).fill(value);

/** A server's storage over a folder of its own. */
export class Uploads {
  readonly warnings: { readonly message: string; readonly fields: unknown }[] = [];
  readonly platform = new VirtualPlatform(1, {
    ...silentLog,
    warn: (message, fields) => this.warnings.push({ message, fields }),
  });
  readonly bucket = new FakeBucket();
  readonly whys: string[] = [];
  readonly places: RecordingPlaces;

  private constructor(
    readonly folder: string,
    readonly work: RealWork,
    settings: Partial<UploadSettings>,
  ) {
    this.places = this.restarted(folder, settings);
  }

  static async run(
    body: (uploads: Uploads) => Promise<void>,
    settings: Partial<UploadSettings> = {},
  ): Promise<void> {
    const folder = await Deno.makeTempDir();
    using work = new RealWork();
    try {
      const uploads = new Uploads(folder, work, settings);
      await body(uploads);
      const closed = uploads.places.close();
      await uploads.until(closed);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }

  /** Another process over that folder. */
  restarted(
    folder: string,
    settings: Partial<UploadSettings> = {},
    secret = "API keys",
  ): RecordingPlaces {
    const { platform } = this;
    const directory = new RecordingDirectory(folder, { maxAgeMs: 0, maxBytes: 0 }, platform);
    const places = new RecordingPlaces(
      directory,
      {
        target: TARGET,
        prefix: "calls",
        partSize: PART,
        spoolBytes: 0,
        patienceMs: PATIENCE_MS,
        requestHosts: [],
        maxAgeMs: 0,
        ...settings,
      },
      platform,
      this.bucket.fetch,
      new TextSeal(new TextEncoder().encode(secret), "uploads", platform.random),
    );
    places.prepare();
    return places;
  }

  open(path = "a/b.webm", storage: Pick<RecordingPlaces, "open"> = this.places): StoredFile {
    return storage.open(path, (why) => this.whys.push(why));
  }

  /** Time goes on until that is so. */
  async until<T>(promise: Promise<T>, stepMs = 25): Promise<T> {
    let isDone = false;
    promise.finally(() => isDone = true).catch(() => {});
    for (let i = 0; i < 10_000 && !isDone; i++) await this.pass(stepMs);
    return await promise;
  }

  /** Time goes on by that, once the disk has done what it was asked for, as it does after that. */
  async pass(ms: number): Promise<void> {
    await this.work.done();
    this.platform.advance(ms);
    await this.work.done();
  }

  async eventually(isSo: () => boolean): Promise<void> {
    for (let i = 0; i < 1_000 && !isSo(); i++) await this.pass(20);
    assert.ok(isSo());
  }

  /** Resolves once so much time has passed. */
  after(ms: number): Promise<void> {
    return new Promise((resolve) => void this.platform.timers.after(ms, resolve));
  }

  /** Gives what waits with so many bytes that age. @returns Its name. */
  async aged(bytes: number, ageMs: number): Promise<string> {
    const root = `${this.folder}/.roomwire-uploads`;
    const at = (this.platform.clock.wallMs() - ageMs) / 1_000;
    for await (const { name } of Deno.readDir(root)) {
      const path = `${root}/${name}/part-1`;
      if ((await Deno.stat(path)).size !== bytes) continue;
      await Deno.utime(path, at, at);
      return name;
    }
    assert.fail(`nothing of ${bytes} bytes waits`);
  }

  /** Once the disk has done what it was asked for, there are so many bytes. */
  async spooled(bytes: number): Promise<void> {
    await this.work.done();
    assert.equal((await this.spool()).bytes, bytes);
  }

  /** Bytes of parts that wait, and how many uploads there are. */
  async spool(): Promise<{ bytes: number; uploads: number }> {
    let [bytes, uploads] = [0, 0];
    const root = `${this.folder}/.roomwire-uploads`;
    for await (const { name } of Deno.readDir(root)) {
      uploads++;
      for await (const file of Deno.readDir(`${root}/${name}`)) {
        if (!file.name.startsWith("part-")) continue;
        bytes += (await Deno.stat(`${root}/${name}/${file.name}`)).size;
      }
    }
    return { bytes, uploads };
  }
}

/** What a process leaves that is killed now: its files, and none of its locks. */
export async function killed(
  uploads: Uploads,
  change: (facts: string) => string = (facts) => facts,
): Promise<string> {
  const folder = `${uploads.folder}/after`;
  const root = `${uploads.folder}/.roomwire-uploads`;
  for await (const { name } of Deno.readDir(root)) {
    await Deno.mkdir(`${folder}/.roomwire-uploads/${name}`, { recursive: true });
    for await (const file of Deno.readDir(`${root}/${name}`)) {
      const path = `.roomwire-uploads/${name}/${file.name}`;
      await Deno.copyFile(`${uploads.folder}/${path}`, `${folder}/${path}`);
    }
    const facts = `${folder}/.roomwire-uploads/${name}/upload.json`;
    await Deno.writeTextFile(facts, change(await Deno.readTextFile(facts)));
  }
  return folder;
}
